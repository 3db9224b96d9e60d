"""The builder: the layers converted so far, and the errors for operations that cannot stream."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.fx import Node

from edgernn.cells import Delay
from edgernn.errors import UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.layers.reasons import reason
from edgernn_export.sources.torch.layers.value import Incoming, Value
from edgernn_export.sources.torch.trace.exported import WHOLE
from edgernn_export.sources.torch.trace.tracing import path_of


def op_of(node: Node) -> str:
    """Return the name of an operation without overload and in-place suffix: "relu" for aten.relu_.default."""
    name = str(node.target).removeprefix("aten.").removeprefix(WHOLE).split(".")[0]
    return name if name.startswith("_") else name.removesuffix("_")


class NeedsDelayError(Exception):
    """A state must be a value of its own, which a Delay carries: an argument, by position, or those of an operation."""

    def __init__(self, what: int | Node) -> None:
        super().__init__(what)
        self.what = what


@dataclass
class Builder:
    """The layers converted so far.

    Attributes:
        frames: the number of frames in the example.
        batch: whether the example's first axis besides time is longer than 1, as that of a batch, and another is too.
        node: the operation that is being converted.
        arguments: its arguments by name.
        fed: the layers and the state that receive each state of the caller's, by its position.
        one_frame: whether the example is one frame, and not a sequence.
        delayed: what a Delay carries: states of the caller's, by position, and recurrent operations.
        operations: the recurrent operation of each layer that has a state of its own.
        every: how many frames of the input lie between two frames of each layer's output.
        muted: a layer -> the layer that gives its output without what it computes before its first frame.
        taken: the value whose last step, or a statistic of all steps, an operation takes.
        running: what the caller lets run over all frames so far: "mean" or "max".
        ran: which of them did.
        assembled: values that were put together, by their parts.
    """

    frames: int
    batch: bool
    node: Node
    arguments: Mapping[str, Any] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    initial_state: dict[str, Tensor] = field(default_factory=dict)
    fed: dict[int, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    one_frame: bool = False
    delayed: frozenset[int | Node] = frozenset()
    operations: dict[str, Node] = field(default_factory=dict)
    every: dict[str, int] = field(default_factory=dict)
    muted: dict[str, str] = field(default_factory=dict)
    taken: dict[Node, Value] = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    ran: set[str] = field(default_factory=set)
    assembled: dict[Any, Value] = field(default_factory=dict)

    def steps(self, x: Value) -> tuple[int, int]:
        """Return how many steps of a value the example has, whole ones, and with one that is not complete."""
        return self.frames // x.every, -(-self.frames // x.every)

    def surplus(self, x: Value) -> int:
        """Return how many positions of a value lie behind the end of the sequence, and do not come later either."""
        return max(0, x.length - max(x.lead, 0) - self.steps(x)[1] - x.delay)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the operation's result."""
        return tuple(self.node.meta["val"].shape)

    def add(self, cell: Any, inputs: Sequence[Value], suffix: str = "", positions: int = 1, **options: Any) -> str:
        """Add a layer, named after the module that contains the operation; return its name.

        Args:
            cell: its cell.
            inputs: what it reads.
            suffix: of its name.
            positions: as of Layer.
            options: `stride` over time; `sweep` and `begins` as of Layer.
        """
        names, stride = tuple(value.layer for value in inputs), options.pop("stride", 1)
        self.layers.append(Layer(self._name(suffix), cell, names, positions=positions, **options))
        self.every[self.layers[-1].name] = inputs[0].every * stride
        return self.layers[-1].name

    def then(self, cell: Any, *inputs: Value, shape: tuple[int, ...] | None = None, positions: int = 1) -> Value:
        """Add a layer without state that computes this operation's result, aligned in time with its first input."""
        layer = self.add(cell, inputs, positions=positions)
        right = max(value.right for value in inputs)
        return replace(inputs[0], layer=layer, shape=self.shape if shape is None else shape, right=right)

    def carried(self, cell: Any, x: Value) -> Value:
        """Add a layer whose states begin with the first frame of its input, which may be late."""
        return x.of(self.add(cell, [x], begins=-x.lead))

    def refuse(self, why: str = "") -> UnsupportedError:
        """Return the error that refuses this operation, with its module and the reason."""
        op = op_of(self.node)
        return UnsupportedError(
            f"{self.where} uses '{op}', which cannot stream: {why or reason(op, self.node, self.arguments)}"
        )

    def feed(self, incoming: Incoming, layers: tuple[str, ...], state: str) -> None:
        """Connect a state that the caller passes in to these layers, and to no others."""
        if incoming.position in self.fed:
            raise NeedsDelayError(incoming.position)
        self.fed[incoming.position] = (layers, state)

    def delay(self, name: str, width: int, initial_state: torch.Tensor, every: int = 1) -> str:
        """Add a Delay, which `feed_back` connects; return its name."""
        self.layers.append(Layer(self._unique(name), Delay(width), (INPUT,)))
        layer = self.layers[-1].name
        self.every[layer] = every
        if torch.count_nonzero(initial_state):
            self.initial_state[f"{layer}.past"] = weight(initial_state.reshape(-1))
        return layer

    def feed_back(self, delay: str, layer: str) -> None:
        """Let a Delay answer with the output of a layer in the step before."""
        self.layers = [replace(each, inputs=(layer,)) if each.name == delay else each for each in self.layers]

    @property
    def where(self) -> str:
        """The module that contains the operation, for messages."""
        path = path_of(self.node)
        return f"module '{path}'" if path else "the module's own forward"

    def _name(self, suffix: str) -> str:
        return self._unique(f"{name_of(self.node)}{suffix}")

    def _unique(self, name: str) -> str:
        name = re.sub(r"\W", "_", name, flags=re.ASCII)
        name = name if re.match(r"[A-Za-z]", name) else f"state{name}"
        taken = {layer.name for layer in self.layers} | {INPUT, OUTPUT}
        number = 2
        unique = name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        return unique


def name_of(node: Node) -> str:
    """Return a name for a layer that computes this operation: its module's path, or the operation."""
    path, op = path_of(node), op_of(node).removesuffix("_default").strip("_")
    name = re.sub(r"\W", "_", path, flags=re.ASCII) if path else op
    return name if re.match(r"[A-Za-z]", name) else f"{op.split('_')[0]}{name}"


def weight(tensor: torch.Tensor) -> Tensor:
    """Return a constant of the module as a weight."""
    return Tensor(tensor.detach().numpy())
