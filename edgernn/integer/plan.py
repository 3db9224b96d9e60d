"""The plan of a static graph: which words compute with integers, and on which grid each of their values lies.

A value v is kept as the integer q with v = (q - zero) * scale. In 8 bits the grid covers the value's range and 0, and
zero is where 0 falls; in 16 bits it is symmetric, zero is 0. The rules are those of TFLite, so that its operators can
follow: sigmoid and softmax write steps of 1/256 from -128 (1/32768 in 16 bits), tanh steps of 1/128 (1/32768); the
parts of a split lie on the grid of the whole; a state leaves with the grid it enters with. States that can grow, such
as an LSTM's cell state, and the values they are made of are 16 bits in either scheme (edgernn.integer.growth says which
they are). `softmax` and `log` are integers where their results go on into other integers or into a state, and stay
float where only the answer is made of them. Layers without a scheme stay float: values are rounded where they come from
such a word, and made float again where they go into one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import CalibrationError
from edgernn.integer.growth import wide
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.range import Range
from edgernn.model.record import Op, Ref
from edgernn.model.tensor import STATIC
from edgernn.model.trace import State, Trace

INTEGER = (
    *("affine", "add", "subtract", "multiply", "scale", "sigmoid", "tanh", "relu", "split", "concat", "lookup"),
    "normalize",
)
"""The words that always have an integer form in a static layer."""

WITHIN = ("softmax", "log")
"""Those that have one where an integer or a state is made of their results; an answer of theirs is float."""

SILENCE = 1e-30  # a range within it is one of 0 alone


@dataclass(frozen=True)
class QuantizationParameters:
    """The integers of a value: it is (q - zero) * scale, and q has so many bits, signed."""

    scale: float  # exactly a float32
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
        """The nearest integers, half to even in float64; what is beyond the grid becomes its end, NaN becomes 0."""
        q = np.nan_to_num(np.rint(np.asarray(x, np.float64) / self.scale) + self.zero, nan=self.zero)
        whole: NDArray[np.int64] = np.clip(q, self.low, self.high).astype(np.int64)
        return whole

    def numbers(self, q: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the integers stand for, in float32; `integers` gives these very integers again."""
        x: NDArray[np.float32] = ((q - self.zero) * self.scale).astype(np.float32)
        return x


def grid(seen: Range, bits: int) -> QuantizationParameters:
    """The grid of so many bits that holds a range and 0; a range of 0 alone has steps of 1."""
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    steps, reach = ((1 << bits) - 1, high - low) if bits == 8 else ((1 << (bits - 1)) - 1, seen.size)
    scale = float(np.float32(reach / steps)) if reach > SILENCE else 1.0
    zero = int(np.clip(np.rint(-128 - low / scale), -128, 127)) if bits == 8 else 0
    return QuantizationParameters(scale, zero, bits)


FIXED: Mapping[tuple[str, int], QuantizationParameters] = {
    ("sigmoid", 8): QuantizationParameters(2**-8, -128, 8),
    ("sigmoid", 16): QuantizationParameters(2**-15, 0, 16),
    ("tanh", 8): QuantizationParameters(2**-7, 0, 8),
    ("tanh", 16): QuantizationParameters(2**-15, 0, 16),
    ("softmax", 8): QuantizationParameters(2**-8, -128, 8),
    ("softmax", 16): QuantizationParameters(2**-15, 0, 16),
}
"""The word and the bits of what it makes -> its grid, whatever the range."""


@dataclass(frozen=True)
class IntegerPlan:
    """A trace with the integers in it.

    Attributes:
        trace: the words.
        whole: the names of values made by words that compute with integers.
        grids: the grid of every value that such a word makes or reads, but the index of a lookup.
        states: the states that are carried as integers, by name, with their grid.
    """

    trace: Trace
    whole: frozenset[str]
    quantization: Mapping[str, QuantizationParameters]
    states: Mapping[str, QuantizationParameters]

    def integer(self, op: Op) -> bool:
        """Whether a word computes with integers."""
        return op.outputs[0].name in self.whole

    def moves(self, op: Op) -> bool:
        """Whether a word computes with integers and only moves them, so that it cannot round."""
        one_grid = len({self.quantization.get(ref.name) for ref in (*op.inputs, *op.outputs)}) == 1
        return self.integer(op) and (op.name in {"split", "lookup"} or (op.name == "concat" and one_grid))

    @property
    def float_io(self) -> Mapping[str, QuantizationParameters]:
        """The grids of what an artifact itself reads, carries and answers as integers: `x`, `y` and states, by name.

        `x` is among them when only words that compute with integers and such states read it, and `y` when such a word
        makes it.
        """
        x, y = self.trace.x, self.trace.y
        readers = [self.integer(op) for op in self.trace.operations if x in op.inputs]
        kept = [state.name in self.states for state in self.trace.states if state.after == x]
        found = (
            {INPUT: self.quantization[x.name]} if x.name in self.quantization and x != y and all(readers + kept) else {}
        )
        return found | ({OUTPUT: self.quantization[y.name]} if y.name in self.whole else {}) | dict(self.states)


