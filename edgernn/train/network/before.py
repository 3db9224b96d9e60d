"""The layers before the recurrent layers of a network, as a torch module."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn

from edgernn.errors import GraphError, UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.train.network.before_checks import FUNCTIONS
from edgernn.train.network.before_options import (
    BeforeLayer,
    Conv1dOptions,
    Conv2dOptions,
    DepthwiseConv2dOptions,
    Frame,
    PoolOptions,
    frames_of,
)
from edgernn.train.network.recurrent import Stateless
from edgernn.train.network.windowed import Windowed


class Before(nn.ModuleList):
    """Layers before the recurrent ones.

    Args:
        layers: their options, in order.
        inputs: the width of a frame, which is one channel.

    Raises:
        UsageError: A layer does not fit what arrives; with its number from 1.
    """

    def __init__(self, layers: Sequence[BeforeLayer], inputs: int) -> None:
        super().__init__()
        frame = Frame(1, inputs)
        for number, options in enumerate(layers, 1):
            try:
                cell = options.cell(frame)
                width = Graph((Layer("layer", cell),), frame.width * frames_of(options)).outputs
            except (GraphError, UsageError) as error:
                raise UsageError(
                    f"layer {number} of model.before reads {frame.channels} x {frame.frequencies} values: {error}"
                ) from error
            channels = options.answers(frame)
            frame = Frame(channels, width // channels)
            self.append(_module(cell, options, channels))
        self.width, self.frames = frame.width, tuple(map(frames_of, layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, inputs) -> (batch, steps, width), from the initial states."""
        return self.run(x)[0]

    def run(
        self, x: torch.Tensor, states: Sequence[Any] | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, list[Any]]:
        """As `forward`, from given states, one entry for each layer that has some; also return the final states.

        Args:
            x: (batch, time, inputs); the time is a multiple of the frames that a step takes.
            states: those of an earlier part of the same sequences; None for the initial states.
            lengths: (batch,) the steps of each sequence, the only ones that batch normalization learns from.
        """
        after: list[Any] = []
        for layer, frames in zip(self, self.frames, strict=True):
            if isinstance(layer, Windowed):
                x = x.reshape(len(x), x.shape[1] // frames, frames * x.shape[2])
                lengths = None if lengths is None else lengths // frames
                state = states[len(after)] if states is not None and layer.remembers else None
                x, later = layer(x, state, lengths)
                after += [later] if layer.remembers else []
            else:
                x = layer(x)
        return x, after

    @property
    def states(self) -> int:
        """The number of layers with states."""
        return sum(isinstance(layer, Windowed) and layer.remembers for layer in self)

    def converted(self) -> tuple[Layer, ...]:
        """The layers of the exported graph, with the current weights."""
        layers, together = [], prod(self.frames)
        for (name, module), frames in zip(self.named_children(), self.frames, strict=True):
            parts: Any = module
            together //= frames
            layers.append(Layer(f"before_{name}", parts.edgernn_cell(), frames=together))
            if isinstance(module, Windowed) and module.activation is not None:
                function = module.activation
                layers.append(Layer(f"before_{name}_{function.function}", function, frames=together))
        return tuple(layers)


def _module(cell: Any, options: BeforeLayer, channels: int) -> nn.Module:
    if isinstance(options, PoolOptions):
        return Windowed(cell, channels)
    if isinstance(options, Conv1dOptions | Conv2dOptions | DepthwiseConv2dOptions):
        function = "" if options.activation == FUNCTIONS[0] else options.activation
        return Windowed(cell, channels, function, norm=options.norm)
    return Stateless(cell)
