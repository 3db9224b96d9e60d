"""The states that one batch of a training passes to the next, and where the gradient is cut between them."""

from typing import Any

import torch

from edgernn.train.loop.batches import Batch
from edgernn.train.network.models import detached


class BatchStates:
    """The final states of the last batch, (batch, hidden) each, as `Network.run` returns them.

    The gradient is cut between two chunks, so it flows through `Batching.tbptt` steps. The exception is a first chunk
    without a step that counts in the loss, followed by a chunk with one: no update happens between them, so the weights
    are equal, and otherwise no loss would train what the first chunk must remember. The gradient never flows through
    more than twice `tbptt` steps.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Drop the states: the next batch begins at the initial states."""
        self._states: list[Any] | None = None
        self._counted = True  # whether a step of the last batch counted in the loss

    def before(self, batch: Batch, carry: float | None = None) -> list[Any] | None:
        """The states at which a batch begins; None for the initial states.

        Args:
            batch: the batch; it continues the last one unless it is `fresh`.
            carry: the probability that a fresh batch with the same number of rows begins at the final states of the
                last one too; None for never.
        """
        states = self._states
        if not states or _rows(states) != len(batch.x):
            return None
        carried = carry is not None and torch.rand(()) < carry
        if batch.fresh and not carried:
            return None
        return detached(states) if self._counted or not batch.counts else states

    def after(self, batch: Batch, states: list[Any] | None) -> None:
        """Store the final states of a batch."""
        self._states, self._counted = states, batch.counts


def _rows(states: list[Any]) -> int:
    first = states[0][0] if isinstance(states[0], tuple) else states[0]
    return int(first.shape[-2])
