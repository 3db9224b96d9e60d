"""What a frame costs in a trained model, whether it streams or reads whole windows."""

from collections.abc import Callable
from dataclasses import astuple

from edgernn.cost import estimate
from edgernn.device import Device
from edgernn.graph import Graph
from edgernn.readings.count import Cost, count
from edgernn.train.convert import Model, graphs
from edgernn.window import Window


def counted(model: Model) -> Cost:
    """Of one frame, which passes every graph of a model."""
    return Cost(*map(sum, zip(*(astuple(count(graph)) for graph in graphs(model)), strict=True)))


def predicted(model: Model, board: Device) -> tuple[float | None, str]:
    """Microseconds of one frame on a board, compiled, and ""; or None, and why they are unknown.

    A frame of a window takes a step of every graph, each compiled by itself.
    """
    found = [estimate(graph, board) for graph in graphs(model)]
    unknown = next((each.unknown for each in found if each.unknown), "")
    return (None if unknown else sum(each.step_us or 0.0 for each in found)), unknown


def changed(model: Model, change: Callable[[Graph], Graph]) -> Model:
    """The model with every graph of it changed, as a pass does."""
    return model.each(change) if isinstance(model, Window) else change(model)
