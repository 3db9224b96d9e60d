"""Quantization: a graph with smaller weights and the arithmetic that goes with them, and what that costs a layer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from warnings import warn

from edgernn.errors import PrecisionWarning
from edgernn.model.graph import Graph
from edgernn.model.range import Range
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, STATIC, Array
from edgernn.passes.columns import balanced, place, spans
from edgernn.passes.noise import Noise, entering, noise
from edgernn.passes.rounding import check_asked, rounded

LEAST_DB: Mapping[str, float] = MappingProxyType({"": 20.0, FOUR_BITS: 14.0})
"""The scheme, or "" for all others -> the signal of a layer above its own noise, below which a warning tells of it.

Weights of four bits without outliers have 18 to 24 dB and can have no more, which is what is chosen with them; 14 dB
is twice the noise of that.
"""

WIDER: Mapping[str, str] = MappingProxyType(
    {FOUR_BITS: "weight_only_wi8_afp32", DYNAMIC: "weight_only_wi8_afp32", "static_wi8_ai8": "static_wi8_ai16"}
)
"""The scheme -> one that loses less."""

ENOUGH_DB = 30.0  # of the matrices that read the input: what has as much is left as it is
HALF_DB = 3.0  # of noise that is half as large
APART = 16.0  # times that columns of weights must differ by, to tell by themselves that those of the input do


def quantize(
    graph: Graph,
    scheme: str = DYNAMIC,
    *,
    keep: Collection[str] = (),
    ranges: Mapping[str, Range] | None = None,
    sequences: Sequence[Array] = (),
) -> Graph:
    """The same graph with the matrices of its affines in a smaller form: symmetric integers have one scale per row,
    or per group of a row where that pays (rows_i4).

    Tables, normalizations and initial states stay as they are, and so do feature cells (`EXACT`) and layers that are in
    a scheme already. The scales, and the biases beside integers, are rounded to 11 bits, so that a file keeps them in
    two bytes each (edgernn.model.float16). In a static scheme every layer with a word that has an integer form
    computes with integers, whether it has a matrix or not; `softmax` and `log` do where something else than the answer
    is made of them. Inputs whose columns are of very different scales are brought to one first (`prepared`).

    Args:
        graph: with float weights.
        scheme: one of edgernn.model.tensor.SCHEMES, named as ai-edge-quantizer does.
        keep: names of layers to leave in float.
        ranges: what values reach, for the static schemes; those of the graph, where calibrate put them, if not given.
        sequences: real ones, (time, inputs) each, by which the noise of each layer is judged; without them it is judged
            by the ranges, or else by the weights alone.

    Raises:
        UsageError: an unknown scheme, a layer to keep that is not there, or a graph that is in another scheme already.
        GraphError: a weight that the scheme cannot hold, naming its layer.
        CalibrationError: a static scheme, and a value without a range.

    Warns:
        PrecisionWarning: a layer whose own signal to noise is below LEAST_DB.
    """
    known = graph if ranges is None else replace(graph, ranges=ranges)
    single = prepared(known, scheme, keep=keep, sequences=sequences)
    made = rounded(single, scheme, keep=keep)
    warn_of_noise(single, made, scheme, keep=keep, sequences=sequences)
    return made


def prepared(graph: Graph, scheme: str, *, keep: Collection[str] = (), sequences: Sequence[Array] = ()) -> Graph:
    """The graph as it is to be rounded: with a scale, and where it helps a mean, for each column of its input, where
    that halves the noise of the matrices that read it and this is not far below the signal already.

    The function stays the same, and a graph that needs nothing as it is. The scales stand in a Standardize, one that is
    there already or a new layer in front (edgernn.passes.columns).

    Raises:
        UsageError, GraphError, CalibrationError: as `quantize` says.
    """
    check_asked(graph, scheme, keep)
    at = place(graph, keep)
    if at is None:
        return graph
    known = spans(graph, at, sequences)
    if known is None and (scheme in STATIC or at.even or at.apart(graph) < APART):
        return graph
    other = balanced(graph, at, scheme, known)
    layers = {layer for layer, _, _ in at.matrices}
    old, new = (
        min(
            each.snr_db
            for each in _noise(tried, rounded(tried, scheme, keep=keep), keep, sequences)
            if each.layer in layers
        )
        for tried in (graph, other)
    )
    return other if old < ENOUGH_DB and new - old >= HALF_DB else graph


def warn_of_noise(
    before: Graph, after: Graph, scheme: str, *, keep: Collection[str] = (), sequences: Sequence[Array] = ()
) -> None:
    """Warn of each layer whose own noise is too near its signal, with what can be done.

    Args:
        before: what was rounded, as `prepared` gives it.
        after: what `rounded` made of it.
        scheme, keep, sequences: as given to both.

    Warns:
        PrecisionWarning: once for each such layer, by its worst matrix.
    """
    worst: dict[str, Noise] = {}
    for each in _noise(before, after, keep, sequences):
        if each.layer not in worst or each.snr_db < worst[each.layer].snr_db:
            worst[each.layer] = each
    least = LEAST_DB.get(scheme, LEAST_DB[""])
    known = "" if sequences or before.ranges else ", or give real frames, by which inputs are scaled and this is judged"
    wider = f", or take {WIDER[scheme]}" if scheme in WIDER else ""
    for each in worst.values():
        if each.snr_db < least:
            warn(
                f"layer '{each.layer}' has a signal {each.snr_db:.1f} dB above what {scheme} loses in its matrix "
                f"'{each.field}', and {least:g} are wanted: answers may change; keep it in float with "
                f"keep=('{each.layer}',) or --keep {each.layer}{wider}{known}",
                PrecisionWarning,
                stacklevel=3,
            )


def _noise(before: Graph, after: Graph, keep: Collection[str], sequences: Sequence[Array]) -> tuple[Noise, ...]:
    at = place(before, keep)
    known = None if at is None else spans(before, at, sequences)
    return noise(before, after, entering(before, sequences, at, known))
