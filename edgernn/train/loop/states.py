"""The states that one batch of a training hands to the next, and where the gradient is cut between the two."""

from typing import Any

import torch

from edgernn.train.loop.batches import Batch
from edgernn.train.network.models import detached


class CarriedStates:
    """The states that the last batch ended with, (batch, hidden) each as `Network.run` returns them.

    Between two chunks the gradient is cut, so that it flows through `Plan.tbptt` steps. One cut is left out: where the
    first chunk has no answer that counts and the second has one. The weights are the same in both, since nothing was
    updated between them, and without it no loss would say what the first chunk has to remember. So the gradient never
    flows through more than twice `tbptt` steps.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the states: the next batch begins at rest."""
        self._states: list[Any] | None = None
        self._counted = True  # whether the last batch had an answer that counts

    def before(self, batch: Batch, carry: float | None = None) -> list[Any] | None:
        """The states that a batch begins at; None for rest.

        Args:
            batch: goes on where the last one ended, or is `fresh`.
            carry: how likely a fresh one of a training begins there too, if it has as many rows; None for never.
        """
        states = self._states
        if not states or _rows(states) != len(batch.x):
            return None
        carried = carry is not None and torch.rand(()) < carry
        if batch.fresh and not carried:
            return None
        return detached(states) if self._counted or not batch.counts else states

    def after(self, batch: Batch, states: list[Any] | None) -> None:
        """Take the states that a batch ended with."""
        self._states, self._counted = states, batch.counts


def _rows(states: list[Any]) -> int:
    first = states[0][0] if isinstance(states[0], tuple) else states[0]
    return int(first.shape[-2])
