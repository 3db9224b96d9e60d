"""`edgernn train`: train the model of a recipe."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH, Choice, complete_recipes
from edgernn.errors import UsageError

if TYPE_CHECKING:
    from edgernn.train.data.sequences import Data
    from edgernn.train.recipe import Recipe


@click.command(no_args_is_help=True)
@click.argument("recipe", required=False, shell_complete=complete_recipes)
@shared.data()
@shared.settings
@shared.out("FOLDER", shown="runs/RECIPE")
@shared.accelerator
@click.option("--devices", type=int, default=1, show_default=True, help="Use this many accelerators on each machine.")
@click.option("--nodes", type=int, default=1, show_default=True, help="Use this many machines.")
@click.option("--logger", type=Choice(["csv", "tensorboard"]), help="Log every step in the folder in this format too.")
@click.option(
    "--init", "first", type=PATH, metavar="FILE.toml", help="Look at the data, write a first recipe for it, and end."
)
@shared.board(None)
@click.option("--resume", is_flag=True, help="Continue after the last finished epoch in the folder.")
@shared.as_json
def train(
    recipe: str | None,
    data: str,
    settings: tuple[str, ...],
    out: str | None,
    accelerator: str,
    devices: int,
    nodes: int,
    logger: str | None,
    first: str | None,
    board: str | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Train a model by a recipe.

    RECIPE is the name of one that comes with edgernn, such as spoken-digits, or a .toml file. The folder receives the
    model, its metrics, a report and a checkpoint. The metrics are those of the exported graph, streaming over the test
    part. `edgernn export` turns model.rnn into artifacts. A bidirectional model is written as model.onnx: it takes
    whole windows and cannot stream. Use --resume after an interruption. `edgernn recipes` lists the recipes and
    explains their keys. Where there is none for your data, --init writes one. With --board it is said before the
    training whether the model fits there.
    """
    from dataclasses import asdict

    from edgernn.extras import needed

    if (recipe is None) == (first is None):
        raise UsageError(
            "give a RECIPE to train, or --init FILE.toml to write one; `edgernn recipes` lists those there are"
        )
    if first is not None:
        _write_recipe(first, data, as_json)
        return
    with needed("training"):
        from edgernn.train import run
        from edgernn.train.loop.trainer import Accelerator, is_interactive
        from edgernn.train.recipe import load
        from edgernn.train.window_model import FILE
    loaded = load(str(recipe), settings)
    folder = Path(out) if out is not None else Path("runs") / loaded.name
    place = Accelerator(accelerator, devices, nodes, logger or "", is_interactive())
    try:
        read = run.read(loaded, data)
        if board is not None:
            _warn_if_too_large(loaded, read, board)
        result = run.train_on(read, loaded, folder, accelerator=place, resume=resume)
    except KeyboardInterrupt:
        click.echo("Finished epochs are saved: the same command with --resume continues.", err=True)
        raise
    if as_json:
        click.echo(json.dumps({"recipe": loaded.name, "folder": str(folder), **asdict(result)}, indent=2))
        return
    metrics = ", ".join(f"{name} {value:g}" for name, value in result.metrics.items())
    click.echo("\n".join(result.baselines))
    click.echo(f"{loaded.title}: {metrics} on the test part; {result.parameters:,} weights, {result.took_s:.0f} s")
    click.echo(f"Metrics, plots and costs on boards: {folder / 'report.html'}")
    if loaded.shape.bidirectional:
        click.echo("The model is bidirectional: it takes whole windows and cannot stream.")
    model = folder / (FILE if loaded.shape.bidirectional else "model.rnn")
    click.echo(f"Model: {model}\nTry:\n  edgernn info {model}")


def _write_recipe(path: str, data: str, as_json: bool) -> None:
    """Write a first recipe for the data."""
    from edgernn.extras import needed

    with needed("reading data"):
        from edgernn.train.draft.write import write
    drafted = write(data, path)
    command = shlex.join(["edgernn", "train", path, "--data", data])
    if as_json:
        click.echo(json.dumps({"recipe": path, "remarks": drafted.remarks, "command": command}, indent=2))
        return
    click.echo("\n".join([*drafted.remarks, f"Recipe: {path}; every key has a comment.", "Train it:", f"  {command}"]))


def _warn_if_too_large(recipe: "Recipe", data: "Data", board: str) -> None:
    """Warn where the model of a recipe does not fit a board, or its step takes longer than the period."""
    from edgernn.device.board import load
    from edgernn.train.convert import untrained
    from edgernn.train.fitting import misfits

    for sentence in misfits(untrained(recipe, data), load(board)):
        click.echo(f"Warning: {sentence}", err=True)
