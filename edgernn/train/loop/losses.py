"""The loss of each head of a network: of the scores for one set of targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch.nn import functional as F

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.parts import slices
from edgernn.train.network.models import Shape


@dataclass(frozen=True)
class Head:
    """The scores for one set of targets.

    Attributes:
        name: of the set; "" for the only one.
        part: its outputs among those of the network.
        column: its targets, in the last axis of (..., sets); None where there is only one set, without that axis.
        weight: of its loss.
        series: whether the targets are values and not classes.
    """

    name: str
    part: slice
    column: int | None
    weight: float
    series: bool

    @classmethod
    def all_of(cls, kind: str, widths: Mapping[str, int], shape: Shape) -> tuple[Self, ...]:
        """The heads of a network.

        Args:
            kind: one of data.sequences.DATA_KINDS.
            widths: the number of classes of each set of targets; empty for a single set.
            shape: of the network, with the weight of each loss; without any, all are 1.

        Raises:
            UsageError: The data has other sets of targets, or the network does not stream.
        """
        weights = dict(shape.heads)
        for name in weights:
            if name not in widths:
                known = f"; {misspelt(name, widths)}" if widths else ", and has only one set; set data.targets"
                raise UsageError(f"model.heads has '{name}', which is no set of targets of the data{known}")
        for name in widths if weights else ():
            if name not in weights:
                raise UsageError(
                    f"model.heads has {', '.join(weights)}, and the data also has the targets '{name}'; give the "
                    "weight of each, or remove it from data.targets"
                )
        if not widths:
            return (cls("", slice(None), None, 1.0, kind == "series"),)
        if shape.bidirectional:
            raise UsageError(
                f"a network with bidirectional='{shape.bidirectional}' has one output, and the data has the targets "
                f"{', '.join(widths)}; remove data.targets, or train in one direction"
            )
        places = enumerate(slices(widths).items())
        return tuple(cls(name, part, column, weights.get(name, 1.0), False) for column, (name, part) in places)

    def scores(self, outputs: torch.Tensor) -> torch.Tensor:
        """Its outputs among those of the network, (..., outputs)."""
        return outputs[..., self.part]

    def targets(self, targets: torch.Tensor) -> torch.Tensor:
        """Its targets among those of all sets."""
        return targets if self.column is None else targets[..., self.column]

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean loss of its scores (steps, outputs)."""
        return F.mse_loss(scores, targets) if self.series else F.cross_entropy(scores, targets)

    def accuracy(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The part of the scores (steps, outputs) whose largest is the target's."""
        return (scores.argmax(-1) == targets).float().mean()
