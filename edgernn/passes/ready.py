"""A model made ready for a precision, and then quantized; for integers, with ranges learnt from real frames."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.errors import UsageError
from edgernn.graph import Graph
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.readings.numpy import Array
from edgernn.tensor import STATIC


@dataclass(frozen=True, eq=False)
class Calibration:
    """What ranges are learnt from, and how: what `calibrate` takes beside a graph.

    Attributes:
        sequences: (time, inputs) each; none where a model has its ranges, or a recipe has a training part.
        method: one of edgernn.passes.calibrate.METHODS.
        growing: "refuse" or "accept".
    """

    sequences: Sequence[Array] = ()
    method: str = "min-max"
    growing: str = "refuse"


def ready(graph: Graph, scheme: str, calibration: Calibration) -> Graph:
    """A float model as `quantize` takes it: with ranges in a static scheme, its own or learnt, and else without any.

    Raises:
        UsageError: a static scheme, and neither ranges nor sequences.
        EdgernnError: as `calibrate` says.
    """
    single = graph.astype("float32")
    if scheme not in STATIC:
        return replace(single, ranges={})
    if single.ranges:
        return single
    if not calibration.sequences:
        raise UsageError(
            f"{scheme} computes with integers, whose ranges are learnt from real frames; give --calibrate FILE, or a "
            "recipe with its data: --finetune RECIPE --data PATH"
        )
    return calibrate(single, calibration.sequences, calibration.method, growing=calibration.growing)


def quantized(graph: Graph, scheme: str | None, calibration: Calibration, *, keep: Collection[str] = ()) -> Graph:
    """A float model in a scheme, ranges and all; None leaves it as it is.

    Raises:
        EdgernnError: as `ready` and `quantize` say.
    """
    return quantize(ready(graph, scheme, calibration), scheme, keep=keep) if scheme else graph
