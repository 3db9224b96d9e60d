"""`edgernn train`: from a folder of data to a model."""

import json
from pathlib import Path

import click


@click.command(no_args_is_help=True)
@click.argument("recipe")
@click.option("--data", "path", required=True, metavar="PATH", help="The folder or file that the recipe reads.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Such as model.hidden=64; repeat for more.")
@click.option("--out", metavar="FOLDER", help="Where the results go; runs/RECIPE unless given.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--devices", type=int, default=1, show_default=True, help="How many of them train together.")
@click.option("--nodes", type=int, default=1, show_default=True, help="On how many machines.")
@click.option("--logger", default="", metavar="NAME", help="csv or tensorboard: log every step below the folder too.")
@click.option("--resume", is_flag=True, help="Go on after the last epoch that is finished in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    recipe: str,
    path: str,
    settings: tuple[str, ...],
    out: str | None,
    device: str,
    devices: int,
    nodes: int,
    logger: str,
    resume: bool,
    as_json: bool,
) -> None:
    """Train the model of RECIPE and write it, its metrics, its report and its checkpoint into a folder.

    RECIPE is one of those that come with edgernn, such as spoken-digits, or a file that ends in .toml. The metrics are
    of the test part, from the exported graph as it streams; `edgernn export` makes artifacts of the model.rnn. A
    bidirectional model is written as model.onnx: it takes whole windows and cannot stream. What is interrupted goes on
    with --resume.
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
    place = Accelerator(device, devices, nodes, logger, is_interactive())
    try:
        result = run.train(loaded, path, folder, accelerator=place, resume=resume)
    except KeyboardInterrupt:
        click.echo("What is finished is kept: the same command with --resume goes on.", err=True)
        raise
    if as_json:
        click.echo(json.dumps({"recipe": loaded.name, "folder": str(folder), **asdict(result)}, indent=2))
        return
    metrics = ", ".join(f"{name} {value:g}" for name, value in result.metrics.items())
    click.echo(f"{loaded.title}: {metrics} on the test part; {result.parameters:,} weights, {result.took_s:.0f} s")
    click.echo(f"What it came to, and what it costs where, is told in {folder / 'report.html'}")
    if loaded.shape.bidirectional:
        click.echo("It is bidirectional: whole windows only; it cannot stream.")
    model = folder / (FILE if loaded.shape.bidirectional else "model.rnn")
    click.echo(f"The model is {model}: try\n  edgernn info {model}")
