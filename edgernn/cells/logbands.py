"""Log energies in bands of a spectrum."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.bands import band_weights
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class LogBands:
    """y = log(mel |x|^2 + floor) of a spectrum that other layers read too; LogMel computes both.

    An input has the real parts of all bins, then their imaginary parts, as Stft with an even fft answers. The bands are
    those of LogMel over all frequencies. A feature cell: no pass quantizes or prunes it. Its weights follow from its
    settings. S. Davis and P. Mermelstein, "Comparison of parametric representations" (IEEE Trans. ASSP 28, 1980).

    Raises:
        GraphError: sizes that do not fit together, or a band so narrow that no bin falls into it.
    """

    exact: ClassVar[bool] = True

    inputs: int  # 2 * bins
    rate_hz: float  # samples per second
    bands: int  # the width of the output
    floor: float = 1e-6  # added to the energy of each band, so that the logarithm of silence is finite

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        for name in ("rate_hz", "floor"):  # integers are accepted for them
            object.__setattr__(self, name, float(getattr(self, name)))
        if not 0 < self.floor < float("inf"):
            raise GraphError(f"LogBands has a floor of {self.floor:g}; expected a finite number above 0")
        band_weights(self.inputs, self.rate_hz, self.bands)

    @cached_property
    def mel(self) -> Tensor:
        """(bands, bins): the weight of each bin in each band."""
        return Tensor(band_weights(self.inputs, self.rate_hz, self.bands))

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(2 * bins,) -> (bands,)."""
        re, im = ops.split(x, 2)
        energy = ops.affine(self.mel, re * re + im * im)
        return ops.log(ops.scale(energy, 1.0, self.floor)), state
