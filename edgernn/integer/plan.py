"""The integer plan of a static graph: the operations that compute with integers, and the parameters of each value.

A value v is represented by the integer q with v = (q - zero) * scale. In 8 bits the integers cover the range of the
value and 0, and zero represents 0. In 16 bits they are symmetric, and zero is 0. The rules are those of TFLite, so that
its operators can follow them:

- sigmoid and softmax have results with a scale of 1/256 from -128 (1/32768 in 16 bits), tanh of 1/128 (1/32768);
- the parts of a split have the parameters of the whole, as has what only rearranges or chooses elements;
- a state has the same parameters after a step as before it;
- where a layer steps several times, the values of one place in its step have the same parameters in every turn.

States that can grow, such as an LSTM's cell state, and the values that they are computed from have 16 bits in either
scheme (edgernn.integer.growth). `softmax` and `log` are integers when other integers or a state depend on their
results, and float when only the output does. `exp` and `sqrt` are tables of 256 entries, so they are integers where
their input has 8 bits, and float where it has 16. `divide` is float: a quotient has no range of which 8 bits show
both ends. So is `irfft`; `rfft` is integer where logarithms of its energies are, which have 32 or 64 bits
(edgernn.integer.wide). Layers without a scheme are float: a value is quantized where it leaves a float operation for an
integer one, and dequantized where it leaves an integer operation for a float one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import CalibrationError
from edgernn.integer.growth import wide as wide_states
from edgernn.integer.ties import alike, groups
from edgernn.integer.wide import SINK, of_samples, parameters, refs, samples, wide_values
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.operation import Op, Ref
from edgernn.model.range import Range
from edgernn.model.tensor import STATIC
from edgernn.model.trace import Trace

INTEGER_OPERATIONS = (
    *("affine", "add", "subtract", "multiply", "scale", "sigmoid", "tanh", "relu", "split", "concat", "lookup"),
    *("normalize", "maximum", "reshape", "gather", "sum", "largest", "hold"),
)
"""The operations that are always integer in a static layer."""

SAME_PARAMETERS = ("split", "reshape", "gather", "largest", "hold")
"""The operations whose results have the quantization parameters of their inputs."""

INNER_OPERATIONS = ("softmax", "log")
"""The operations that are integer when other integers or a state depend on their results, and float otherwise."""

TABLE_OPERATIONS = ("exp", "sqrt")
"""The operations that are integer in a static layer where their input has TABLE_BITS."""

TABLE_BITS = 8

SILENCE = 1e-30  # a range within +-SILENCE counts as 0


@dataclass(frozen=True)
class QuantizationParameters:
    """How an integer q represents a real number: (q - zero) * scale.

    Attributes:
        scale: exactly a float32.
        zero: the integer that represents 0.
        bits: of the signed integer, 8 or 16.
    """

    scale: float
    zero: int
    bits: int

    @property
    def low(self) -> int:
        """The smallest integer."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def reach(self) -> int:
        """The largest |q - zero|."""
        return max(self.high - self.zero, self.zero - self.low)

    def integers(self, x: NDArray[np.floating]) -> NDArray[np.int64]:
        """Quantize: the nearest integers, half to even in float64, saturated; NaN becomes 0."""
        q = np.nan_to_num(np.rint(np.divide(x, self.scale, dtype=np.float64)) + self.zero, nan=self.zero)
        integers: NDArray[np.int64] = np.clip(q, self.low, self.high).astype(np.int64)
        return integers

    def numbers(self, q: NDArray[np.int64]) -> NDArray[np.float32]:
        """Dequantize to float32; `integers` returns the same integers from the result."""
        x: NDArray[np.float32] = ((q - self.zero) * self.scale).astype(np.float32)
        return x


@dataclass(frozen=True)
class WideParameters(QuantizationParameters):
    """The parameters of a wide value (edgernn.integer.wide): 32 or 64 bits, none of which saturates.

    Attributes:
        most: its largest magnitude.
    """

    most: int

    @property
    def low(self) -> int:
        """The smallest integer."""
        return -self.most

    @property
    def high(self) -> int:
        """The largest integer."""
        return self.most

    @property
    def reach(self) -> int:
        """The largest magnitude."""
        return self.most


