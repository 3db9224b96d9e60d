"""The door of integers: float outside, and inside an artifact that reads, carries and answers integers on grids.

A number becomes the nearest integer, half to even in float64, and what is beyond a grid becomes its end; an integer
becomes the float32 nearest to what it stands for, which gives the same integer again. So a state that is kept as
float32 comes back exactly.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Contract
from edgernn.integer.plan import Grid
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.runtime.backend import Bound

Array = NDArray[Any]


class Door:
    """A Bound of float32 around one that has integers; what is on no grid passes as it is.

    A Bound may turn its numbers itself: `turning` has its x and y in float, and its step from one to the other.
    """

    def __init__(self, bound: Bound, said: Contract) -> None:
        self._bound, self._said = bound, said
        self.x: Array
        self.y: Array
        self.step: Callable[[], Any]
        turning = getattr(bound, "turning", None)
        self.guards = turning is not None
        self.x, self.y, self.step = turning or _turning(bound, said)
        if hasattr(bound, "run"):
            self.run = self._run

    def read(self) -> tuple[Array, ...]:
        return tuple(
            numbers(self._said, name, q) for name, q in zip(self._said.states, self._bound.read(), strict=True)
        )

    def write(self, states: tuple[Array, ...]) -> None:
        given = zip(self._said.states, states, strict=True)
        self._bound.write(tuple(integers(self._said, name, x) for name, x in given))

    def _run(self, xs: Array, ys: Array) -> int:
        """Consecutive frames in one call: how many were done before one that must not enter."""
        if INPUT in self._said.grids:
            xs = xs[: int(np.append((np.abs(xs) <= self._said.limit).all(axis=1), False).argmin())]
        results = np.empty((len(xs), self._said.outputs), self._said.dtype(OUTPUT))
        run: Callable[[Array, Array], int] = getattr(self._bound, "run")  # noqa: B009  a Bound need not have it
        done = run(integers(self._said, INPUT, xs), results)
        ys[:done] = numbers(self._said, OUTPUT, results[:done])
        return done


def _turning(bound: Bound, said: Contract) -> tuple[Array, Array, Callable[[], Any]]:
    """x and y in float, and a step from one to the other through the integers of a Bound."""
    x = np.zeros(said.inputs, np.float32) if INPUT in said.grids else bound.x
    y = np.zeros(said.outputs, np.float32) if OUTPUT in said.grids else bound.y
    before = [_rounding(x, bound.x, said.grids[INPUT])] if INPUT in said.grids else []
    after = [_reading(bound.y, y, said.grids[OUTPUT])] if OUTPUT in said.grids else []
    parts: tuple[Callable[[], Any], ...] = (*before, bound.step, *after)

    def step() -> None:
        for part in parts:
            part()

    return x, y, step


def integers(said: Contract, name: str, x: Array) -> Array:
    """What the artifact has for a value of `x`, `y` or a state: its integers, or float32 that is on no grid."""
    return said.grids[name].integers(x).astype(said.dtype(name)) if name in said.grids else x


def numbers(said: Contract, name: str, q: Array) -> Array:
    """What that stands for, in float32."""
    return said.grids[name].numbers(q.astype(np.int64)) if name in said.grids else q


def at_rest(said: Contract, *, raw: bool) -> tuple[Array, ...]:
    """The initial states, as float32 or as the artifact has them."""
    rest = {name: np.array(said.rest.get(name, (0.0,) * width), np.float32) for name, width in said.states.items()}
    return tuple(integers(said, name, state) if raw else state for name, state in rest.items())


def _rounding(x: Array, q: Array, grid: Grid) -> Callable[[], None]:
    """What makes integers `q` of finite `x`, as Grid.integers does, without new arrays."""
    wide = np.empty(x.shape, np.float64)
    divide, rint, add, maximum, minimum = np.divide, np.rint, np.add, np.maximum, np.minimum
    scale, zero, low, high = map(np.array, (grid.scale, float(grid.zero), float(grid.low), float(grid.high)))

    def rounding() -> None:  # arrays of no axes are a third quicker here than numbers
        wide[...] = x
        divide(wide, scale, wide)
        rint(wide, wide)
        add(wide, zero, wide)
        maximum(wide, low, out=wide)
        minimum(wide, high, out=wide)
        q[...] = wide

    return rounding


def _reading(q: Array, y: Array, grid: Grid) -> Callable[[], Any]:
    """What makes float32 `y` of integers `q`, as Grid.numbers does, without new arrays."""
    if grid.bits == 8:
        number_of = grid.numbers(np.arange(256).astype(np.int8).astype(np.int64)).take
        byte = q.view(np.uint8)
        return lambda: number_of(byte, None, y, "wrap")  # every byte is in range; "raise", the default, would copy y
    wide = np.empty(q.shape, np.float64)
    subtract, multiply = np.subtract, np.multiply
    scale, zero = np.array(grid.scale), np.array(float(grid.zero))

    def reading() -> None:
        wide[...] = q
        subtract(wide, zero, wide)
        multiply(wide, scale, wide)
        y[...] = wide

    return reading
