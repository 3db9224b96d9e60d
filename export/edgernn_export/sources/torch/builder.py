"""Building: layers as they are found, and the words for what cannot stream."""

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
    """The name of an operation without overload and in-place mark: "relu" for aten.relu_.default."""
    name = str(node.target).removeprefix("aten.").removeprefix(WHOLE).split(".")[0]
    return name if name.startswith("_") else name.removesuffix("_")


@dataclass
class Builder:
    """The layers found so far.

    Attributes:
        steps: the frames of the example.
        batch: whether the example has several axes longer than 1 beside time, as a batch has.
        node: the operation that is being read.
        given: what it is called with, by the names of its arguments.
        fed: for each state that the caller passes in, the layer and the state that it is.
    """

    steps: int
    batch: bool
    node: Node
    given: Mapping[str, Any] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    initial_state: dict[str, Tensor] = field(default_factory=dict)
    fed: dict[int, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    vocabulary_size: dict[str, int] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what the operation makes."""
        return tuple(self.node.meta["val"].shape)

    def add(self, cell: Any, inputs: Sequence[Value], suffix: str = "") -> str:
        """A layer after the module that says the operation; returns its name."""
        self.layers.append(Layer(self._name(suffix), cell, tuple(value.layer for value in inputs)))
        return self.layers[-1].name

    def then(self, cell: Any, *inputs: Value, shape: tuple[int, ...] | None = None) -> Value:
        """A layer without state that makes this operation's result, aligned in time with what it reads."""
        first = inputs[0]
        return Value(self.add(cell, inputs), self.shape if shape is None else shape, first.time, first.lead)

    def refuse(self, why: str = "") -> UnsupportedError:
        """The error for this operation."""
        op = op_of(self.node)
        return UnsupportedError(
            f"{self.where} uses '{op}', which cannot stream: {why or reason(op, self.node, self.given)}"
        )

    def feed(self, incoming: Incoming, layers: tuple[str, ...], state: str) -> None:
        """A state of the caller's goes into these layers, and into no others."""
        if incoming.position in self.fed:
            raise self.refuse("a state goes into two layers; each needs its own")
        self.fed[incoming.position] = (layers, state)

    @property
    def where(self) -> str:
        """The module that says the operation, for messages."""
        path = path_of(self.node)
        return f"module '{path}'" if path else "the module's own forward"

    def _name(self, suffix: str) -> str:
        path, op = path_of(self.node), op_of(self.node).removesuffix("_default")
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
    """A constant of the module as a weight."""
    return Tensor(tensor.detach().numpy())