def choose_qparams(seen: Range, bits: int) -> QuantizationParameters:
    """Return the parameters that cover a range and 0; the scale is 1 for a range of 0 alone."""
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    steps, reach = ((1 << bits) - 1, high - low) if bits == 8 else ((1 << (bits - 1)) - 1, seen.size)
    scale = float(np.float32(reach / steps)) if reach > SILENCE else 1.0
    zero = int(np.clip(np.rint(-128 - low / scale), -128, 127)) if bits == 8 else 0
    return QuantizationParameters(scale, zero, bits)


FIXED_QPARAMS: Mapping[tuple[str, int], QuantizationParameters] = {
    ("sigmoid", 8): QuantizationParameters(2**-8, -128, 8),
    ("sigmoid", 16): QuantizationParameters(2**-15, 0, 16),
    ("tanh", 8): QuantizationParameters(2**-7, 0, 8),
    ("tanh", 16): QuantizationParameters(2**-15, 0, 16),
    ("softmax", 8): QuantizationParameters(2**-8, -128, 8),
    ("softmax", 16): QuantizationParameters(2**-15, 0, 16),
}
"""(operation, bits of its result) -> the parameters of its result, for any range."""


@dataclass(frozen=True)
class IntegerPlan:
    """A trace, and the values in it that are integers.

    Attributes:
        trace: the operations of a step.
        integer_values: the outputs of integer operations, by name.
        quantization: the parameters of every value that an integer operation reads or computes, except the index of a
            lookup.
        states: the states that are carried as integers -> their parameters.
    """

    trace: Trace
    integer_values: frozenset[str]
    quantization: Mapping[str, QuantizationParameters]
    states: Mapping[str, QuantizationParameters]

    @cached_property
    def narrow(self) -> "IntegerPlan":
        """The plan in which wide values are float, for interpreters without such integers."""
        wide = {name for name, qparams in self.quantization.items() if isinstance(qparams, WideParameters)}
        quantization = {name: qparams for name, qparams in self.quantization.items() if name not in wide}
        return replace(self, integer_values=self.integer_values - wide, quantization=quantization)

    def is_wide(self, op: Op) -> bool:
        """Return whether an operation reads or computes wide values."""
        return any(isinstance(self.quantization.get(ref.name), WideParameters) for ref in refs(op))

    def is_integer(self, op: Op) -> bool:
        """Return whether an operation computes with integers."""
        return op.outputs[0].name in self.integer_values

    def moves(self, op: Op) -> bool:
        """Return whether an integer operation only moves its integers, without rounding."""
        equal = len({self.quantization.get(ref.name) for ref in (*op.inputs, *op.outputs)}) == 1
        return self.is_integer(op) and (op.name in {*SAME_PARAMETERS, "lookup"} or (op.name == "concat" and equal))

    @property
    def io_quantization(self) -> Mapping[str, QuantizationParameters]:
        """The parameters of the inputs, outputs and states that are integers in an artifact: `x`, `y`, state names.

        `x` is an integer when only integer operations and integer states read it. `y` is an integer when an integer
        operation computes it.
        """
        x, y = self.trace.x, self.trace.y
        readers = [self.is_integer(op) for op in self.trace.operations if x in op.inputs]
        readers += [state.name in self.states for state in self.trace.states if state.after == x]
        inputs = {INPUT: self.quantization[x.name]} if x.name in self.quantization and x != y and all(readers) else {}
        outputs = {OUTPUT: self.quantization[y.name]} if y.name in self.integer_values else {}
        return inputs | outputs | dict(self.states)


def saturate(q: NDArray[np.int64], to: QuantizationParameters) -> NDArray[np.int64]:
    """Add the zero of quantization parameters to integers, and saturate at their ends."""
    return np.clip(q + to.zero, to.low, to.high)


def integer_plan(graph: Graph) -> IntegerPlan:
    """Return the integer plan of a graph; it has no integers when no layer is in a static scheme.

    Raises:
        CalibrationError: a value that needs a range has none.
    """
    wide_tables: set[Op] = set()
    while True:  # a table that becomes float may leave fewer values with 16 bits, never more
        plan = _plan(graph, wide_tables)
        more = {op for op in plan.trace.operations if plan.is_integer(op) and op.name in TABLE_OPERATIONS}
        more = {op for op in more if plan.quantization[op.inputs[0].name].bits > TABLE_BITS}
        if not more:
            return plan
        wide_tables |= more


