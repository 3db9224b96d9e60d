"""The builder: the layers converted so far, and the errors for operations that cannot stream."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from edgernn.errors import UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT, Layer
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.exported import WHOLE
from edgernn_export.sources.torch.reasons import reason
from edgernn_export.sources.torch.tracing import path_of
from edgernn_export.sources.torch.value import Incoming, Value


def op_of(node: Node) -> str:
    """Return the name of an operation without overload and in-place suffix: "relu" for aten.relu_.default."""
    name = str(node.target).removeprefix("aten.").removeprefix(WHOLE).split(".")[0]
    return name if name.startswith("_") else name.removesuffix("_")


@dataclass
class Builder:
    """The layers converted so far.

    Attributes:
        steps: the number of frames in the example.
        batch: whether the example's first axis besides time is longer than 1, as that of a batch, and another is too.
        node: the operation that is being converted.
        arguments: its arguments by name.
        fed: the layers and the state that receive each state of the caller's, by its position.
    """

    steps: int
    batch: bool
    node: Node
    arguments: Mapping[str, Any] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    initial_state: dict[str, Tensor] = field(default_factory=dict)
    fed: dict[int, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    vocabulary_size: dict[str, int] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the operation's result."""
        return tuple(self.node.meta["val"].shape)

    def add(self, cell: Any, inputs: Sequence[Value], suffix: str = "", positions: int = 1) -> str:
        """Add a layer, named after the module that contains the operation; return its name."""
        names = tuple(value.layer for value in inputs)
        self.layers.append(Layer(self._name(suffix), cell, names, positions=positions))
        return self.layers[-1].name

    def then(self, cell: Any, *inputs: Value, shape: tuple[int, ...] | None = None, positions: int = 1) -> Value:
        """Add a layer without state that computes this operation's result, aligned in time with its first input."""
        first = inputs[0]
        return Value(
            self.add(cell, inputs, positions=positions), self.shape if shape is None else shape, first.time, first.lead
        )

    def refuse(self, why: str = "") -> UnsupportedError:
        """Return the error that refuses this operation, with its module and the reason."""
        op = op_of(self.node)
        return UnsupportedError(
            f"{self.where} uses '{op}', which cannot stream: {why or reason(op, self.node, self.arguments)}"
        )

    def feed(self, incoming: Incoming, layers: tuple[str, ...], state: str) -> None:
        """Connect a state that the caller passes in to these layers, and to no others."""
        if incoming.position in self.fed:
            raise self.refuse("one state is passed to two layers; pass a state for each layer")
        self.fed[incoming.position] = (layers, state)

    @property
    def where(self) -> str:
        """The module that contains the operation, for messages."""
        path = path_of(self.node)
        return f"module '{path}'" if path else "the module's own forward"

    def _name(self, suffix: str) -> str:
        path, op = path_of(self.node), op_of(self.node).removesuffix("_default").strip("_")
        name = re.sub(r"\W", "_", path, flags=re.ASCII) if path else op
        name = name if re.match(r"[A-Za-z]", name) else f"{op.split('_')[0]}{name}"
        name = f"{name}{suffix}"
        taken = {layer.name for layer in self.layers} | {INPUT, OUTPUT}
        number = 2
        unique = name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        return unique


def weight(tensor: torch.Tensor) -> Tensor:
    """Return a constant of the module as a weight."""
    return Tensor(tensor.detach().numpy())
