"""A spectrum times a gain for each band."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.bands import band_spread, band_weights
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class BandMask:
    """The spectrum times gains that are interpolated between the centres of the bands of LogBands.

    The first input has a gain for each band, the second the real parts of all bins, then their imaginary parts. A gain
    of 1 in every band leaves the spectrum as it is. A feature cell: no pass quantizes or prunes it, because a spectrum
    spans more magnitudes than 8 bits show. J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band
    speech enhancement" (arXiv:1709.08243), section III.

    Raises:
        GraphError: as LogBands of the same sizes.
    """

    exact: ClassVar[bool] = True

    inputs: int  # of the spectrum: 2 * bins
    rate_hz: float  # samples per second
    bands: int  # the number of gains

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate_hz", float(self.rate_hz))
        band_weights(self.inputs, self.rate_hz, self.bands)

    @cached_property
    def spread(self) -> Tensor:
        """(bins, bands): the part of each band's gain in each bin; every row sums to 1.

        Below the first centre and above the last, the gain is that of the nearest band.
        """
        return Tensor(band_spread(self.inputs, self.rate_hz, self.bands))

    def join(self, ops: Ops[V], *xs: V) -> V:
        """(bands,), (2 * bins,) -> (2 * bins,)."""
        if len(xs) != 2:
            raise GraphError(f"BandMask joins {len(xs)} inputs; expected two, the gains and the spectrum")
        gains, spectrum = xs
        each_bin = ops.affine(self.spread, gains)
        re, im = ops.split(spectrum, 2)
        return ops.concat(re * each_bin, im * each_bin)
