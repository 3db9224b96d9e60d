"""Mean normalization that a stream can do: by the mean of what was seen so far."""

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
    """x - m, where m is the mean of the frames up to this one: it takes a microphone's or a speaker's colour away.

    A feature cell: no pass quantizes or prunes it. The mean is cumulative for `limit` frames and exponential from then
    on; it begins as if `prior` frames of zeros had been seen, so put it after a Standardize. With `prior` equal to
    `limit` it is exponential from the start. O. Viikki and K. Laurila, "Cepstral domain segmental feature vector
    normalization" (Speech Communication 25, 1998), the prior as Kaldi's `apply-cmvn-online`.
    """

    EXACT: ClassVar = True

    inputs: int
    prior: float = 20.0  # frames of zeros before the first
    limit: float = 300.0  # frames that the mean remembers at most, those of the prior too

    def __post_init__(self) -> None:
        if not (self.inputs >= 1 and 0 < self.prior <= self.limit < float("inf")):
            raise GraphError(
                f"RunningMean has {self.inputs} inputs, a prior of {self.prior} and a limit of {self.limit} frames; "
                "expected at least one input and 0 < prior <= limit"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The mean, and how many frames it knows beside the prior."""
        return {"mean": self.inputs, "seen": 1}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), mean (inputs,) and seen (1,) -> (inputs,)."""
        m, seen = state
        log_n = ops.log(ops.scale(seen, 1.0, self.prior))
        a = ops.sigmoid(ops.scale(log_n, -1.0))  # 1 / (1 + n), a division in words
        m = m + ops.affine(Tensor(np.ones((self.inputs, 1), np.float32)), a) * (x - m)
        most = self.limit - self.prior
        seen = ops.scale(ops.relu(ops.scale(seen, -1.0, most - 1.0)), -1.0, most)  # min(seen + 1, most)
        return x - m, (m, seen)
