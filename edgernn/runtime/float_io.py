"""The door of integers: float outside, and inside an artifact that reads, carries and answers integers on grids.

A number becomes the nearest integer, half to even in float64, and what is beyond a grid becomes its end; an integer
becomes the float32 nearest to what it stands for, which gives the same integer again. So a state that is kept as
float32 comes back exactly.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.runtime.backend import Bound

Array = NDArray[Any]


class FloatIO:
    """A Bound of float32 around one that has integers; what is on no grid passes as it is.

    A Bound may turn its numbers itself: `turning` has its x and y in float, and its step from one to the other.
    """

    def __init__(self, bound: Bound, manifest: Manifest) -> None:
        self._bound, self._manifest = bound, manifest
        self.x: Array
        self.y: Array
        self.step: Callable[[], Any]
        turning = getattr(bound, "turning", None)
        self.guards = turning is not None
        self.x, self.y, self.step = turning or _turning(bound, manifest)
        if hasattr(bound, "run"):
            self.run = self._run

    def read(self) -> tuple[Array, ...]:
        return tuple(
            numbers(self._manifest, name, q) for name, q in zip(self._manifest.states, self._bound.read(), strict=True)
        )

    def write(self, states: tuple[Array, ...]) -> None:
        given = zip(self._manifest.states, states, strict=True)
        self._bound.write(tuple(integers(self._manifest, name, x) for name, x in given))

    def _run(self, xs: Array, ys: Array) -> int:
        """Consecutive frames in one call: how many were done before one that must not enter."""
        if INPUT in self._manifest.quantization:
            xs = xs[: int(np.append((np.abs(xs) <= self._manifest.limit).all(axis=1), False).argmin())]
        results = np.empty((len(xs), self._manifest.outputs), self._manifest.dtype(OUTPUT))
        run: Callable[[Array, Array], int] = getattr(self._bound, "run")  # noqa: B009  a Bound need not have it
        done = run(integers(self._manifest, INPUT, xs), results)
        ys[:done] = numbers(self._manifest, OUTPUT, results[:done])
        return done


def _turning(bound: Bound, manifest: Manifest) -> tuple[Array, Array, Callable[[], Any]]:
    """x and y in float, and a step from one to the other through the integers of a Bound."""
    x = np.zeros(manifest.inputs, np.float32) if INPUT in manifest.quantization else bound.x
    y = np.zeros(manifest.outputs, np.float32) if OUTPUT in manifest.quantization else bound.y
    before = [_rounding(x, bound.x, manifest.quantization[INPUT])] if INPUT in manifest.quantization else []
    after = [_reading(bound.y, y, manifest.quantization[OUTPUT])] if OUTPUT in manifest.quantization else []
    parts: tuple[Callable[[], Any], ...] = (*before, bound.step, *after)

    def step() -> None:
        for part in parts:
            part()

    return x, y, step


def integers(manifest: Manifest, name: str, x: Array) -> Array:
    """What the artifact has for a value of `x`, `y` or a state: its integers, or float32 that is on no grid."""
    return manifest.quantization[name].integers(x).astype(manifest.dtype(name)) if name in manifest.quantization else x


def numbers(manifest: Manifest, name: str, q: Array) -> Array:
    """What that stands for, in float32."""
    return manifest.quantization[name].numbers(q.astype(np.int64)) if name in manifest.quantization else q


def initial_state(manifest: Manifest, *, raw: bool) -> tuple[Array, ...]:
    """The initial states, as float32 or as the artifact has them."""
    initial_state = {
        name: np.array(manifest.initial_state.get(name, (0.0,) * width), np.float32)
        for name, width in manifest.states.items()
    }
    return tuple(integers(manifest, name, state) if raw else state for name, state in initial_state.items())


def _rounding(x: Array, q: Array, qparams: QuantizationParameters) -> Callable[[], None]:
    """What makes integers `q` of finite `x`, as QuantizationParameters.integers does, without new arrays."""
    wide = np.empty(x.shape, np.float64)
    divide, rint, add, maximum, minimum = np.divide, np.rint, np.add, np.maximum, np.minimum
    scale, zero, low, high = map(
        np.array, (qparams.scale, float(qparams.zero), float(qparams.low), float(qparams.high))
    )

    def rounding() -> None:  # arrays of no axes are a third quicker here than numbers
        wide[...] = x
        divide(wide, scale, wide)
        rint(wide, wide)
        add(wide, zero, wide)
        maximum(wide, low, out=wide)
        minimum(wide, high, out=wide)
        q[...] = wide

    return rounding


def _reading(q: Array, y: Array, qparams: QuantizationParameters) -> Callable[[], Any]:
    """What makes float32 `y` of integers `q`, as QuantizationParameters.numbers does, without new arrays."""
    if qparams.bits == 8:
        number_of = qparams.numbers(np.arange(256).astype(np.int8).astype(np.int64)).take
        byte = q.view(np.uint8)
        return lambda: number_of(byte, None, y, "wrap")  # every byte is in range; "raise", the default, would copy y
    wide = np.empty(q.shape, np.float64)
    subtract, multiply = np.subtract, np.multiply
    scale, zero = np.array(qparams.scale), np.array(float(qparams.zero))

    def reading() -> None:
        wide[...] = q
        subtract(wide, zero, wide)
        multiply(wide, scale, wide)
        y[...] = wide

    return reading