def _plan(graph: Graph, floats: Collection[Op]) -> IntegerPlan:
    """Return the integer plan in which these operations are float."""
    steps = graph.trace
    bits_of = {layer.name: STATIC.get(layer.scheme, 0) for layer in graph.layers}
    operations = _integer_operations(steps, {name for name, bits in bits_of.items() if bits}, floats)
    static = {name for name, each in bits_of.items() if each}
    wide = wide_values(steps, static, {op for op in operations if op.name == SINK})
    firsts = {op.outputs[0].name for op in operations} | wide.keys()
    operations = [op for op in steps.operations if not firsts.isdisjoint(ref.name for ref in op.outputs)]
    everything, operations = operations, [op for op in operations if not wide.keys() & {r.name for r in op.outputs}]
    integer_values = {ref.name for op in everything for ref in op.outputs}
    bits = {ref.name: bits_of[op.layer] for op in operations for ref in op.outputs}
    sources = samples(steps.operations, wide)
    for op in operations:
        for ref in _quantized_inputs(op):
            if ref.name not in integer_values:
                bits[ref.name] = max(bits.get(ref.name, 0), bits_of[op.layer])
    states = [state for state in steps.states if state.before.name in bits or state.after.name in integer_values]
    for name in (wide_states(operations, states, graph.ranges) & bits.keys()) | sources:
        bits[name] = 16
    quantization: dict[str, QuantizationParameters] = {}
    turns = alike(graph, integer_values - wide.keys())
    for group in groups(operations, states, (*turns, *([sources] if sources else [])), SAME_PARAMETERS):
        known = group & (bits.keys() | graph.ranges.keys())
        qparams = _group_qparams(known, bits, operations, graph)
        quantization |= dict.fromkeys(group, of_samples(qparams) if group & sources else qparams)
    for name in bits.keys() - quantization.keys():
        quantization[name] = _group_qparams({name}, bits, operations, graph)
    for op in everything:
        if op.outputs[0].name in wide:
            each = parameters(op, quantization)
            quantization |= {ref.name: WideParameters(each.scale, 0, each.bits, each.most) for ref in op.outputs}
    return IntegerPlan(
        steps,
        frozenset(integer_values),
        quantization,
        {state.name: quantization[state.before.name] for state in states},
    )


def _integer_operations(steps: Trace, layers: set[str], floats: Collection[Op]) -> Sequence[Op]:
    """Return the integer operations of the layers in a static scheme, in order, without those that are float."""
    needed = {state.after for state in steps.states}  # by integers, by states, or by float operations before these
    operations: list[Op] = []
    for op in reversed(steps.operations):
        is_needed = not needed.isdisjoint(op.outputs)
        integer = op.layer in layers and (_always_integer(op) or (is_needed and op.name in INNER_OPERATIONS))
        integer = integer and op not in floats
        if integer:
            operations.append(op)
        if integer or is_needed:
            needed |= set(op.inputs)
    return operations[::-1]


def _always_integer(op: Op) -> bool:
    return op.name in (*INTEGER_OPERATIONS, *TABLE_OPERATIONS) and (op.name != "affine" or op.args[0].scheme in STATIC)


def _quantized_inputs(op: Op) -> tuple[Ref, ...]:
    """Return the inputs of an operation, except the index of a lookup, which is not quantized."""
    return () if op.name == "lookup" else op.inputs


def _group_qparams(
    names: set[str], bits: Mapping[str, int], operations: Iterable[Op], graph: Graph
) -> QuantizationParameters:
    """Return the parameters of a group of values."""
    widest = max(bits[name] for name in names if name in bits)
    for op in operations:
        if (op.name, widest) in FIXED_QPARAMS and op.outputs[0].name in names:
            return FIXED_QPARAMS[op.name, widest]
    for name in sorted(names & bits.keys()):
        if name not in graph.ranges:
            where = "the graph's input" if name == INPUT else f"layer '{name.replace('/', '.').split('.')[0]}'"
            raise CalibrationError(
                f"value '{name}' of {where} has no range, which its integers need: calibrate(graph, sequences), "
                "or --calibrate FILE of `edgernn export` and `edgernn compress`, learns the ranges of all values from "
                "real frames"
            )
    return choose_qparams(reduce(or_, (graph.ranges[name] for name in names if name in graph.ranges)), widest)
