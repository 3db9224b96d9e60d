"""Recording: a cell's `step` run once with values that remember the words they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

from edgernn.errors import GraphError
from edgernn.model.cell import LARGEST, Cell, Join
from edgernn.model.factored import Factored
from edgernn.model.ops import OPERATIONS
from edgernn.model.tensor import Tensor

SMALLEST = 2.0**-149  # above 0 in float32

WIDEST = LARGEST
"""Elements of the widest value."""


@dataclass(frozen=True)
class Ref:
    """A value by its name and its width in elements."""

    name: str
    width: int


@dataclass(frozen=True)
class Op:
    """One operation of the step: `name` is one of edgernn.model.ops.WORDS.

    `args` are those of the method of that name in `Ops`, in order: a Ref, a Tensor, a number, sizes or None.
    The values that it makes are called `layer/k`, `layer/k+1`, ... and have these `widths`.
    """

    layer: str
    k: int
    name: str
    args: tuple[Any, ...]
    widths: tuple[int, ...]

    @cached_property
    def outputs(self) -> tuple[Ref, ...]:
        """The values that the word makes: one, or several for a split."""
        return tuple(Ref(f"{self.layer}/{self.k + i}", width) for i, width in enumerate(self.widths))

    @property
    def inputs(self) -> tuple[Ref, ...]:
        """The values that the word reads."""
        return tuple(arg for arg in self.args if isinstance(arg, Ref))

    def __str__(self) -> str:
        said = (arg.name if isinstance(arg, Ref) else str(arg) for arg in self.args)
        return f"{', '.join(ref.name for ref in self.outputs)} = {self.name}({', '.join(said)})"


@dataclass(frozen=True)
class TracedValue:
    """A value inside `step` while it is being recorded."""

    ref: Ref
    tracer: "LayerTracer"

    def __add__(self, other: "TracedValue") -> "TracedValue":
        return self.tracer.pair("add", self, other)

    def __sub__(self, other: "TracedValue") -> "TracedValue":
        return self.tracer.pair("subtract", self, other)

    def __mul__(self, other: "TracedValue") -> "TracedValue":
        return self.tracer.pair("multiply", self, other)


@dataclass
class LayerTracer:
    """The reading that writes words down; every width is checked here, once for all readings."""

    layer: str
    operations: list[Op] = field(default_factory=list)

    def affine(self, weight: Tensor | Factored, x: TracedValue, bias: Tensor | None = None) -> TracedValue:
        if isinstance(weight, Factored):
            return self.affine(weight.left, self.affine(weight.right, x), bias)
        rows, columns = weight.shape
        self._expect("affine", columns, x)
        self._elements("affine", bias, rows)
        return self._say("affine", (weight, x.ref, bias), rows)

    def scale(self, x: TracedValue, by: Tensor | float, plus: Tensor | float = 0.0) -> TracedValue:
        self._elements("scale", by, x.ref.width)
        self._elements("scale", plus, x.ref.width)
        return self._say("scale", (x.ref, by, plus), x.ref.width)

    def sigmoid(self, x: TracedValue) -> TracedValue:
        return self._say("sigmoid", (x.ref,), x.ref.width)

    def tanh(self, x: TracedValue) -> TracedValue:
        return self._say("tanh", (x.ref,), x.ref.width)

    def relu(self, x: TracedValue) -> TracedValue:
        return self._say("relu", (x.ref,), x.ref.width)

    def softmax(self, x: TracedValue) -> TracedValue:
        return self._say("softmax", (x.ref,), x.ref.width)

    def log(self, x: TracedValue) -> TracedValue:
        return self._say("log", (x.ref,), x.ref.width)

    def split(self, x: TracedValue, sizes: int | Sequence[int]) -> tuple[TracedValue, ...]:
        width = x.ref.width
        parts = (width // sizes,) * sizes if isinstance(sizes, int) else tuple(sizes)
        if not parts or sum(parts) != width or min(parts) < 1:
            raise self._error("split", f"{width} values arrive from '{x.ref.name}' and cannot be cut into {sizes}")
        self.operations.append(Op(self.layer, self._next(), "split", (x.ref, parts), parts))
        return tuple(TracedValue(outputs, self) for outputs in self.operations[-1].outputs)

    def concat(self, *xs: TracedValue) -> TracedValue:
        return self._say("concat", tuple(x.ref for x in xs), sum(x.ref.width for x in xs))

    def lookup(self, table: Tensor, index: TracedValue) -> TracedValue:
        self._expect("lookup", 1, index)
        return self._say("lookup", (table, index.ref), table.shape[1])

    def normalize(self, x: TracedValue, gain: Tensor | None, bias: Tensor | None, eps: float) -> TracedValue:
        if not SMALLEST <= eps < inf:
            raise self._error(
                "normalize", f"eps is {eps}; expected a finite number above 0, so that nothing is divided by 0"
            )
        self._elements("normalize", gain, x.ref.width)
        self._elements("normalize", bias, x.ref.width)
        return self._say("normalize", (x.ref, gain, bias, eps), x.ref.width)

    def pair(self, name: str, a: TracedValue, b: TracedValue) -> TracedValue:
        """`a + b`, `a - b` or `a * b`."""
        if not isinstance(b, TracedValue):
            raise self._error(
                name, f"'{a.ref.name}' meets a {type(b).__name__}; use ops.scale(x, by, plus) for numbers"
            )
        if a.ref.width != b.ref.width:
            raise self._error(
                name,
                f"'{a.ref.name}' has {a.ref.width} values and '{b.ref.name}' has {b.ref.width}; expected equal widths",
            )
        return self._say(name, (a.ref, b.ref), a.ref.width)

    def __getattr__(self, name: str) -> Any:
        """What is no word: said by its name, as every other mistake in a cell."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise GraphError(
            f"layer '{self.layer}' says '{name}', which is no word; there are {', '.join(OPERATIONS)}, + - *"
        )

    def _say(self, name: str, args: tuple[Any, ...], width: int) -> TracedValue:
        if width > WIDEST:
            raise self._error(name, f"{width:,} values are made; expected {WIDEST:,} at most")
        if any(isinstance(arg, Factored) for arg in args):
            raise self._error(name, "a Factored weight arrives; only affine takes one, expected a Tensor")
        self.operations.append(Op(self.layer, self._next(), name, args, (width,)))
        return TracedValue(self.operations[-1].outputs[0], self)

    def _next(self) -> int:
        return sum(len(op.widths) for op in self.operations)

    def _expect(self, name: str, width: int, x: TracedValue) -> None:
        if x.ref.width != width:
            raise self._error(name, f"it reads {width} values, but {x.ref.width} arrive from '{x.ref.name}'")

    def _elements(self, name: str, given: Tensor | float | None, width: int) -> None:
        if isinstance(given, Tensor | Factored) and given.shape != (width,):
            raise self._error(name, f"a tensor of shape {given.shape} meets {width} values; expected ({width},)")

    def _error(self, name: str, what: str) -> GraphError:
        return GraphError(f"layer '{self.layer}', word {self._next()} ({name}): {what}")


