"""Log-mel energies of a stream of samples: what a model that hears reads, as a layer of the model itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgernn.cell import cell
from edgernn.errors import GraphError
from edgernn.ops import Ops, V
from edgernn.tensor import Tensor


@cell
@dataclass(frozen=True)
class LogMel:
    """log(mel |DFT|^2 + floor) of the last `window` samples, at every `inputs` new ones.

    A feature cell: no pass quantizes or prunes it. The state is the past samples, oldest first; zeros at rest are
    silence before the first. Mel bands as S. Davis and P. Mermelstein, "Comparison of parametric representations"
    (IEEE Trans. ASSP 28, 1980), without the cosine transform.
    """

    EXACT: ClassVar = True

    inputs: int  # the hop: new samples per frame
    dft: Annotated[Tensor, "2 * bins", "window"]  # cosines of each bin, then sines, under the window
    mel: Annotated[Tensor, "bands", "bins"]
    floor: float = 1e-6  # added to each band's energy, so that silence has a logarithm

    def __post_init__(self) -> None:
        if not 1 <= self.inputs <= self.dft.shape[1] or not self.floor > 0:
            raise GraphError(
                f"LogMel reads {self.inputs} samples per frame under a window of {self.dft.shape[1]} and adds "
                f"{self.floor}; expected 1 to {self.dft.shape[1]} samples and a floor above 0"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The samples that a later step still needs; none when windows do not overlap."""
        kept = self.dft.shape[1] - self.inputs
        return {"past": kept} if kept else {}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and past (window - inputs,) -> (bands,)."""
        samples = ops.concat(*state, x)
        later = ops.split(samples, (self.inputs, *self.states.values()))[1:]
        re, im = ops.split(ops.affine(self.dft, samples), 2)
        energy = ops.affine(self.mel, re * re + im * im)
        return ops.log(ops.scale(energy, 1.0, self.floor)), later


def log_mel(
    rate_hz: float,
    window: int,
    hop: int,
    bands: int,
    fft: int = 0,
    *,
    low_hz: float = 0.0,
    high_hz: float = 0.0,
    floor: float = 1e-6,
) -> LogMel:
    """The cell for samples at a rate: Hann windows, and triangles of height 1 evenly spaced on the mel scale.

    mel(f) = 2595 log10(1 + f / 700): D. O'Shaughnessy, "Speech communication" (1987), as HTK has it. Bins that no
    band hears are left out of the transform.

    Args:
        rate_hz: samples per second.
        window, hop: samples under the window, and from one frame to the next.
        bands: mel bands, the width of the result.
        fft: points of the transform, the window padded with zeros; 0 for the next power of two.
        low_hz, high_hz: the lowest and the highest edge; 0 for half the rate.
        floor: added to each energy before the logarithm.

    Raises:
        GraphError: sizes that do not fit together, or a band so narrow that no bin falls into it.
    """
    fft, high_hz = fft or 1 << (window - 1).bit_length(), high_hz or rate_hz / 2
    if not 2 <= hop <= window <= fft or bands < 1:
        raise GraphError(
            f"a hop of {hop}, a window of {window} samples, an fft of {fft} points and {bands} bands arrived; expected "
            "2 <= hop <= window <= fft and at least one band"
        )
    if not 0 <= low_hz < high_hz <= rate_hz / 2:
        raise GraphError(
            f"bands from {low_hz:g} to {high_hz:g} Hz arrived; expected 0 <= low_hz < high_hz <= {rate_hz / 2:g}, half "
            "the rate"
        )
    bins_hz = np.arange(fft // 2 + 1) * (rate_hz / fft)
    mel = triangles(bins_hz, bands, low_hz, high_hz)
    deaf = np.flatnonzero(mel.sum(axis=1) == 0)
    if deaf.size:
        raise GraphError(f"mel band {deaf[0]} of {bands} hears no bin of an fft of {fft}; ask for fewer bands")
    heard = np.flatnonzero(mel.sum(axis=0))
    turns = np.outer(heard, np.arange(window)) * (2 * np.pi / fft)
    dft = np.concatenate([np.cos(turns), np.sin(turns)]) * np.hanning(window)
    return LogMel(hop, Tensor(dft.astype(np.float32)), Tensor(mel[:, heard].astype(np.float32)), floor)


def triangles(bins_hz: NDArray[Any], bands: int, low_hz: float, high_hz: float) -> NDArray[Any]:
    """How much of each bin each band hears: (bands, bins); a band rises from the centre of the one before it."""
    low, high = (2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)).tolist()
    edges_hz = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    first, centre, last = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    heard: NDArray[Any] = np.maximum(
        0, np.minimum((bins_hz - first) / (centre - first), (last - bins_hz) / (last - centre))
    )
    return heard
