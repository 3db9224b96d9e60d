"""Distillation: a larger model that answers what is asked, and a smaller one that learns to answer as it does.

G. Hinton et al., "Distilling the knowledge in a neural network" (arXiv:1503.02531). The student hears its teacher at
every step whose answer counts in its own loss.
"""

from dataclasses import dataclass
from math import inf

import torch
from torch import nn
from torch.nn import functional as F

from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.train.data.sequences import Data
from edgernn.train.data.trainable import trainable_subgraph
from edgernn.train.network.graph_network import GraphNetwork


@dataclass(frozen=True)
class Lesson:
    """What a student is taught.

    Attributes:
        teacher: a model in float of the same answers, trained on the same data with the same features.
        weight: of the teacher's answers in the loss, above 0 and at most 1; the rest is that of the truth.
        temperature: by which the scores of classes are divided; above 1 it tells more of the classes that are wrong.

    Raises:
        UsageError: a weight or temperature that is none.
    """

    teacher: Graph
    weight: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise UsageError(f"a teacher's weight of {self.weight:g} arrived; expected above 0 and at most 1")
        if not 0 < self.temperature < inf:
            raise UsageError(f"a temperature of {self.temperature:g} arrived; expected a number above 0, such as 2")


class Teacher(nn.Module):
    """The teacher of a lesson, with the states that its sequences have reached.

    Args:
        lesson: what it teaches.
        data: what its student is trained on.

    Raises:
        UsageError: it is quantized, answers something else, or reads other features.
    """

    def __init__(self, lesson: Lesson, data: Data) -> None:
        super().__init__()
        _check(lesson.teacher, data)
        self._network = GraphNetwork(trainable_subgraph(lesson.teacher, data)).requires_grad_(False)
        self._lesson, self._kind = lesson, data.kind
        self._states: list[torch.Tensor] | None = None

    def forward(self, x: torch.Tensor, goes_on: bool) -> torch.Tensor:
        """(batch, time, inputs) or symbols (batch, time) -> its answers (batch, time, outputs).

        From rest, or where the last batch ended if it `goes_on`.
        """
        answers, self._states = self._network.run(x, self._states if goes_on else None)
        return answers

    def mixed(self, loss: torch.Tensor, answers: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
        """The loss by the truth, mixed with that of a student's answers by its teacher's, each (answers, outputs).

        Between classes it is the Kullback-Leibler divergence at the temperature, times its square, so that gradients
        stay as large; between values the mean squared error.
        """
        weight, t = self._lesson.weight, self._lesson.temperature
        if self._kind == "series":
            apart = F.mse_loss(answers, taught)
        else:
            mine, theirs = (F.log_softmax(scores / t, -1) for scores in (answers, taught))
            apart = t * t * F.kl_div(mine, theirs, reduction="batchmean", log_target=True)
        return (1 - weight) * loss + weight * apart


def _check(graph: Graph, data: Data) -> None:
    if graph.precision not in {"fp32", "fp64"}:
        raise UsageError(f"a teacher in {graph.precision} arrived; give the float model that it was made from")
    if graph.outputs != data.outputs or graph.labels != tuple(data.labels):
        raise UsageError(
            f"the teacher gives {_said(graph.outputs, graph.labels)}, and the data asks for "
            f"{_said(data.outputs, data.labels)}; give a teacher that was trained on the same"
        )


def _said(outputs: int, labels: tuple[str, ...]) -> str:
    return f"{outputs} answers ({', '.join(labels)})" if labels else f"{outputs} answers without names"
