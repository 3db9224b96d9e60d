"""Quantization: smaller weights and the arithmetic of their scheme, with warnings of layers that lose much signal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from warnings import warn

from edgernn.array import Array
from edgernn.errors import PrecisionWarning
from edgernn.model.graph import Graph
from edgernn.model.range import Range
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, STATIC
from edgernn.model.timing import in_steps
from edgernn.passes.columns import balanced, column_ranges, input_columns
from edgernn.passes.noise import Noise, matrix_inputs, noise
from edgernn.passes.rounding import check_request, rounded

LEAST_DB: Mapping[str, float] = MappingProxyType({"": 20.0, FOUR_BITS: 14.0})
"""A scheme, or "" for all others -> the signal-to-noise ratio of a layer below which a warning is issued.

Weights of four bits without outliers have 18 to 24 dB, and no scheme of four bits has more; 14 dB is about twice their
noise.
"""

WIDER: Mapping[str, str] = MappingProxyType(
    {FOUR_BITS: "weight_only_wi8_afp32", DYNAMIC: "weight_only_wi8_afp32", "static_wi8_ai8": "static_wi8_ai16"}
)
"""A scheme -> one with less noise."""

ENOUGH_DB = 30.0  # columns are not equalized when the matrices that read the input have this ratio
HALF_DB = 3.0  # half of the noise
RATIO = 16.0  # between columns of weights, from which the columns of an unknown input are assumed to differ


def quantize(
    graph: Graph,
    scheme: str = DYNAMIC,
    *,
    keep: Collection[str] = (),
    ranges: Mapping[str, Range] | None = None,
    sequences: Sequence[Array] = (),
) -> Graph:
    """Return the graph with the matrices of its affines in a quantized form.

    Integers are symmetric and have one scale per row, or per group of a row when that reduces the error enough
    (`rows_i4`). Tables, normalizations, initial states, feature cells (`exact`) and layers in a scheme are unchanged;
    but in a static scheme a feature cell whose transform ends in integers, as a log-mel, computes with integers.
    Scales, and biases beside integers, are rounded to 11 bits, so that each takes two bytes in a file
    (edgernn.model.float16). In a static scheme every layer that has an operation with an integer form computes with
    integers, with or without a matrix; `softmax` and `log` only when more than the output depends on them. Input
    columns of very different scales are equalized first (`equalize_columns`).

    Args:
        graph: a graph with float weights.
        scheme: one of edgernn.model.tensor.SCHEMES, named as in ai-edge-quantizer.
        keep: the names of layers to leave in float.
        ranges: the range of each value, for the static schemes; by default those of the graph, from `calibrate`.
        sequences: real sequences, (time, width of a frame) each, from which the noise of each layer is computed.
            Without them it is estimated from the ranges, or from the weights alone.

    Raises:
        UsageError: an unknown scheme, an unknown layer to keep, or a graph in another scheme.
        GraphError: a weight that the scheme cannot represent; the message names its layer.
        CalibrationError: a value without a range, in a static scheme.

    Warns:
        PrecisionWarning: the signal-to-noise ratio of a layer is below LEAST_DB.
    """
    calibrated = graph if ranges is None else replace(graph, ranges=ranges)
    equalized = equalize_columns(calibrated, scheme, keep=keep, sequences=sequences)
    small = rounded(equalized, scheme, keep=keep)
    warn_of_noise(equalized, small, scheme, keep=keep, sequences=sequences)
    return small


def equalize_columns(
    graph: Graph, scheme: str, *, keep: Collection[str] = (), sequences: Sequence[Array] = ()
) -> Graph:
    """Return the same function with a scale for each input column, and a mean where it reduces the range.

    The graph is returned unchanged unless this halves the noise of the matrices that read the input, and that noise
    matters (ENOUGH_DB). The scales are those of the first Standardize, or of an inserted one (edgernn.passes.columns).

    Raises:
        UsageError, GraphError, CalibrationError: as in `quantize`.
    """
    check_request(graph, scheme, keep)
    columns = input_columns(graph, keep)
    if columns is None:
        return graph
    steps = _steps(graph, sequences)
    ranges = column_ranges(graph, columns, steps)
    if ranges is None and (scheme in STATIC or columns.even or columns.ratio(graph) < RATIO):
        return graph
    candidate = balanced(graph, columns, scheme, ranges)
    layers = {layer for layer, _, _ in columns.matrices}
    old, new = (
        min(
            each.snr_db
            for each in _noise(tried, rounded(tried, scheme, keep=keep), keep, steps)
            if each.layer in layers
        )
        for tried in (graph, candidate)
    )
    return candidate if old < ENOUGH_DB and new - old >= HALF_DB else graph


def warn_of_noise(
    before: Graph, after: Graph, scheme: str, *, keep: Collection[str] = (), sequences: Sequence[Array] = ()
) -> None:
    """Warn of each layer with a low signal-to-noise ratio, and suggest remedies.

    Args:
        before: the float graph, with equalized columns.
        after: the result of `rounded`.
        scheme, keep, sequences: the arguments of both.

    Warns:
        PrecisionWarning: once for each such layer, for its worst matrix.
    """
    worst: dict[str, Noise] = {}
    for each in _noise(before, after, keep, _steps(before, sequences)):
        if each.layer not in worst or each.snr_db < worst[each.layer].snr_db:
            worst[each.layer] = each
    least = LEAST_DB.get(scheme, LEAST_DB[""])
    frames = "" if sequences or before.ranges else ", or give real frames, which scale the inputs and make this exact"
    wider = f", or take {WIDER[scheme]}" if scheme in WIDER else ""
    for each in worst.values():
        if each.snr_db < least:
            warn(
                f"layer '{each.layer}' has a signal {each.snr_db:.1f} dB above the noise of {scheme} in its matrix "
                f"'{each.field}'; expected {least:g} dB or more: outputs may change; keep it in float with "
                f"keep=('{each.layer}',) or --keep {each.layer}{wider}{frames}",
                PrecisionWarning,
                stacklevel=3,
            )


def _steps(graph: Graph, sequences: Sequence[Array]) -> list[Array]:
    return [in_steps(each, graph.frames_per_step, graph.named_inputs) for each in sequences]


def _noise(before: Graph, after: Graph, keep: Collection[str], sequences: Sequence[Array]) -> tuple[Noise, ...]:
    columns = input_columns(before, keep)
    ranges = None if columns is None else column_ranges(before, columns, sequences)
    return noise(before, after, matrix_inputs(before, sequences, columns, ranges))
