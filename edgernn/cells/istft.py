"""Samples from their short-time Fourier transforms, by overlap-add."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np

from edgernn.array import Array
from edgernn.errors import GraphError
from edgernn.model import spectra
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor

LEAST = 1e-11  # of the sum of squared windows, as in torch.istft


@cell
@dataclass(frozen=True)
class Istft:
    """The samples whose transforms are the inputs, by overlap-add, `hop` of them once for every input.

    An input has the real parts of the bins 0 to fft // 2, then their imaginary parts. The window that the transforms
    were made with is applied again, and the sum is divided by that of all squared windows over a sample (D. Griffin and
    J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. ASSP 32, 1984), as in
    torch.istft. That sum is the same for every `hop`-th sample, so it is a part of the weights; the first samples, over
    which fewer windows lie, are divided by it too. A feature cell: no pass quantizes or prunes it. The state is the sum
    so far of the samples that later inputs add to.

    Raises:
        GraphError: an fft size that is not supported, sizes that do not fit together, or a sample whose windows are 0.
    """

    exact: ClassVar[bool] = True

    inputs: int  # 2 * (fft // 2 + 1)
    hop: int  # samples per output
    fft: int  # points of the transforms
    window: Annotated[Tensor, "samples"]

    def __post_init__(self) -> None:
        spectra.check_sizes("Istft", self.hop, self.window, self.fft)
        if self.inputs != 2 * spectra.bins(self.fft):
            raise GraphError(
                f"Istft: {self.inputs} inputs and an fft of {self.fft} points arrived; expected "
                f"{2 * spectra.bins(self.fft)} inputs, the real and imaginary parts of {spectra.bins(self.fft)} bins"
            )
        empty = np.flatnonzero(self._squares() < LEAST)
        if empty.size:
            raise GraphError(
                f"Istft: the windows over every {self.hop}-th sample from sample {empty[0]} on are 0, so it cannot be "
                f"restored; expected a hop below {self.hop}, or another window"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The samples that later inputs add to; none when windows do not overlap."""
        overlap = self.window.size - self.hop
        return {"tail": overlap} if overlap else {}

    @cached_property
    def synthesis(self) -> Tensor:
        """(samples,): the window, divided by the sum of the squared windows over each sample."""
        window = self.window.dense(np.float64)
        return Tensor((window / np.resize(self._squares(), window.size)).astype(np.float32))

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and tail (samples - hop,) -> (hop,)."""
        samples = ops.irfft(x, self.fft, self.synthesis)
        if not state:
            return samples, ()
        (tail,) = state
        overlap = self.window.size - self.hop
        first, last = ops.split(samples, (overlap, self.hop))
        y, later = ops.split(ops.concat(tail + first, last), (self.hop, overlap))
        return y, (later,)

    def _squares(self) -> Array:
        """The sum of the squared windows over the samples 0 to hop - 1 of every hop."""
        window = self.window.dense(np.float64)
        full = np.pad(window, (0, -window.size % self.hop)).reshape(-1, self.hop)
        squares: Array = np.square(full).sum(axis=0)
        return squares
