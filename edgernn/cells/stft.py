"""Short-time Fourier transforms of a stream of samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model import spectra
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Stft:
    """The Fourier transform of the last samples times a window, once for every `inputs` new samples.

    The output has the real parts of the bins 0 to fft // 2, then their imaginary parts. A feature cell: no pass
    quantizes or prunes it. The state is the past samples, oldest first; its initial zeros are silence. With a window of
    `fft` samples, the output is a frame of torch.stft(center=False, onesided=True) from the first full window on. J.
    Allen and L. Rabiner, "A unified approach to short-time Fourier analysis and synthesis" (Proc. IEEE 65, 1977).

    Raises:
        GraphError: an fft size that is not supported, or sizes that do not fit together.
    """

    exact: ClassVar[bool] = True

    inputs: int  # the hop: new samples per frame
    fft: int  # points of the transform of the zero-padded window
    window: Annotated[Tensor, "samples"]

    def __post_init__(self) -> None:
        spectra.check_sizes("Stft", self.inputs, self.window, self.fft)

    @property
    def states(self) -> Mapping[str, int]:
        """The past samples that a later step reads; none when windows do not overlap."""
        overlap = self.window.size - self.inputs
        return {"past": overlap} if overlap else {}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and past (samples - inputs,) -> (2 * (fft // 2 + 1),)."""
        samples = ops.concat(*state, x)
        later = ops.split(samples, (self.inputs, *self.states.values()))[1:]
        return ops.rfft(samples, self.fft, self.window), later
