"""Which states can grow: one that adds to itself needs more than 8 bits, one that only moves within bounds does not.

A GRU's `h = n + z * (h - n)` lies between n and the h before, and never leaves the bounds of tanh. An LSTM's
`c = f * c + i * g` may grow by 1 at every step. Both are said in words of degree one in each value, and such a formula
is largest and smallest at the corners of what its values may be: so trying all corners proves which of the two it is.
A state that is multiplied with a number, as in a running mean, counts as one that can grow: the number may be so close
to 1 that a step moves it by less than 8 bits can say.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from itertools import product
from operator import or_

import numpy as np

from edgernn.array import Array
from edgernn.model.range import Range
from edgernn.model.record import Op, Ref
from edgernn.model.replay import MethodInterpreter, replay
from edgernn.model.tensor import Tensor
from edgernn.model.trace import State

PLAIN = ("add", "subtract", "multiply", "scale", "split", "concat")
"""The words of degree one in each value that they read."""

BOUNDS: Mapping[str, Range] = {"sigmoid": Range(0, 1), "tanh": Range(-1, 1), "softmax": Range(0, 1)}
"""Words whose results have bounds -> these bounds."""

ENDS = (*BOUNDS, "normalize")
"""What ends growth: no result of `normalize` grows with what it reads. Words that stay float end it too."""

CORNERS = 10  # values whose corners are tried: 2 ** 10 vectors


class _PlainOps(MethodInterpreter):
    """The operations in PLAIN, on arrays (corners, width)."""

    def add(self, a: Array, b: Array) -> Array:
        return np.add(a, b)

    def subtract(self, a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    def multiply(self, a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    def scale(self, x: Array, by: Tensor | float, plus: Tensor | float = 0.0) -> Array:
        factor, offset = (part.stored if isinstance(part, Tensor) else part for part in (by, plus))
        return np.add(np.multiply(x, factor), offset)

    def split(self, x: Array, sizes: Sequence[int]) -> list[Array]:
        return np.split(x, np.cumsum(sizes)[:-1], axis=-1)

    def concat(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=-1)


def wide(operations: Collection[Op], states: Collection[State], ranges: Mapping[str, Range]) -> set[str]:
    """The values that must not be 8 bits: states that can grow, and what each is made of since the last nonlinearity.

    Args:
        words: those that compute with integers, in order.
        states: those that are carried as integers.
        ranges: what values reach; one that has none is taken to be within 1.
    """
    found: set[str] = set()
    for state in states:
        if state.before != state.after and _grows(operations, state, ranges):
            plain = _behind(operations, state.after, PLAIN)
            found |= {ref.name for op in plain for ref in (*op.outputs, *op.inputs)}
            found |= {state.before.name, state.after.name}
    return found


def _behind(operations: Collection[Op], value: Ref, names: Collection[str]) -> tuple[Op, ...]:
    """The words of these names that make a value, in order, with nothing else between them and the value."""
    wanted, found = {value}, []
    for op in reversed(tuple(operations)):
        if op.name in names and wanted & set(op.outputs):
            found.append(op)
            wanted |= set(op.inputs)
    return tuple(reversed(found))


def _grows(operations: Collection[Op], state: State, ranges: Mapping[str, Range]) -> bool:
    """Whether a state is made of itself with nothing that bounds it between, and may leave its bounds by that."""
    again, path = {state.before}, []
    for op in operations:
        if op.name not in ENDS and again & set(op.inputs):
            again |= set(op.outputs)
            path.append(op)
    if state.after not in again:
        return False
    path = list(_behind(path, state.after, [op.name for op in path]))
    gated = all(op.name in PLAIN and op.name != "scale" for op in path)
    return not (gated and _of_degree_one(path) and _holds(path, operations, state, ranges))


def _holds(path: Collection[Op], operations: Collection[Op], state: State, ranges: Mapping[str, Range]) -> bool:
    """Whether the state stays within the bounds of the values that it is made of, whatever these are."""
    makers = {ref: op.name for op in operations for ref in op.outputs}
    made = {ref for op in path for ref in op.outputs}
    leaves = tuple(dict.fromkeys(ref for op in path for ref in op.inputs if ref not in made))
    if len(leaves) > CORNERS:
        return False
    seen = [BOUNDS.get(makers.get(leaf, ""), ranges.get(leaf.name, Range(-1, 1))) for leaf in leaves]
    hull = reduce(or_, seen)
    bounds = [hull if leaf == state.before else bound for leaf, bound in zip(leaves, seen, strict=True)]
    corners = np.array(list(product(*((bound.low, bound.high) for bound in bounds))))
    values = {
        leaf.name: np.broadcast_to(corners[:, i : i + 1], (len(corners), leaf.width)) for i, leaf in enumerate(leaves)
    }
    after = replay(path, _PlainOps(), values)[state.after.name]
    slack = 1e-6 * hull.size
    return bool(after.min() >= hull.low - slack and after.max() <= hull.high + slack)


def _of_degree_one(path: Collection[Op]) -> bool:
    """Whether no product has the same value on both sides."""
    made_of: dict[Ref, frozenset[Ref]] = {}
    for op in path:
        sides = [made_of.get(ref, frozenset({ref})) for ref in op.args if isinstance(ref, Ref)]
        if op.name == "multiply" and sides[0] & sides[1]:
            return False
        made_of |= dict.fromkeys(op.outputs, frozenset[Ref]().union(*sides))
    return True
