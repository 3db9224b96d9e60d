"""Mean normalization of a stream, by the mean of the frames so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class RunningMean:
    """y = x - m, where m is the mean of the frames so far. It removes the coloration of a microphone or a speaker.

    A feature cell: no pass quantizes or prunes it. The mean is cumulative for `limit` frames and exponential
    afterwards. It starts as if `prior` frames of zeros had been seen, so the layer belongs after a Standardize. When
    `prior` equals `limit`, it is exponential from the start. O. Viikki and K. Laurila, "Cepstral domain segmental
    feature vector normalization" (Speech Communication 25, 1998), with the prior of Kaldi's `apply-cmvn-online`.
    """

    exact: ClassVar[bool] = True

    inputs: int
    prior: float = 20.0  # frames of zeros before the first
    limit: float = 300.0  # the largest number of frames in the mean, including the prior

    def __post_init__(self) -> None:
        if not (self.inputs >= 1 and 0 < self.prior <= self.limit < float("inf")):
            raise GraphError(
                f"RunningMean has {self.inputs} inputs, a prior of {self.prior} and a limit of {self.limit} frames; "
                "expected at least one input and 0 < prior <= limit"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The mean, and the number of frames in it beside the prior."""
        return {"mean": self.inputs, "seen": 1}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), mean (inputs,) and seen (1,) -> (inputs,)."""
        m, seen = state
        log_n = ops.log(ops.scale(seen, 1.0, self.prior))
        a = ops.sigmoid(ops.scale(log_n, -1.0))  # 1 / (1 + n): there is no operation for a division
        m = m + ops.affine(Tensor(np.ones((self.inputs, 1), np.float32)), a) * (x - m)
        most = self.limit - self.prior
        seen = ops.scale(ops.relu(ops.scale(seen, -1.0, most - 1.0)), -1.0, most)  # min(seen + 1, most)
        return x - m, (m, seen)
