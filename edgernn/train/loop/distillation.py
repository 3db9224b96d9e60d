"""Knowledge distillation: a student network learns from the outputs of a larger teacher.

G. Hinton et al., "Distilling the knowledge in a neural network" (arXiv:1503.02531). The distillation loss covers every
step that counts in the student's own loss.
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
from edgernn.train.network.models import Shape


@dataclass(frozen=True)
class Distillation:
    """The options of distillation.

    Attributes:
        teacher: a float model with the same outputs, trained on the same data with the same features.
        weight: the weight of the distillation loss, above 0 and at most 1. The loss on the targets has the rest.
        temperature: the divisor of class scores; above 1 the wrong classes have more influence.

    Raises:
        UsageError: The weight or the temperature is out of range.
    """

    teacher: Graph
    weight: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise UsageError(f"the weight of the teacher is {self.weight:g}; expected above 0 and at most 1")
        if not 0 < self.temperature < inf:
            raise UsageError(f"the temperature is {self.temperature:g}; expected a number above 0, such as 2")


class Teacher(nn.Module):
    """The teacher as a network, with the states of its sequences.

    Args:
        distillation: the teacher and the loss.
        data: the training data of the student.

    Raises:
        UsageError: The teacher is quantized, or has other outputs or other features; or the data is sound.
    """

    def __init__(self, distillation: Distillation, data: Data) -> None:
        super().__init__()
        _check(distillation.teacher, data)
        self._network = GraphNetwork(trainable_subgraph(distillation.teacher, data)).requires_grad_(False)
        self._distillation, self._kind = distillation, data.kind
        self._frames = distillation.teacher.frames_per_step
        self._states: list[torch.Tensor] | None = None

    def check(self, student: Shape) -> None:
        """Refuse a student that answers at other frames.

        Raises:
            UsageError: It takes another number of frames in a step.
        """
        if student.frames_per_step != self._frames:
            raise UsageError(
                f"the teacher takes {self._frames} frames in a step, and the network {student.frames_per_step}; give a "
                "teacher with the same strides over time"
            )

    def forward(self, x: torch.Tensor, continues: bool) -> torch.Tensor:
        """(batch, time, inputs) or symbols (batch, time) -> outputs of the teacher (batch, time, outputs).

        It begins at the initial states, or at the final states of the last batch if `continues`.
        """
        answers, self._states = self._network.run(x, self._states if continues else None)
        return answers

    def combined_loss(self, loss: torch.Tensor, scores: torch.Tensor, teacher_scores: torch.Tensor) -> torch.Tensor:
        """The loss on the targets, combined with the distillation loss between scores, each (steps, outputs).

        For classes it is the Kullback-Leibler divergence at the temperature t, times t * t to keep the scale of the
        gradients; for values the mean squared error.
        """
        weight, t = self._distillation.weight, self._distillation.temperature
        if self._kind == "series":
            distance = F.mse_loss(scores, teacher_scores)
        else:
            student, teacher = (F.log_softmax(scores / t, -1) for scores in (scores, teacher_scores))
            distance = t * t * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
        return (1 - weight) * loss + weight * distance


def _check(graph: Graph, data: Data) -> None:
    if data.kind == "sound":
        raise UsageError("a teacher gives scores of classes or values, and the data is sound; train without a teacher")
    if graph.precision not in {"fp32", "fp64"}:
        raise UsageError(f"the teacher is in {graph.precision}; give the float model that it was quantized from")
    if graph.outputs != data.outputs or graph.labels != tuple(data.labels):
        raise UsageError(
            f"the teacher has {_outputs_text(graph.outputs, graph.labels)}, and the data has "
            f"{_outputs_text(data.outputs, data.labels)}; give a teacher that was trained on the same data"
        )


def _outputs_text(outputs: int, labels: tuple[str, ...]) -> str:
    return f"{outputs} outputs ({', '.join(labels)})" if labels else f"{outputs} unnamed outputs"
