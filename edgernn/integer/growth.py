"""Which states can grow: one that adds to itself needs more than 8 bits, one that only moves within bounds does not.

A GRU's `h = n + z * (h - n)` lies between n and the h before, and never leaves the bounds of tanh. An LSTM's
`c = f * c + i * g` may grow by 1 at every step. Both are said in words of degree one in each value, and such a formula
is largest and smallest at the corners of what its values may be: so trying all corners proves which of the two it is.
A state that is multiplied with a number, as in a running mean, counts as one that can grow: the number may be so close
to 1 that a step moves it by less than 8 bits can say.
"""

from collections.abc import Collection, Mapping
from functools import reduce
from itertools import product
from operator import or_
from types import SimpleNamespace

import numpy as np

from edgernn.model.range import Range
from edgernn.model.record import Ref, Word
from edgernn.model.trace import State, replay

PLAIN = ("add", "subtract", "multiply", "scale", "split", "concat")
"""The words of degree one in each value that they read."""

BOUNDS: Mapping[str, Range] = {"sigmoid": Range(0, 1), "tanh": Range(-1, 1), "softmax": Range(0, 1)}
"""Words whose results have bounds -> these bounds."""

ENDS = (*BOUNDS, "normalize")
"""What ends growth: no result of `normalize` grows with what it reads. Words that stay float end it too."""

CORNERS = 10  # values whose corners are tried: 2 ** 10 vectors

_WORDS = SimpleNamespace(
    add=np.add,
    subtract=np.subtract,
    multiply=np.multiply,
    scale=lambda x, by, plus=0.0: x * getattr(by, "stored", by) + getattr(plus, "stored", plus),
    split=lambda x, sizes: np.split(x, np.cumsum(sizes)[:-1], axis=-1),
    concat=lambda *xs: np.concatenate(xs, axis=-1),
)


def wide(words: Collection[Word], states: Collection[State], ranges: Mapping[str, Range]) -> set[str]:
    """The values that must not be 8 bits: states that can grow, and what each is made of since the last nonlinearity.

    Args:
        words: those that compute with integers, in order.
        states: those that are carried as integers.
        ranges: what values reach; one that has none is taken to be within 1.
    """
    found: set[str] = set()
    for state in states:
        if state.before != state.after and _grows(words, state, ranges):
            plain = _behind(words, state.after, PLAIN)
            found |= {ref.name for word in plain for ref in (*word.made, *word.reads)}
            found |= {state.before.name, state.after.name}
    return found


def _behind(words: Collection[Word], value: Ref, names: Collection[str]) -> tuple[Word, ...]:
    """The words of these names that make a value, in order, with nothing else between them and the value."""
    wanted, found = {value}, []
    for word in reversed(tuple(words)):
        if word.name in names and wanted & set(word.made):
            found.append(word)
            wanted |= set(word.reads)
    return tuple(reversed(found))


def _grows(words: Collection[Word], state: State, ranges: Mapping[str, Range]) -> bool:
    """Whether a state is made of itself with nothing that bounds it between, and may leave its bounds by that."""
    again, path = {state.before}, []
    for word in words:
        if word.name not in ENDS and again & set(word.reads):
            again |= set(word.made)
            path.append(word)
    if state.after not in again:
        return False
    path = list(_behind(path, state.after, [word.name for word in path]))
    gated = all(word.name in PLAIN and word.name != "scale" for word in path)
    return not (gated and _of_degree_one(path) and _holds(path, words, state, ranges))


def _holds(path: Collection[Word], words: Collection[Word], state: State, ranges: Mapping[str, Range]) -> bool:
    """Whether the state stays within the bounds of the values that it is made of, whatever these are."""
    makers = {ref: word.name for word in words for ref in word.made}
    made = {ref for word in path for ref in word.made}
    leaves = tuple(dict.fromkeys(ref for word in path for ref in word.reads if ref not in made))
    if len(leaves) > CORNERS:
        return False
    seen = [BOUNDS.get(makers.get(leaf, ""), ranges.get(leaf.name, Range(-1, 1))) for leaf in leaves]
    hull = reduce(or_, seen)
    bounds = [hull if leaf == state.before else bound for leaf, bound in zip(leaves, seen, strict=True)]
    corners = np.array(list(product(*((bound.low, bound.high) for bound in bounds))))
    values = {
        leaf.name: np.broadcast_to(corners[:, i : i + 1], (len(corners), leaf.width)) for i, leaf in enumerate(leaves)
    }
    after = replay(path, _WORDS, values)[state.after.name]
    slack = 1e-6 * hull.size
    return bool(after.min() >= hull.low - slack and after.max() <= hull.high + slack)


def _of_degree_one(path: Collection[Word]) -> bool:
    """Whether no product has the same value on both sides."""
    made_of: dict[Ref, frozenset[Ref]] = {}
    for word in path:
        sides = [made_of.get(ref, frozenset({ref})) for ref in word.args if isinstance(ref, Ref)]
        if word.name == "multiply" and sides[0] & sides[1]:
            return False
        made_of |= dict.fromkeys(word.made, frozenset[Ref]().union(*sides))
    return True
