"""Log-mel energies of a stream of audio samples, computed by a layer of the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import GraphError
from edgernn.model import spectra
from edgernn.model.bands import triangles
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor

LARGEST_MEL = 1 << 22  # elements of the matrix of bands


@cell
@dataclass(frozen=True)
class LogMel:
    """y = log(mel |FFT|^2 + floor) of the last `window` samples, once for every `inputs` new samples.

    A feature cell: no pass quantizes or prunes it. Its weights follow from its settings, so a .rnn file does not hold
    them. The window is a Hann window. The mel bands are triangles of height 1, evenly spaced on the mel scale. The
    state is the past samples, oldest first; its initial zeros are silence.

    Mel bands: S. Davis and P. Mermelstein, "Comparison of parametric representations" (IEEE Trans. ASSP 28, 1980),
    without the cosine transform. mel(f) = 2595 log10(1 + f / 700): D. O'Shaughnessy, "Speech communication" (1987), as
    in HTK.

    Raises:
        GraphError: sizes that do not fit together, or a band so narrow that no bin falls into it.
    """

    exact: ClassVar[bool] = True

    inputs: int  # the hop: new samples per frame
    rate_hz: float  # samples per second
    window: int  # samples in the window
    bands: int  # mel bands, the width of the output
    fft: int = 0  # points of the transform of the zero-padded window; 0 for the next power of two
    low_hz: float = 0.0  # the lower edge of the lowest band
    high_hz: float = 0.0  # the upper edge of the highest band; 0 for half the sample rate
    floor: float = 1e-6  # added to the energy of each band, so that the logarithm of silence is finite

    def __post_init__(self) -> None:
        for name in ("rate_hz", "low_hz", "high_hz", "floor"):  # integers are accepted for them
            object.__setattr__(self, name, float(getattr(self, name)))
        spectra.check_size(self._points)
        hop, window, bands, half_hz = self.inputs, self.window, self.bands, self.rate_hz / 2
        low_hz, high_hz = self.low_hz, self.high_hz or half_hz
        if not 2 <= hop <= window <= self._points or bands < 1 or not 0 < self.floor < float("inf"):
            raise GraphError(
                f"a hop of {hop}, a window of {window} samples, an fft of {self._points} points, {bands} bands and a "
                f"floor of {self.floor:g} arrived; expected 2 <= hop <= window <= fft, one band at least and a floor "
                "above 0"
            )
        if bands * spectra.bins(self._points) > LARGEST_MEL:
            raise GraphError(
                f"{bands:,} bands of an fft of {self._points:,} points arrived; expected a matrix of {LARGEST_MEL:,} "
                "elements at most"
            )
        if not 0 <= low_hz < high_hz <= half_hz < float("inf"):
            raise GraphError(
                f"bands from {low_hz:g} to {high_hz:g} Hz arrived; expected 0 <= low_hz < high_hz <= {half_hz:g}, half "
                "the rate"
            )
        empty = np.flatnonzero(self._weights.sum(axis=1) == 0)
        if empty.size:
            raise GraphError(
                f"mel band {empty[0]} of {bands} contains no bin of an fft of {self._points}; ask for fewer bands"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The past samples that a later step reads; none when windows do not overlap."""
        overlap = self.window - self.inputs
        return {"past": overlap} if overlap else {}

    @cached_property
    def taper(self) -> Tensor:
        """(window,): the Hann window."""
        return Tensor(np.hanning(self.window).astype(np.float32))

    @cached_property
    def mel(self) -> Tensor:
        """(bands, fft // 2 + 1): the weight of each bin in each band."""
        return Tensor(self._weights.astype(np.float32))

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and past (window - inputs,) -> (bands,)."""
        samples = ops.concat(*state, x)
        later = ops.split(samples, (self.inputs, *self.states.values()))[1:]
        re, im = ops.split(ops.rfft(samples, self._points, self.taper), 2)
        energy = ops.affine(self.mel, re * re + im * im)
        return ops.log(ops.scale(energy, 1.0, self.floor)), later

    @property
    def _points(self) -> int:
        return self.fft or 1 << (self.window - 1).bit_length()

    @cached_property
    def _weights(self) -> NDArray[Any]:
        """As `mel`, in float64."""
        bins_hz = np.arange(self._points // 2 + 1) * (self.rate_hz / self._points)
        return triangles(bins_hz, self.bands, self.low_hz, self.high_hz or self.rate_hz / 2)
