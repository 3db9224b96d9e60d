"""`edgernn train`: train the model of a recipe."""

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH, Choice, complete_recipes
from edgernn.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgernn.train.convert import Model
    from edgernn.train.loop.trainer import Accelerator
    from edgernn.train.run import Result
    from edgernn.train.translation.run import PairResult


@click.command(no_args_is_help=True)
@click.argument("recipe", required=False, shell_complete=complete_recipes)
@shared.data(required=False)
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
    data: str | None,
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
    from edgernn.extras import needed

    if (recipe is None) == (first is None):
        raise UsageError(
            "give a RECIPE to train, or --init FILE.toml to write one; `edgernn recipes` lists those there are"
        )
    if first is not None:
        _write_recipe(first, _required(data), as_json)
        return
    with needed("training"):
        from edgernn.train.data import PAIR_READERS
        from edgernn.train.loop.trainer import Accelerator, is_interactive
        from edgernn.train.recipe import read_document
    place = Accelerator(accelerator, devices, nodes, logger or "", is_interactive())
    request = Request(str(recipe), settings, data, out, place, board, resume)
    pairs = read_document(request.recipe, settings)[2]["data"]["reader"] in PAIR_READERS
    try:
        result, lines = (_train_translator if pairs else _train_model)(request)
    except KeyboardInterrupt:
        click.echo("Finished epochs are saved: the same command with --resume continues.", err=True)
        raise
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines))


@dataclass(frozen=True)
class Request:
    """What a training was called with.

    Attributes:
        recipe: the name of a recipe, or the path of one.
        settings: overrides of it.
        data: the path of the data; None where it is missing.
        out: the folder; None for runs/RECIPE.
        place: where the training runs.
        board: the board that the model is for; None for none.
        resume: whether to continue.
    """

    recipe: str
    settings: tuple[str, ...]
    data: str | None
    out: str | None
    place: "Accelerator"
    board: str | None
    resume: bool

    def folder(self, name: str) -> Path:
        """The folder of the run of a recipe."""
        return Path(self.out) if self.out is not None else Path("runs") / name


def _train_model(request: Request) -> tuple[dict[str, Any], list[str]]:
    """Train a model; return the result as values and as lines."""
    from edgernn.train import run
    from edgernn.train.convert import untrained
    from edgernn.train.recipe import load
    from edgernn.train.window_model import FILE

    recipe = load(request.recipe, request.settings)
    folder, data = request.folder(recipe.name), run.read(recipe, _required(request.data))
    if request.board is not None:
        _warn_if_too_large([untrained(recipe, data)], request.board)
    result = run.train_on(data, recipe, folder, accelerator=request.place, resume=request.resume)
    bidirectional = bool(recipe.shape.bidirectional)
    model = folder / (FILE if bidirectional else "model.rnn")
    lines = [
        *result.baselines,
        _summary(recipe.title, result),
        f"Metrics, plots and costs on boards: {folder / 'report.html'}",
        *(["The model is bidirectional: it takes whole windows and cannot stream."] if bidirectional else []),
        f"Model: {model}\nTry:\n  edgernn info {model}",
    ]
    return {"recipe": recipe.name, "folder": str(folder), **asdict(result)}, lines


def _train_translator(request: Request) -> tuple[dict[str, Any], list[str]]:
    """Train an encoder and a decoder; return the result as values and as lines."""
    from edgernn.train.translation import run
    from edgernn.train.translation.recipe import load

    recipe = load(request.recipe, request.settings)
    folder = request.folder(recipe.name)
    path = request.data or "" if recipe.options.get("generate") else _required(request.data)
    pairs = run.read(recipe, path)
    if request.board is not None:
        _warn_if_too_large(run.untrained(recipe, pairs), request.board)
    result = run.train_on(pairs, recipe, folder, accelerator=request.place, resume=request.resume)
    package = folder / run.PACKAGE
    lines = [_summary(recipe.title, result), f"Package: {package}\nTry:\n  edgernn translate {package} TEXT"]
    return {"recipe": recipe.name, "folder": str(folder), **asdict(result)}, lines


def _summary(title: str, result: "Result | PairResult") -> str:
    metrics = ", ".join(f"{name} {value:g}" for name, value in result.metrics.items())
    return f"{title}: {metrics} on the test part; {result.parameters:,} weights, {result.took_s:.0f} s"


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


def _required(data: str | None) -> str:
    """The value of --data.

    Raises:
        UsageError: it did not arrive, and the recipe reads its data.
    """
    if data is None:
        raise UsageError("the recipe reads data; give its path with --data")
    return data


def _warn_if_too_large(models: "Iterable[Model]", board: str) -> None:
    """Warn where a model does not fit a board, or its step takes longer than the period."""
    from edgernn.device.board import load
    from edgernn.train.fitting import misfits

    device = load(board)
    for model in models:
        for sentence in misfits(model, device):
            click.echo(f"Warning: {sentence}", err=True)
