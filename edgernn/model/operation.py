"""Operations, and the interpreter that lists those of a layer: values that remember how they are computed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

from edgernn.errors import GraphError
from edgernn.model import spectra
from edgernn.model.cell import LARGEST
from edgernn.model.factored import Factored
from edgernn.model.ops import OPERATIONS
from edgernn.model.tensor import Tensor

SMALLEST = 2.0**-149  # the smallest float32 above 0

WIDEST = LARGEST
"""The largest width of a value, in elements."""


@dataclass(frozen=True)
class Ref:
    """A reference to a value: its name, the width of a position in elements, and the number of its positions."""

    name: str
    width: int
    positions: int = 1

    @property
    def size(self) -> int:
        """The number of all elements."""
        return self.positions * self.width


@dataclass(frozen=True)
class Op:
    """One operation of a step.

    Attributes:
        layer: the name of the layer that it belongs to.
        k: the number of its first output among all values of the layer.
        name: one of edgernn.model.ops.OPERATIONS.
        args: the arguments of the method of this name in `Ops`, in order: a Ref, a Tensor, a number, sizes or None.
        widths: the width of each output. The outputs are called `layer/k`, `layer/k+1`, ...
        positions: the number of positions of each output.
    """

    layer: str
    k: int
    name: str
    args: tuple[Any, ...]
    widths: tuple[int, ...]
    positions: int = 1

    @cached_property
    def outputs(self) -> tuple[Ref, ...]:
        """The values that the operation computes: one, or several for a split."""
        return tuple(Ref(f"{self.layer}/{self.k + i}", width, self.positions) for i, width in enumerate(self.widths))

    @property
    def size(self) -> int:
        """The number of all elements of the outputs."""
        return self.positions * sum(self.widths)

    @cached_property
    def inputs(self) -> tuple[Ref, ...]:
        """The values that the operation reads."""
        return tuple(arg for arg in self.args if isinstance(arg, Ref))

    def __str__(self) -> str:
        args = (arg.name if isinstance(arg, Ref) else str(arg) for arg in self.args)
        return f"{', '.join(ref.name for ref in self.outputs)} = {self.name}({', '.join(args)})"


@dataclass(frozen=True)
class TracedValue:
    """A value inside `step` while the layer is traced."""

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
    """The interpreter that lists the operations of a layer. It checks every width, for all other interpreters.

    Attributes:
        layer: the name of the layer.
        operations: so far.
        parts: how many parts share a step: to the cell a value of so many positions has one.
        starts: the number of the first value of each step of the cell.
    """

    layer: str
    operations: list[Op] = field(default_factory=list)
    parts: int = 1
    starts: list[int] = field(default_factory=list)
    _outputs: int = 0

    def begin(self) -> None:
        """Note that a step of the cell begins."""
        self.starts.append(self._outputs)

    def affine(self, weight: Tensor | Factored, x: TracedValue, bias: Tensor | None = None) -> TracedValue:
        if isinstance(weight, Factored):
            return self.affine(weight.left, self.affine(weight.right, x), bias)
        rows, columns = weight.shape
        self._check_width("affine", columns, x)
        self._check_elements("affine", bias, rows)
        x = self._used(x)
        return self._append("affine", (weight, x.ref, bias), rows, x.ref.positions)

    def scale(self, x: TracedValue, by: Tensor | float, plus: Tensor | float = 0.0) -> TracedValue:
        self._check_elements("scale", by, x.ref.width)
        self._check_elements("scale", plus, x.ref.width)
        return self._append("scale", (x.ref, by, plus), x.ref.width, x.ref.positions)

    def sigmoid(self, x: TracedValue) -> TracedValue:
        return self._append("sigmoid", (x.ref,), x.ref.width, x.ref.positions)

    def tanh(self, x: TracedValue) -> TracedValue:
        return self._append("tanh", (x.ref,), x.ref.width, x.ref.positions)

    def relu(self, x: TracedValue) -> TracedValue:
        return self._append("relu", (x.ref,), x.ref.width, x.ref.positions)

    def softmax(self, x: TracedValue) -> TracedValue:
        return self._append("softmax", (x.ref,), x.ref.width, x.ref.positions)

    def log(self, x: TracedValue) -> TracedValue:
        return self._append("log", (x.ref,), x.ref.width, x.ref.positions)

    def exp(self, x: TracedValue) -> TracedValue:
        return self._append("exp", (x.ref,), x.ref.width, x.ref.positions)

    def sqrt(self, x: TracedValue) -> TracedValue:
        return self._append("sqrt", (x.ref,), x.ref.width, x.ref.positions)

    def divide(self, a: TracedValue, b: TracedValue) -> TracedValue:
        return self.pair("divide", a, b)

    def maximum(self, a: TracedValue, b: TracedValue) -> TracedValue:
        return self.pair("maximum", a, b)

    def split(self, x: TracedValue, sizes: int | Sequence[int]) -> tuple[TracedValue, ...]:
        width = x.ref.width
        parts = (width // sizes,) * sizes if isinstance(sizes, int) else tuple(sizes)
        if not parts or sum(parts) != width or min(parts) < 1:
            raise self._error("split", f"{width} values arrive from '{x.ref.name}' and cannot be split into {sizes}")
        op = self._add("split", (x.ref, parts), parts, x.ref.positions)
        return tuple(TracedValue(output, self) for output in op.outputs)

    def concat(self, *xs: TracedValue) -> TracedValue:
        positions = {x.ref.positions for x in xs}
        if len(positions) != 1:
            raise self._error("concat", f"values of {sorted(positions)} positions arrive; expected equal positions")
        return self._append("concat", tuple(x.ref for x in xs), sum(x.ref.width for x in xs), *positions)

    def lookup(self, table: Tensor, index: TracedValue) -> TracedValue:
        self._check_width("lookup", 1, index)
        self._check_positions("lookup", 1, index)
        return self._append("lookup", (table, index.ref), table.shape[1])

    def normalize(self, x: TracedValue, gain: Tensor | None, bias: Tensor | None, eps: float) -> TracedValue:
        if not SMALLEST <= eps < inf:
            raise self._error("normalize", f"eps is {eps}; expected a finite number above 0, to avoid a division by 0")
        self._check_elements("normalize", gain, x.ref.width)
        self._check_elements("normalize", bias, x.ref.width)
        return self._append("normalize", (x.ref, gain, bias, eps), x.ref.width, x.ref.positions)

    def reshape(self, x: TracedValue, before: int, after: int) -> TracedValue:
        self._check_positions("reshape", before, x)
        size = x.ref.size // self.parts
        if after < 1 or size % after:
            raise self._error("reshape", f"{size} elements cannot be arranged as {after} positions")
        args = (x.ref, before * self.parts, after * self.parts)
        return self._append("reshape", args, size // after, after * self.parts)

    def gather(self, x: TracedValue, before: int, index: Sequence[int]) -> TracedValue:
        self._check_positions("gather", before, x)
        rows = tuple(map(int, index))
        if not rows or min(rows) < -1 or max(rows) >= before:
            raise self._error(
                "gather",
                f"an index from {min(rows, default=0)} to {max(rows, default=0)} of {len(rows)} "
                f"entries arrives; expected at least one, from -1 to {before - 1}",
            )
        rows = tuple(-1 if row < 0 else part * before + row for part in range(self.parts) for row in rows)
        return self._append("gather", (x.ref, before * self.parts, rows), x.ref.width, len(rows))

    def sum(self, x: TracedValue, before: int, size: int) -> TracedValue:
        return self._reduced("sum", x, before, size)

    def largest(self, x: TracedValue, before: int, size: int) -> TracedValue:
        return self._reduced("largest", x, before, size)

    def hold(self, x: TracedValue, last: TracedValue, threshold: float) -> TracedValue:
        if not 0 <= threshold < inf:
            raise self._error("hold", f"the threshold is {threshold}; expected a finite number of at least 0")
        return self.pair("hold", x, last, threshold)

    def _used(self, x: TracedValue) -> TracedValue:
        """Return the input of an affine as the affine uses it."""
        return x

    def rfft(self, x: TracedValue, size: int, window: Tensor | None = None) -> TracedValue:
        self._check_size("rfft", size)
        if x.ref.width > size:
            raise self._error("rfft", f"{x.ref.width} values arrive from '{x.ref.name}'; expected {size} at most")
        self._check_elements("rfft", window, x.ref.width)
        return self._append("rfft", (x.ref, size, window), 2 * spectra.bins(size), x.ref.positions)

    def irfft(self, x: TracedValue, size: int, window: Tensor | None = None) -> TracedValue:
        self._check_size("irfft", size)
        self._check_width("irfft", 2 * spectra.bins(size), x)
        width = size if window is None else window.size
        if width > size:
            raise self._error("irfft", f"a window of {width} elements arrives; expected {size} at most")
        self._check_elements("irfft", window, width)
        return self._append("irfft", (x.ref, size, window), width, x.ref.positions)

    def _check_size(self, name: str, size: int) -> None:
        try:
            spectra.check_size(size)
        except GraphError as error:
            raise self._error(name, str(error)) from None

    def _reduced(self, name: str, x: TracedValue, before: int, size: int) -> TracedValue:
        self._check_positions(name, before, x)
        if size < 1 or before % size:
            raise self._error(name, f"{before} positions cannot be divided into groups of {size}")
        before *= self.parts
        return x if size == 1 else self._append(name, (x.ref, before, size), x.ref.width, before // size)

    def pair(self, name: str, a: TracedValue, b: TracedValue, *constants: float) -> TracedValue:
        """Append an operation on two values of equal width."""
        if not isinstance(b, TracedValue):
            raise self._error(
                name, f"'{a.ref.name}' meets a {type(b).__name__}; use ops.scale(x, by, plus) for numbers"
            )
        if a.ref.width != b.ref.width:
            raise self._error(
                name,
                f"'{a.ref.name}' has {a.ref.width} values and '{b.ref.name}' has {b.ref.width}; expected equal widths",
            )
        if a.ref.positions != b.ref.positions:
            raise self._error(
                name,
                f"'{a.ref.name}' has {a.ref.positions} positions and '{b.ref.name}' has "
                f"{b.ref.positions}; expected equal positions",
            )
        return self._append(name, (a.ref, b.ref, *constants), a.ref.width, a.ref.positions)

    def __getattr__(self, name: str) -> Any:
        """Refuse an unknown operation with a GraphError, as every other mistake in a cell."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise GraphError(
            f"layer '{self.layer}' calls '{name}', which is not an operation; there are {', '.join(OPERATIONS)}, + - *"
        )

    def _append(self, name: str, args: tuple[Any, ...], width: int, positions: int = 1) -> TracedValue:
        if width * positions > WIDEST:
            raise self._error(name, f"its output has {width * positions:,} elements; expected {WIDEST:,} at most")
        if any(isinstance(arg, Factored) for arg in args):
            raise self._error(name, "a Factored weight arrives, which only affine takes; expected a Tensor")
        return TracedValue(self._add(name, args, (width,), positions).outputs[0], self)

    def _add(self, name: str, args: tuple[Any, ...], widths: tuple[int, ...], positions: int) -> Op:
        op = Op(self.layer, self._outputs, name, args, widths, positions)
        self.operations.append(op)
        self._outputs += len(widths)
        return op

    def _check_width(self, name: str, width: int, x: TracedValue) -> None:
        if x.ref.width != width:
            raise self._error(name, f"it reads {width} values, but {x.ref.width} arrive from '{x.ref.name}'")

    def _check_positions(self, name: str, positions: int, x: TracedValue) -> None:
        if x.ref.positions != positions * self.parts:
            arrived = x.ref.positions / self.parts
            raise self._error(name, f"it reads {positions} positions, but '{x.ref.name}' has {arrived:g}")

    def _check_elements(self, name: str, arg: Tensor | float | None, width: int) -> None:
        if isinstance(arg, Tensor | Factored) and arg.shape != (width,):
            raise self._error(name, f"a tensor of shape {arg.shape} meets {width} values; expected ({width},)")

    def _error(self, name: str, message: str) -> GraphError:
        return GraphError(f"layer '{self.layer}', operation {self._outputs} ({name}): {message}")