@dataclass(frozen=True)
class LayerTrace:
    """What one layer says: its words, its output, and its states before and after by their short names."""

    operations: tuple[Op, ...]
    y: Ref
    before: Mapping[str, Ref]
    after: Mapping[str, Ref]


def record(layer: str, cell: Any, xs: Sequence[Ref]) -> LayerTrace:
    """Run a cell once with recording values.

    Args:
        layer: the name of the layer, for the names of values and for messages.
        cell: a Cell or a Join.
        xs: the values that it reads.

    Raises:
        GraphError: widths that do not fit, naming layer and word.
    """
    tracer = LayerTracer(layer)
    values = tuple(TracedValue(x, tracer) for x in xs)
    if hasattr(cell, "join"):
        join: Join = cell
        y = join.join(tracer, *values)
        return LayerTrace(tuple(tracer.operations), y.ref, {}, {})
    one: Cell = cell
    before = {name: Ref(f"{layer}.{name}.in", width) for name, width in one.states.items()}
    for ref in before.values():
        if not 1 <= ref.width <= WIDEST:
            raise GraphError(f"layer '{layer}': state '{ref.name}' has {ref.width:,} values; expected 1 to {WIDEST:,}")
    y, state = one.step(tracer, values[0], tuple(TracedValue(ref, tracer) for ref in before.values()))
    widths = tuple(value.ref.width for value in state)
    if widths != tuple(one.states.values()):
        raise GraphError(
            f"layer '{layer}': step returns states of widths {widths}; the cell declares {dict(one.states)}"
        )
    after = {name: value.ref for name, value in zip(before, state, strict=True)}
    return LayerTrace(tuple(tracer.operations), y.ref, before, after)
