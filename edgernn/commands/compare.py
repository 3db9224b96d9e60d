"""`edgernn compare`: which cell to choose."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgernn.train.compare.table import Comparison


@click.command(no_args_is_help=True)
@click.argument("recipe")
@click.option("--data", "path", required=True, metavar="PATH", help="The folder or file that the recipe reads.")
@click.option("--cells", default="rnn,lstm,gru,birnn", show_default=True, help="With commas; bi... reads both ways.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each cell.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Such as model.hidden=64; repeat for more.")
@click.option("--device", "board", metavar="NAME", default="this", show_default=True, help="See `edgernn devices`.")
@click.option("--out", metavar="FOLDER", help="Where the results go; runs/compare-RECIPE unless given.")
@click.option("--train-on", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    recipe: str,
    path: str,
    cells: str,
    seeds: int,
    settings: tuple[str, ...],
    board: str,
    out: str | None,
    train_on: str,
    as_json: bool,
) -> None:
    """Train every cell on RECIPE with several seeds, and hold them side by side with what a step costs.

    A step is predicted on a board and measured on this machine. What is finished in the folder is not trained again, so
    a comparison that was stopped goes on where it was.
    """
    from dataclasses import asdict

    from edgernn.extras import needed

    with needed("a comparison"):
        from edgernn.train.compare import cells as comparing
        from edgernn.train.loop.trainer import Accelerator
        from edgernn.train.recipe import load
    each = comparing.recipes(recipe, comparing.parse_cells(cells), seeds, settings)
    folder = Path(out) if out is not None else Path("runs") / f"compare-{load(recipe).name}"
    tell = functools.partial(click.echo, err=True)
    made = comparing.compare(each, path, folder, board=board, accelerator=Accelerator(train_on), on_progress=tell)
    if as_json:
        click.echo(json.dumps(asdict(made), indent=2))
        return
    click.echo(text(made))
    click.echo(f"\nThe same with a plot is {folder / comparing.PAGE}")


def text(made: "Comparison") -> str:
    """The table as it is printed, and what must be known to read it."""
    from edgernn.train.compare.table import remarks, table

    head, rows = table(made)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:{'<' if k == 0 else '>'}{width}}" for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        for cells in (head, *rows)
    ]
    return "\n".join([made.title, "", *lines, "", *remarks(made)])
