"""The data and the metric by which `edgernn tune` and `edgernn sensitivity` evaluate a model."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgernn.commands.options import shared

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.tune.evaluate import Evaluator

evaluation_options = shared.several(shared.data(), shared.recipe, shared.settings)


def find_evaluator(
    graph: "Graph", data: str, recipe: str | None, settings: tuple[str, ...], folder: Path | None = None
) -> "Evaluator":
    """Return the evaluator that the options ask for.

    Args:
        graph: the model.
        data: a .npy or .csv file of frames without a recipe; else what the recipe reads.
        recipe, settings: the recipe and the keys that are set in it.
        folder: the folder of a tuning; one that began there must have begun on this data.

    Raises:
        UsageError: settings without a recipe.
        EdgernnError: a recipe or data that cannot be read.
    """
    from edgernn.errors import UsageError
    from edgernn.extras import needed
    from edgernn.files.frames import frames
    from edgernn.model.timing import frame_widths
    from edgernn.tune.evaluate import by_frames

    if recipe is None:
        if settings:
            raise UsageError("--set needs a recipe; give --recipe RECIPE")
        widths = frame_widths(graph.frames_per_step, graph.named_inputs)
        return by_frames(graph, frames(data, "int32" if graph.vocabulary_size else "float32", widths), data)
    with needed("an evaluation by a recipe"):
        from edgernn.train.recipe import load
        from edgernn.tune.by_recipe import by_recipe
    return by_recipe(graph, load(recipe, settings), data, folder=folder)