def saturate(q: NDArray[np.int64], to: QuantizationParameters) -> NDArray[np.int64]:
    """Integers counted from the zero of a grid as integers on it, those beyond its ends at its ends."""
    return np.clip(q + to.zero, to.low, to.high)


def static(graph: Graph) -> IntegerPlan:
    """The plan of a graph; without layers in a static scheme there is nothing in it.

    Raises:
        CalibrationError: a value that needs a range has none.
    """
    steps = graph.trace
    bits_of = {layer.name: STATIC.get(layer.scheme, 0) for layer in graph.layers}
    operations = _computed(steps, {name for name, bits in bits_of.items() if bits})
    whole = {ref.name for op in operations for ref in op.outputs}
    bits = {ref.name: bits_of[op.layer] for op in operations for ref in op.outputs}
    for op in operations:
        for ref in _numbers(op):
            bits[ref.name] = bits[ref.name] if ref.name in whole else max(bits.get(ref.name, 0), bits_of[op.layer])
    states = [state for state in steps.states if state.before.name in bits or state.after.name in whole]
    for name in wide(operations, states, graph.ranges) & bits.keys():
        bits[name] = 16
    quantization: dict[str, QuantizationParameters] = {}
    for kin in _kin(operations, states):
        quantization |= dict.fromkeys(kin, _shared(kin & (bits.keys() | graph.ranges.keys()), bits, operations, graph))
    for name in bits.keys() - quantization.keys():
        quantization[name] = _shared({name}, bits, operations, graph)
    return IntegerPlan(
        steps, frozenset(whole), quantization, {state.name: quantization[state.before.name] for state in states}
    )


def _computed(steps: Trace, layers: set[str]) -> Sequence[Op]:
    """The words of these layers that compute with integers, in order."""
    needed = {state.after for state in steps.states}  # by integers, by states, or by float words before these
    found: list[Op] = []
    for op in reversed(steps.operations):
        goes_on = not needed.isdisjoint(op.outputs)
        integer = op.layer in layers and (_is_integer(op) or (goes_on and op.name in WITHIN))
        if integer:
            found.append(op)
        if integer or goes_on:
            needed |= set(op.inputs)
    return found[::-1]


def _is_integer(op: Op) -> bool:
    return op.name in INTEGER and (op.name != "affine" or op.args[0].scheme in STATIC)


def _numbers(op: Op) -> tuple[Ref, ...]:
    """What a word reads, but the index of a lookup, which is an integer anyway."""
    return () if op.name == "lookup" else op.inputs


def _kin(operations: Iterable[Op], states: Iterable[State]) -> list[set[str]]:
    """Groups of values that share one grid: a split's, and a state's before and after the step."""
    ties = [{op.inputs[0].name, *(ref.name for ref in op.outputs)} for op in operations if op.name == "split"]
    groups: list[set[str]] = []
    for tie in (*ties, *({state.before.name, state.after.name} for state in states)):
        met = [group for group in groups if group & tie]
        groups = [group for group in groups if not group & tie] + [tie.union(*met)]
    return groups


def _shared(names: set[str], bits: Mapping[str, int], operations: Iterable[Op], graph: Graph) -> QuantizationParameters:
    """The one grid of these values."""
    widest = max(bits[name] for name in names if name in bits)
    for op in operations:
        if (op.name, widest) in FIXED and op.outputs[0].name in names:
            return FIXED[op.name, widest]
    for name in sorted(names & bits.keys()):
        if name not in graph.ranges:
            where = "the graph's input" if name == INPUT else f"layer '{name.replace('/', '.').split('.')[0]}'"
            raise CalibrationError(
                f"value '{name}' of {where} has no range, and its integers need one: calibrate(graph, sequences), "
                "or `edgernn compress --calibrate FILE`, learns the ranges of all values from real frames"
            )
    return grid(reduce(or_, (graph.ranges[name] for name in names if name in graph.ranges)), widest)
