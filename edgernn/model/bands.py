"""Mel bands of a spectrum: triangles, evenly spaced on the mel scale.

mel(f) = 2595 log10(1 + f / 700): D. O'Shaughnessy, "Speech communication" (1987), as in HTK.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import GraphError


def band_edges_hz(bands: int, low_hz: float, high_hz: float) -> NDArray[Any]:
    """Return the lower end, the centre of each band, and the upper end: (bands + 2,), evenly spaced in mel."""
    low, high = (2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)).tolist()
    edges_hz: NDArray[Any] = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    return edges_hz


def triangles(bins_hz: NDArray[Any], bands: int, low_hz: float, high_hz: float) -> NDArray[Any]:
    """Return the weight of each bin in each band, (bands, bins): triangles between the centres of neighbour bands."""
    edges_hz = band_edges_hz(bands, low_hz, high_hz)
    if not (np.diff(edges_hz) > 0).all():
        raise GraphError(
            f"{bands} bands from {low_hz:g} to {high_hz:g} Hz have no width; ask for fewer, or for a wider range"
        )
    first, centre, last = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    weights: NDArray[Any] = np.maximum(
        0, np.minimum((bins_hz - first) / (centre - first), (last - bins_hz) / (last - centre))
    )
    return weights


def band_weights(inputs: int, rate_hz: float, bands: int) -> NDArray[Any]:
    """Return the weight of each bin of a spectrum in each band, float32 (bands, inputs // 2).

    Raises:
        GraphError: a spectrum of an odd number of values, no band, no rate, or a band without a bin.
    """
    bins = inputs // 2
    if inputs % 2 or bins < 2 or bands < 1 or bands > bins or not 0 < rate_hz < float("inf"):
        raise GraphError(
            f"{bands} bands of a spectrum of {inputs} values at {rate_hz:g} Hz arrived; expected an even number of "
            "values, real parts before imaginary ones, at most a band for each bin, and a rate above 0"
        )
    weights = triangles(np.linspace(0, rate_hz / 2, bins), bands, 0.0, rate_hz / 2)
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    if empty.size:
        raise GraphError(f"mel band {empty[0]} of {bands} contains none of {bins} bins; ask for fewer bands")
    return weights.astype(np.float32)


def band_spread(inputs: int, rate_hz: float, bands: int) -> NDArray[Any]:
    """Return the part of each band in each bin of a spectrum, float32 (inputs // 2, bands); every row sums to 1.

    Between the centres of two bands it is linear; below the first centre and above the last it is that band alone.
    """
    bins_hz, centres_hz = np.linspace(0, rate_hz / 2, inputs // 2), band_edges_hz(bands, 0.0, rate_hz / 2)[1:-1]
    columns = [np.interp(bins_hz, centres_hz, each) for each in np.eye(bands)]
    return np.stack(columns, axis=1).astype(np.float32)
