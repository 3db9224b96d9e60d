"""What `edgernn tune` and `edgernn sensitivity` have in common: the data that judge a model, and how."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.tune.evaluate import Evaluator

OPTIONS = (
    click.option(
        "--data", "path", required=True, metavar="PATH", help="Frames, .npy or .csv; or what the recipe reads."
    ),
    click.option("--recipe", metavar="RECIPE", help="That of the model: its metric judges."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Such as training.epochs=10."),
)


def evaluated(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def find_evaluator(
    graph: "Graph", path: str, recipe: str | None, settings: tuple[str, ...], folder: Path | None = None
) -> "Evaluator":
    """Who judges the candidates, as the options say; a tuning that began in a folder must have begun on this data.

    Raises:
        UsageError: settings of no recipe.
        EdgernnError: a recipe or data that cannot be.
    """
    from edgernn.errors import UsageError
    from edgernn.extras import needed
    from edgernn.files.frames import frames
    from edgernn.tune.evaluate import by_frames

    if recipe is None:
        if settings:
            raise UsageError("--set goes with a recipe; give --recipe RECIPE")
        return by_frames(graph, frames(path, "int32" if graph.vocabulary_size else "float32"), path)
    with needed("judging by a recipe"):
        from edgernn.train.recipe import load
        from edgernn.tune.by_recipe import by_recipe
    return by_recipe(graph, load(recipe, settings), path, folder=folder)
