"""`edgernn search`: the settings of a recipe that do best, among those that fit a board."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.train.search.study import Summary, TrialResult

FIGURES = {"latency": "latency_us", "flash": "flash_kib", "ram": "ram_kib"}
"""Objectives that every trial has a figure of, trained or not."""


@click.command(no_args_is_help=True)
@click.argument("recipe")
@click.option("--data", "path", required=True, metavar="PATH", help="The folder or file that the recipe reads.")
@click.option(
    "--trials", type=click.IntRange(1), help="How many in the end; 20, or all points of a grid, unless given."
)
@click.option("--method", default="tpe", show_default=True, help="grid, random or tpe.")
@click.option(
    "--objective", default="accuracy", show_default=True, help="accuracy, latency, flash, ram; several by commas."
)
@click.option(
    "--space", "spaces", multiple=True, metavar="KEY=...", help="model.hidden=16,32 or training.rate=1e-3..1e-2:log"
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Fixed for all trials, as in `edgernn train`."
)
@click.option("--device", default="this", show_default=True, metavar="NAME", help="The board; see `edgernn devices`.")
@click.option("--max-latency-us", type=float, help="The longest step that it may take there, as predicted.")
@click.option("--max-flash-kib", type=float, help="The most bytes of weights, in KiB.")
@click.option("--max-ram-kib", type=float, help="The most bytes of state and scratch, in KiB.")
@click.option("--storage", metavar="URL", help="A database that workers share; a journal in the folder unless given.")
@click.option("--study", "name", metavar="NAME", help="Its name there; that of the recipe unless given.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what the method draws.")
@click.option("--out", metavar="FOLDER", help="Where the trials go; runs/RECIPE-search unless given.")
@click.option("--train-on", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def search(recipe: str, path: str, out: str | None, as_json: bool, **said: Any) -> None:
    """Search the settings in the section [search] of RECIPE, or those of --space, for the best.

    A network that passes a limit on the board is never trained. Called again, the same command goes on where it was
    interrupted; called several times at once, by one folder or by one --storage, the workers share the trials. They are
    judged by a validation part, a fifth of the training part unless the recipe holds one out: the test part has no say.
    """
    from edgernn.extras import needed

    with needed("searching"):
        from edgernn.train.loop.trainer import Accelerator
        from edgernn.train.recipe import load
        from edgernn.train.search import trials as worker
        from edgernn.train.search.objectives import Limits
    loaded = load(recipe, said["settings"], said["spaces"])
    limits = Limits(said["max_latency_us"], said["max_flash_kib"], said["max_ram_kib"])
    folder = Path(out) if out is not None else Path("runs") / f"{loaded.name}-search"
    objectives = said["objective"].split(",")
    named = {key: said[key] for key in ("trials", "method", "device", "storage", "name", "seed")}
    summary = worker.search(
        loaded,
        path,
        folder,
        objectives=objectives,
        limits=limits,
        accelerator=Accelerator(said["train_on"]),
        on_trial=_tell,
        **named,
    )
    commands = [_command(recipe, path, said["settings"], summary.trials, number) for number in summary.best]
    if as_json:
        click.echo(json.dumps(_json(summary, commands, folder), indent=2))
        return
    click.echo(_table(summary))
    front = len(summary.objectives) > 1
    click.echo("\nThe Pareto front, no trial better in everything:" if front else "\nThe best; train it again by")
    for number, command in zip(summary.best, commands, strict=True):
        click.echo(f"  {f'trial {number}: ' if front else ''}{command}")


def _tell(trial: "TrialResult") -> None:
    """A line of progress."""
    click.echo(f"trial {trial.number}: {_settings(trial)}: {_came_to(trial)}", err=True)


def _settings(trial: "TrialResult") -> str:
    return " ".join(f"{key}={_short(value)}" for key, value in trial.settings.items())


def _came_to(trial: "TrialResult") -> str:
    if trial.state != "done":
        return f"{trial.state}{f': {trial.reason}' if trial.reason else ''}"
    return ", ".join(f"{name} {value:.4g}" for name, value in trial.values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(summary: "Summary") -> str:
    """A row for each trial, the best ones marked."""
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
    rows += [["" if (cell := of(trial)) is None else _short(cell) for _, of in columns] for trial in summary.trials]
    widths = [max(len(row[k]) for row in rows) for k in range(len(columns))]
    return "\n".join("  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _command(recipe: str, path: str, settings: Sequence[str], trials: Sequence["TrialResult"], number: int) -> str:
    """What trains the network of a trial again."""
    trial = next(each for each in trials if each.number == number)
    fixed = [*settings, *(f"{key}={_word(value)}" for key, value in trial.settings.items())]
    return shlex.join(
        ["edgernn", "train", recipe, "--data", path, *(word for each in fixed for word in ("--set", each))]
    )


def _word(value: Any) -> str:
    """A value as `--set` reads it; a word in quotes only when it would be read as something else."""
    from edgernn.files import plain_toml

    return value if isinstance(value, str) and plain_toml.value(value) == value else json.dumps(value)


def _json(summary: "Summary", commands: Sequence[str], folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    return {"folder": str(folder), **asdict(summary), "commands": commands}
