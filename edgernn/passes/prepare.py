"""Preparation of a float model for a scheme, with calibration on real frames where it is needed, and quantization."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.model.tensor import STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import equalize_columns, warn_of_noise
from edgernn.passes.rounding import rounded


@dataclass(frozen=True, eq=False)
class Calibration:
    """The arguments of `calibrate` beside the graph.

    Attributes:
        sequences: (time, inputs) each; empty when the model has ranges, or when a recipe has training data.
        method: one of edgernn.passes.calibrate.METHODS.
        growing: "refuse" or "accept".
    """

    sequences: Sequence[Array] = ()
    method: str = "min-max"
    growing: str = "refuse"


def prepare(graph: Graph, scheme: str, calibration: Calibration, *, keep: Collection[str] = ()) -> Graph:
    """Return a float model in the form that `rounded` needs: calibrated for a static scheme, with equalized columns.

    A static scheme uses the ranges of the model, or calibrates it. For any other scheme the result has no ranges.

    Raises:
        UsageError: a static scheme, but neither ranges nor sequences.
        EdgernnError: as in `calibrate`.
    """
    single = graph.astype("float32")
    if scheme not in STATIC:
        known = equalize_columns(single, scheme, keep=keep, sequences=calibration.sequences)
        return replace(known, ranges={})
    if not single.ranges and not calibration.sequences:
        raise UsageError(
            f"{scheme} computes with integers, whose ranges come from real frames; give --calibrate FILE, or a "
            "recipe with its data: --recipe RECIPE --data PATH"
        )
    if not single.ranges:
        single = calibrate(single, calibration.sequences, calibration.method, growing=calibration.growing)
    return equalize_columns(single, scheme, keep=keep, sequences=calibration.sequences)


def calibrate_and_quantize(
    graph: Graph, scheme: str | None, calibration: Calibration, *, keep: Collection[str] = (), warns: bool = False
) -> Graph:
    """Return a float model in a scheme, calibrated if necessary; the scheme None leaves it unchanged.

    Args:
        graph, scheme, keep: as in `quantize`.
        calibration: the frames from which ranges and noise are computed.
        warns: whether to warn of layers with much noise, for a caller that does not measure the loss itself.

    Raises:
        EdgernnError: as in `prepare` and `quantize`.
    """
    if not scheme:
        return graph
    prepared = prepare(graph, scheme, calibration, keep=keep)
    small = rounded(prepared, scheme, keep=keep)
    if warns:
        warn_of_noise(prepared, small, scheme, keep=keep, sequences=calibration.sequences)
    return small
