"""Growth analysis: a state that can grow needs more than 8 bits, one that stays within bounds does not.

A GRU's `h = n + z * (h - n)` lies between n and the previous h, so it never leaves the bounds of tanh. An LSTM's
`c = f * c + i * g` may grow by 1 at every step. Both are formulas of degree one in each value, which take their
extremes at the corners of the box that their values span. So evaluating all corners proves whether a state stays within
bounds. A state that is multiplied by a number, as in a running mean, counts as one that can grow: the number may be so
close to 1 that 8 bits cannot represent the change in one step.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from itertools import product
from operator import or_

import numpy as np

from edgernn.array import Array
from edgernn.model.operation import Op, Ref
from edgernn.model.positions import gathered, reshaped
from edgernn.model.range import Range
from edgernn.model.replay import MethodInterpreter, replay
from edgernn.model.tensor import Tensor
from edgernn.model.trace import State

PLAIN = ("add", "subtract", "multiply", "scale", "split", "concat", "reshape", "gather")
"""The operations of degree one in each of their inputs."""

BOUNDS: Mapping[str, Range] = {"sigmoid": Range(0, 1), "tanh": Range(-1, 1), "softmax": Range(0, 1)}
"""The operations with bounded results -> the bounds."""

ENDS = (*BOUNDS, "normalize")
"""The operations that end growth: their results do not grow with their inputs. Float operations end it too."""

CORNERS = 10  # the largest number of values whose corners are evaluated: 2 ** 10 vectors


class _PlainOps(MethodInterpreter):
    """The operations in PLAIN, on arrays (corners, width) or (corners, positions, width)."""

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

    def reshape(self, x: Array, before: int, after: int) -> Array:
        y: Array = reshaped(x, before, after)
        return y

    def gather(self, x: Array, before: int, index: Sequence[int]) -> Array:
        return gathered(x, before, index)


def wide(operations: Collection[Op], states: Collection[State], ranges: Mapping[str, Range]) -> set[str]:
    """Return the values that need 16 bits: states that can grow, and the values between one and the last nonlinearity.

    Args:
        operations: the integer operations, in order.
        states: the states that are carried as integers.
        ranges: the range of each value, by name; a value without one is assumed to lie between -1 and 1.
    """
    names: set[str] = set()
    for state in states:
        if state.before != state.after and _grows(operations, state, ranges):
            plain = _behind(operations, state.after, PLAIN)
            names |= {ref.name for op in plain for ref in (*op.outputs, *op.inputs)}
            names |= {state.before.name, state.after.name}
    return names


def _behind(operations: Collection[Op], value: Ref, names: Collection[str]) -> tuple[Op, ...]:
    """Return the operations that compute a value through operations of these names alone, in order."""
    needed, path = {value}, []
    for op in reversed(tuple(operations)):
        if op.name in names and needed & set(op.outputs):
            path.append(op)
            needed |= set(op.inputs)
    return tuple(reversed(path))


def _grows(operations: Collection[Op], state: State, ranges: Mapping[str, Range]) -> bool:
    """Return whether a state depends on itself through unbounded operations, and may leave its bounds."""
    dependent, path = {state.before}, []
    for op in operations:
        sources = op.inputs[:1] if op.name == "hold" else op.inputs  # what is held was its first input once
        if op.name not in ENDS and dependent & set(sources):
            dependent |= set(op.outputs)
            path.append(op)
    if state.after not in dependent:
        return False
    path = list(_behind(path, state.after, [op.name for op in path]))
    gated = all(op.name in PLAIN and op.name != "scale" for op in path)
    return not (gated and _of_degree_one(path) and _is_bounded(path, operations, state, ranges))


def _is_bounded(path: Collection[Op], operations: Collection[Op], state: State, ranges: Mapping[str, Range]) -> bool:
    """Return whether the state stays within the hull of the bounds of the values that it is computed from."""
    sources = {ref: op.name for op in operations for ref in op.outputs}
    inner = {ref for op in path for ref in op.outputs}
    leaves = tuple(dict.fromkeys(ref for op in path for ref in op.inputs if ref not in inner))
    if len(leaves) > CORNERS:
        return False
    known = [BOUNDS.get(sources.get(leaf, ""), ranges.get(leaf.name, Range(-1, 1))) for leaf in leaves]
    hull = reduce(or_, known)
    bounds = [hull if leaf == state.before else bound for leaf, bound in zip(leaves, known, strict=True)]
    corners = np.array(list(product(*((bound.low, bound.high) for bound in bounds))))
    values = {
        leaf.name: reshaped(np.repeat(corners[:, i : i + 1], leaf.size, axis=1), 1, leaf.positions)
        for i, leaf in enumerate(leaves)
    }
    after = replay(path, _PlainOps(), values)[state.after.name]
    slack = 1e-6 * hull.size
    return bool(after.min() >= hull.low - slack and after.max() <= hull.high + slack)


def _of_degree_one(path: Collection[Op]) -> bool:
    """Return whether no value contributes to both factors of a product."""
    sources: dict[Ref, frozenset[Ref]] = {}
    for op in path:
        sides = [sources.get(ref, frozenset({ref})) for ref in op.args if isinstance(ref, Ref)]
        if op.name == "multiply" and sides[0] & sides[1]:
            return False
        sources |= dict.fromkeys(op.outputs, frozenset[Ref]().union(*sides))
    return True
