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
from edgernn.model.record import Ref, Word
from edgernn.model.tensor import STATIC
from edgernn.model.trace import State, Trace, trace

INTEGER = (
    *("affine", "add", "subtract", "multiply", "scale", "sigmoid", "tanh", "relu", "split", "concat", "lookup"),
    "normalize",
)
"""The words that always have an integer form in a static layer."""

WITHIN = ("softmax", "log")
"""Those that have one where an integer or a state is made of their results; an answer of theirs is float."""

SILENCE = 1e-30  # a range within it is one of 0 alone


@dataclass(frozen=True)
class Grid:
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


def grid(seen: Range, bits: int) -> Grid:
    """The grid of so many bits that holds a range and 0; a range of 0 alone has steps of 1."""
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    steps, reach = ((1 << bits) - 1, high - low) if bits == 8 else ((1 << (bits - 1)) - 1, seen.size)
    scale = float(np.float32(reach / steps)) if reach > SILENCE else 1.0
    zero = int(np.clip(np.rint(-128 - low / scale), -128, 127)) if bits == 8 else 0
    return Grid(scale, zero, bits)


FIXED: Mapping[tuple[str, int], Grid] = {
    ("sigmoid", 8): Grid(2**-8, -128, 8),
    ("sigmoid", 16): Grid(2**-15, 0, 16),
    ("tanh", 8): Grid(2**-7, 0, 8),
    ("tanh", 16): Grid(2**-15, 0, 16),
    ("softmax", 8): Grid(2**-8, -128, 8),
    ("softmax", 16): Grid(2**-15, 0, 16),
}
"""The word and the bits of what it makes -> its grid, whatever the range."""


@dataclass(frozen=True)
class Static:
    """A trace with the integers in it.

    Attributes:
        trace: the words.
        whole: the names of values made by words that compute with integers.
        grids: the grid of every value that such a word makes or reads, but the index of a lookup.
        states: the states that are carried as integers, by name, with their grid.
    """

    trace: Trace
    whole: frozenset[str]
    grids: Mapping[str, Grid]
    states: Mapping[str, Grid]

    def integer(self, word: Word) -> bool:
        """Whether a word computes with integers."""
        return word.made[0].name in self.whole

    def moves(self, word: Word) -> bool:
        """Whether a word computes with integers and only moves them, so that it cannot round."""
        one_grid = len({self.grids.get(ref.name) for ref in (*word.reads, *word.made)}) == 1
        return self.integer(word) and (word.name in {"split", "lookup"} or (word.name == "concat" and one_grid))

    @property
    def door(self) -> Mapping[str, Grid]:
        """The grids of what an artifact itself reads, carries and answers as integers: `x`, `y` and states, by name.

        `x` is among them when only words that compute with integers and such states read it, and `y` when such a word
        makes it.
        """
        x, y = self.trace.x, self.trace.y
        readers = [self.integer(word) for word in self.trace.words if x in word.reads]
        kept = [state.name in self.states for state in self.trace.states if state.after == x]
        found = {INPUT: self.grids[x.name]} if x.name in self.grids and x != y and all(readers + kept) else {}
        return found | ({OUTPUT: self.grids[y.name]} if y.name in self.whole else {}) | dict(self.states)


def saturate(q: NDArray[np.int64], to: Grid) -> NDArray[np.int64]:
    """Integers counted from the zero of a grid as integers on it, those beyond its ends at its ends."""
    return np.clip(q + to.zero, to.low, to.high)


def static(graph: Graph) -> Static:
    """The plan of a graph; without layers in a static scheme there is nothing in it.

    Raises:
        CalibrationError: a value that needs a range has none.
    """
    steps = trace(graph)
    bits_of = {layer.name: STATIC.get(layer.scheme, 0) for layer in graph.layers}
    words = _computed(steps, {name for name, bits in bits_of.items() if bits})
    whole = {ref.name for word in words for ref in word.made}
    bits = {ref.name: bits_of[word.layer] for word in words for ref in word.made}
    for word in words:
        for ref in _numbers(word):
            bits[ref.name] = bits[ref.name] if ref.name in whole else max(bits.get(ref.name, 0), bits_of[word.layer])
    states = [state for state in steps.states if state.before.name in bits or state.after.name in whole]
    for name in wide(words, states, graph.ranges) & bits.keys():
        bits[name] = 16
    grids: dict[str, Grid] = {}
    for kin in _kin(words, states):
        grids |= dict.fromkeys(kin, _shared(kin & (bits.keys() | graph.ranges.keys()), bits, words, graph))
    for name in bits.keys() - grids.keys():
        grids[name] = _shared({name}, bits, words, graph)
    return Static(steps, frozenset(whole), grids, {state.name: grids[state.before.name] for state in states})


def _computed(steps: Trace, layers: set[str]) -> Sequence[Word]:
    """The words of these layers that compute with integers, in order."""
    needed = {state.after for state in steps.states}  # by integers, by states, or by float words before these
    found: list[Word] = []
    for word in reversed(steps.words):
        goes_on = not needed.isdisjoint(word.made)
        integer = word.layer in layers and (_is_integer(word) or (goes_on and word.name in WITHIN))
        if integer:
            found.append(word)
        if integer or goes_on:
            needed |= set(word.reads)
    return found[::-1]


def _is_integer(word: Word) -> bool:
    return word.name in INTEGER and (word.name != "affine" or word.args[0].scheme in STATIC)


def _numbers(word: Word) -> tuple[Ref, ...]:
    """What a word reads, but the index of a lookup, which is an integer anyway."""
    return () if word.name == "lookup" else word.reads


def _kin(words: Iterable[Word], states: Iterable[State]) -> list[set[str]]:
    """Groups of values that share one grid: a split's, and a state's before and after the step."""
    ties = [{word.reads[0].name, *(ref.name for ref in word.made)} for word in words if word.name == "split"]
    groups: list[set[str]] = []
    for tie in (*ties, *({state.before.name, state.after.name} for state in states)):
        met = [group for group in groups if group & tie]
        groups = [group for group in groups if not group & tie] + [tie.union(*met)]
    return groups


def _shared(names: set[str], bits: Mapping[str, int], words: Iterable[Word], graph: Graph) -> Grid:
    """The one grid of these values."""
    widest = max(bits[name] for name in names if name in bits)
    for word in words:
        if (word.name, widest) in FIXED and word.made[0].name in names:
            return FIXED[word.name, widest]
    for name in sorted(names & bits.keys()):
        if name not in graph.ranges:
            where = "the graph's input" if name == INPUT else f"layer '{name.replace('/', '.').split('.')[0]}'"
            raise CalibrationError(
                f"value '{name}' of {where} has no range, and its integers need one: calibrate(graph, sequences), "
                "or `edgernn compress --calibrate FILE`, learns the ranges of all values from real frames"
            )
    return grid(reduce(or_, (graph.ranges[name] for name in names if name in graph.ranges)), widest)
