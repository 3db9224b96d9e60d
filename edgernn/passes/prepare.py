"""A model made ready for a precision, and then quantized; for integers, with ranges learnt from real frames."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.errors import UsageError
from edgernn.interpreters.numpy import Array
from edgernn.model.graph import Graph
from edgernn.model.tensor import STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import prepared, warn_of_noise
from edgernn.passes.rounding import rounded


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


def prepare(graph: Graph, scheme: str, calibration: Calibration, *, keep: Collection[str] = ()) -> Graph:
    """A float model as `rounded` takes it: `prepared`; with ranges in a static scheme, its own or learnt, else none.

    Raises:
        UsageError: a static scheme, and neither ranges nor sequences.
        EdgernnError: as `calibrate` says.
    """
    single = graph.astype("float32")
    if scheme not in STATIC:
        known = prepared(single, scheme, keep=keep, sequences=calibration.sequences)
        return replace(known, ranges={})
    if not single.ranges and not calibration.sequences:
        raise UsageError(
            f"{scheme} computes with integers, whose ranges are learnt from real frames; give --calibrate FILE, or a "
            "recipe with its data: --recipe RECIPE --data PATH"
        )
    if not single.ranges:
        single = calibrate(single, calibration.sequences, calibration.method, growing=calibration.growing)
    return prepared(single, scheme, keep=keep, sequences=calibration.sequences)


def quantized(
    graph: Graph, scheme: str | None, calibration: Calibration, *, keep: Collection[str] = (), warns: bool = False
) -> Graph:
    """A float model in a scheme, ranges and all; None leaves it as it is.

    Args:
        graph, scheme, keep: as `quantize` takes them.
        calibration: what ranges are learnt from, and noise is judged by.
        warns: whether a layer of much noise is told of: where nothing else says what is lost.

    Raises:
        EdgernnError: as `ready` and `quantize` say.
    """
    if not scheme:
        return graph
    known = prepare(graph, scheme, calibration, keep=keep)
    made = rounded(known, scheme, keep=keep)
    if warns:
        warn_of_noise(known, made, scheme, keep=keep, sequences=calibration.sequences)
    return made
