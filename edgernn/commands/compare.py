"""`edgernn compare`: train several cells and compare them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import complete_recipes
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.train.compare.table import Comparison


@click.command(no_args_is_help=True)
@click.argument("recipe", shell_complete=complete_recipes)
@shared.data()
@click.option(
    "--cells",
    default="rnn,lstm,gru,birnn",
    show_default=True,
    metavar="A,B,C",
    help="Train these cells; bi... is bidirectional.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Train each cell with this many seeds."
)
@shared.settings
@shared.board()
@shared.out("FOLDER", shown="runs/compare-RECIPE")
@shared.accelerator
@shared.as_json
def compare(
    recipe: str,
    data: str,
    cells: str,
    seeds: int,
    settings: tuple[str, ...],
    board: str,
    out: str | None,
    accelerator: str,
    as_json: bool,
) -> None:
    """Compare cells on a recipe: metrics, size and step time.

    Every cell is trained on RECIPE with several seeds. A step is predicted for a board and measured on this machine.
    Finished trainings in the folder are not repeated: the same command continues an interrupted comparison.
    """
    from dataclasses import asdict

    from edgernn.extras import needed

    with needed("a comparison"):
        from edgernn.train.compare import cells as comparing
        from edgernn.train.loop.trainer import Accelerator
        from edgernn.train.recipe import load
    trainings = comparing.recipes(recipe, comparing.parse_cells(cells), seeds, settings)
    folder = Path(out) if out is not None else Path("runs") / f"compare-{load(recipe).name}"
    with bar("trainings", len(trainings), lines=True) as step:
        comparison = comparing.compare(
            trainings,
            data,
            folder,
            board=board,
            accelerator=Accelerator(accelerator),
            on_progress=lambda note: step(1, note),
        )
    if as_json:
        click.echo(json.dumps(asdict(comparison), indent=2))
        return
    click.echo(text(comparison))
    click.echo(f"\nTable and plot: {folder / comparing.PAGE}")


def text(comparison: "Comparison") -> str:
    """Return the table as it is printed, with the remarks that are needed to read it."""
    from edgernn.train.compare.table import remarks, table

    head, rows = table(comparison)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:{'<' if k == 0 else '>'}{width}}" for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        for cells in (head, *rows)
    ]
    return "\n".join([comparison.title, "", *lines, "", *remarks(comparison)])
