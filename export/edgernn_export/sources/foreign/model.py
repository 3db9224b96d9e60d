"""A model of another tool, read as a torch module."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from edgernn.array import Array

Replay = Callable[[Sequence[Array]], Sequence[Array]]
"""The arguments of one call of the original, in float32, to its results: those of the module, in the same order."""


@dataclass(frozen=True)
class ForeignModel:
    """A model of another tool, read as a torch module.

    Attributes:
        name: of the file, for messages.
        module: in eval mode; forward(*inputs, *states) returns a dictionary of named outputs and states.
        example: an argument for each input and each state; those of the states are the initial states.
        inputs: the names of the arguments that are frames, or sequences of them.
        outputs: the names of the results to take, without states.
        states: the name of each argument that is a state -> the name of the result that it is in the next call.
        time_axis: the axis of time in the inputs; None where layers show it, or the module takes one frame.
        one_frame: whether it takes one frame, and its states, whatever layers run over parts of the frame.
        period_ms: the time from one frame to the next; None when the file does not say.
        labels: a name for each output, or empty.
        original: runs the file on its own runtime; None where there is none here.
        runtime: its name, for messages.
    """

    name: str
    module: nn.Module
    example: tuple[torch.Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: Mapping[str, str] = field(default_factory=dict)
    time_axis: int | None = None
    one_frame: bool = False
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    original: Replay | None = None
    runtime: str = ""

    def run(self, arguments: Sequence[Array]) -> dict[str, Array]:
        """Return the results of the module, in float32, by name."""
        with torch.no_grad():
            answer = self.module(*(torch.from_numpy(np.asarray(each)) for each in arguments))
        return {name: value.detach().numpy() for name, value in answer.items()}
