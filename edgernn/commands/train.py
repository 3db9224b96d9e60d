"""`edgernn train`: train the model of a recipe."""

import json
from pathlib import Path

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import Choice, complete_recipes


@click.command(no_args_is_help=True)
@click.argument("recipe", shell_complete=complete_recipes)
@shared.data()
@shared.settings
@shared.out("FOLDER", shown="runs/RECIPE")
@shared.accelerator
@click.option("--devices", type=int, default=1, show_default=True, help="Use this many accelerators on each machine.")
@click.option("--nodes", type=int, default=1, show_default=True, help="Use this many machines.")
@click.option("--logger", type=Choice(["csv", "tensorboard"]), help="Log every step in the folder in this format too.")
@click.option("--resume", is_flag=True, help="Continue after the last finished epoch in the folder.")
@shared.as_json
def train(
    recipe: str,
    data: str,
    settings: tuple[str, ...],
    out: str | None,
    accelerator: str,
    devices: int,
    nodes: int,
    logger: str | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Train a model by a recipe.

    RECIPE is the name of one that comes with edgernn, such as spoken-digits, or a .toml file. The folder receives the
    model, its metrics, a report and a checkpoint. The metrics are those of the exported graph, streaming over the test
    part. `edgernn export` turns model.rnn into artifacts. A bidirectional model is written as model.onnx: it takes
    whole windows and cannot stream. Use --resume after an interruption.
    """
    from dataclasses import asdict

    from edgernn.extras import needed

    with needed("training"):
        from edgernn.train import run
        from edgernn.train.loop.trainer import Accelerator, is_interactive
        from edgernn.train.recipe import load
        from edgernn.train.window_model import FILE
    loaded = load(recipe, settings)
    folder = Path(out) if out is not None else Path("runs") / loaded.name
    place = Accelerator(accelerator, devices, nodes, logger or "", is_interactive())
    try:
        result = run.train(loaded, data, folder, accelerator=place, resume=resume)
    except KeyboardInterrupt:
        click.echo("Finished epochs are saved: the same command with --resume continues.", err=True)
        raise
    if as_json:
        click.echo(json.dumps({"recipe": loaded.name, "folder": str(folder), **asdict(result)}, indent=2))
        return
    metrics = ", ".join(f"{name} {value:g}" for name, value in result.metrics.items())
    click.echo(f"{loaded.title}: {metrics} on the test part; {result.parameters:,} weights, {result.took_s:.0f} s")
    click.echo(f"Metrics, plots and costs on boards: {folder / 'report.html'}")
    if loaded.shape.bidirectional:
        click.echo("The model is bidirectional: it takes whole windows and cannot stream.")
    model = folder / (FILE if loaded.shape.bidirectional else "model.rnn")
    click.echo(f"Model: {model}\nTry:\n  edgernn info {model}")
