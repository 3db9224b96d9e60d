"""`edgernn search`: the best settings of a recipe that fit a board."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import Choice, complete_recipes
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.train.recipe import Recipe
    from edgernn.train.search.study import Summary, TrialResult

FIGURES = {"latency": "latency_us", "flash": "flash_kib", "ram": "ram_kib"}
"""Objectives that every trial has, trained or not -> their column in the table."""


@click.command(no_args_is_help=True)
@click.argument("recipe", shell_complete=complete_recipes)
@shared.data()
@click.option("--trials", type=click.IntRange(1), show_default="20, or the whole grid", help="Stop after this many.")
@click.option(
    "--method", type=Choice(["grid", "random", "tpe"]), default="tpe", show_default=True, help="Choose trials by this."
)
@click.option(
    "--objective",
    default="accuracy",
    show_default=True,
    metavar="A,B",
    help="Optimize these: accuracy, latency, flash or ram.",
)
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="KEY=...",
    help="Search model.hidden=16,32 or training.rate=1e-3..1e-2:log; repeatable.",
)
@shared.settings
@shared.board()
@click.option("--max-latency-us", type=float, help="Refuse networks whose predicted step takes longer.")
@click.option("--max-flash-kib", type=float, help="Refuse networks with more KiB of weights.")
@click.option("--max-ram-kib", type=float, help="Refuse networks with more KiB of state and scratch.")
@click.option(
    "--storage", metavar="URL", show_default="a journal in the folder", help="Share the trials in this database."
)
@click.option("--study", metavar="NAME", show_default="RECIPE", help="Name of the study in the database.")
@shared.seed
@shared.out("FOLDER", shown="runs/RECIPE-search")
@shared.accelerator
@shared.as_json
def search(recipe: str, data: str, out: str | None, as_json: bool, **options: Any) -> None:
    """Search the settings of a recipe, within board limits.

    The search space is the section [search] of RECIPE, and --space. A network that exceeds a limit on the board is not
    trained. The same command continues an interrupted search; run it several times at once, with one folder or one
    --storage, and the workers share the trials. Trials are compared on a validation part: a fifth of the training part
    unless the recipe has one. The test part is not used.
    """
    from edgernn.extras import needed

    with needed("searching"):
        from edgernn.train.search import trials as worker  # without its own package nothing larger is imported
    with needed("searching"):
        from edgernn.train.loop.trainer import Accelerator
        from edgernn.train.recipe import load
        from edgernn.train.search.objectives import Limits
    loaded = load(recipe, options["settings"], options["spaces"])
    limits = Limits(options["max_latency_us"], options["max_flash_kib"], options["max_ram_kib"])
    folder = Path(out) if out is not None else Path("runs") / f"{loaded.name}-search"
    with bar("trials", _count(loaded, options["method"], options["trials"]), lines=True) as step:
        summary = worker.search(
            loaded,
            data,
            folder,
            objectives=options["objective"].split(","),
            limits=limits,
            device=options["board"],
            name=options["study"],
            accelerator=Accelerator(options["accelerator"]),
            on_trial=lambda trial: step(1, _line(trial)),
            **{key: options[key] for key in ("trials", "method", "storage", "seed")},
        )
    commands = [_command(recipe, data, options["settings"], summary.trials, number) for number in summary.best]
    if as_json:
        click.echo(json.dumps(_json(summary, commands, folder), indent=2))
        return
    click.echo(_table(summary))
    front = len(summary.objectives) > 1
    click.echo("\nThe Pareto front; to train a trial again:" if front else "\nThe best; to train it again:")
    for number, command in zip(summary.best, commands, strict=True):
        click.echo(f"  {f'trial {number}: ' if front else ''}{command}")


def _count(recipe: "Recipe", method: str, trials: int | None) -> int:
    """Return the number of trials that the search has at its end.

    Raises:
        UsageError: the method cannot search the space.
    """
    from edgernn.train.search import methods
    from edgernn.train.search.trials import TRIALS

    methods.check(method, recipe.space)
    if method != methods.GRID:
        return trials or TRIALS
    points = len(methods.grid(recipe.space, 0))
    return min(trials or points, points)


def _line(trial: "TrialResult") -> str:
    return f"trial {trial.number}: {_settings(trial)}: {_result(trial)}"


def _settings(trial: "TrialResult") -> str:
    return " ".join(f"{key}={_short(value)}" for key, value in trial.settings.items())


def _result(trial: "TrialResult") -> str:
    if trial.state != "done":
        return f"{trial.state}{f': {trial.reason}' if trial.reason else ''}"
    return ", ".join(f"{name} {value:.4g}" for name, value in trial.values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(summary: "Summary") -> str:
    """Return a row for each trial, the best ones marked."""
    keys = list(dict.fromkeys(key for trial in summary.trials for key in trial.settings))
    columns: list[tuple[str, Callable[[TrialResult], Any]]] = [
        ("trial", lambda trial: f"{trial.number}{'*' if trial.number in summary.best else ''}"),
        *((key, lambda trial, key=key: trial.settings.get(key)) for key in keys),
        *(
            (name, lambda trial, name=name: trial.values.get(name))
            for name in summary.objectives
            if name not in FIGURES
        ),
        *((name, lambda trial, name=name: trial.figures.get(name)) for name in FIGURES.values()),
        ("state", lambda trial: trial.state),
        ("", lambda trial: trial.reason),
    ]
    rows = [[head for head, _ in columns]]
    rows += [
        ["" if (cell := cell_of(trial)) is None else _short(cell) for _, cell_of in columns] for trial in summary.trials
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(columns))]
    return "\n".join("  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _command(recipe: str, data: str, settings: Sequence[str], trials: Sequence["TrialResult"], number: int) -> str:
    """Return the command that trains the network of a trial again."""
    trial = next(trial for trial in trials if trial.number == number)
    fixed = [*settings, *(f"{key}={_toml(value)}" for key, value in trial.settings.items())]
    arguments = [argument for setting in fixed for argument in ("--set", setting)]
    return shlex.join(["edgernn", "train", recipe, "--data", data, *arguments])


def _toml(value: Any) -> str:
    """Return a value as `--set` reads it, a string in quotes only where it would be read as another type."""
    from edgernn.files import bounded_toml

    return value if isinstance(value, str) and bounded_toml.value(value) == value else json.dumps(value)


def _json(summary: "Summary", commands: Sequence[str], folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    return {"folder": str(folder), **asdict(summary), "commands": commands}
