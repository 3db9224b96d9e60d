"""Float I/O around an integer artifact: float32 outside, and inside its quantized inputs, outputs and states.

A number becomes the nearest integer, half to even in float64, clipped to the range of the quantization parameters; an
integer becomes the nearest float32 of the value it represents, which gives the same integer again. So a state that is
saved as float32 is restored exactly.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.runtime.backend import Bound, FloatStep


class FloatIO:
    """A Bound of float32 around one of integers; values without quantization parameters pass unchanged.

    The step of a runtime that converts by itself, `Bound.float_step`, is taken as it is.
    """

    float_step = None

    def __init__(self, bound: Bound, manifest: Manifest) -> None:
        self._bound, self._manifest = bound, manifest
        self.x: Array
        self.y: Array
        self.step: Callable[[], Any]
        self.prime: Callable[[], Any]
        self.guards = bound.float_step is not None
        self.countdown = bound.countdown if self.guards else None
        self.x, self.y, self.step, self.prime = bound.float_step or _converting(bound, manifest)
        self.run = None if bound.run is None else partial(self._run, bound.run)

    def get_states(self) -> tuple[Array, ...]:
        names, states = self._manifest.states, self._bound.get_states()
        return tuple(numbers(self._manifest, name, q) for name, q in zip(names, states, strict=True))

    def set_states(self, states: tuple[Array, ...]) -> None:
        named = zip(self._manifest.states, states, strict=True)
        self._bound.set_states(tuple(integers(self._manifest, name, x) for name, x in named))

    def _run(self, run: Callable[[Array, Array], int], xs: Array, ys: Array) -> int:
        """Run consecutive frames in one call, and return how many were done before one that must not enter."""
        if INPUT in self._manifest.quantization:
            xs = xs[: int(np.append((np.abs(xs) <= self._manifest.limit).all(axis=1), False).argmin())]
        results = np.empty((len(xs), self._manifest.outputs), self._manifest.dtype(OUTPUT))
        done = run(integers(self._manifest, INPUT, xs), results)
        ys[:done] = numbers(self._manifest, OUTPUT, results[:done])
        return done


def _converting(bound: Bound, manifest: Manifest) -> FloatStep:
    """A step with float32 outside, through the integers of a Bound."""
    x = np.zeros(manifest.inputs, np.float32) if INPUT in manifest.quantization else bound.x
    y = np.zeros(manifest.outputs, np.float32) if OUTPUT in manifest.quantization else bound.y
    before = [_quantizing(x, bound.x, manifest.quantization[INPUT])] if INPUT in manifest.quantization else []
    after = [_dequantizing(bound.y, y, manifest.quantization[OUTPUT])] if OUTPUT in manifest.quantization else []
    for part in after:
        part()  # y is now the answer in the bound, as it is after each step; so priming does not change it
    return FloatStep(x, y, _in_turn(*before, bound.step, *after), _in_turn(*before, bound.prime, *after))


def _in_turn(*parts: Callable[[], Any]) -> Callable[[], None]:
    def step() -> None:
        for part in parts:
            part()

    return step


def integers(manifest: Manifest, name: str, x: Array) -> Array:
    """`x`, `y` or a state as the artifact has it: quantized, or unchanged where it has no quantization parameters."""
    return manifest.quantization[name].integers(x).astype(manifest.dtype(name)) if name in manifest.quantization else x


def numbers(manifest: Manifest, name: str, q: Array) -> Array:
    """The values of `integers` in float32."""
    return manifest.quantization[name].numbers(q.astype(np.int64)) if name in manifest.quantization else q


def initial_state(manifest: Manifest, *, raw: bool) -> tuple[Array, ...]:
    """The initial states: in float32, or with `raw` as the artifact has them."""
    initial_state = {
        name: np.array(manifest.initial_state.get(name, (0.0,) * width), np.float32)
        for name, width in manifest.states.items()
    }
    return tuple(integers(manifest, name, state) if raw else state for name, state in initial_state.items())


def _quantizing(x: Array, q: Array, qparams: QuantizationParameters) -> Callable[[], None]:
    """A function that quantizes finite `x` into `q`, as QuantizationParameters.integers does, without new arrays."""
    wide = np.empty(x.shape, np.float64)
    divide, rint, add, maximum, minimum = np.divide, np.rint, np.add, np.maximum, np.minimum
    scale, zero, low, high = map(
        np.array, (qparams.scale, float(qparams.zero), float(qparams.low), float(qparams.high))
    )

    def quantize() -> None:  # arrays of no axes are a third quicker here than numbers
        wide[...] = x
        divide(wide, scale, wide)
        rint(wide, wide)
        add(wide, zero, wide)
        maximum(wide, low, out=wide)
        minimum(wide, high, out=wide)
        q[...] = wide

    return quantize


def _dequantizing(q: Array, y: Array, qparams: QuantizationParameters) -> Callable[[], Any]:
    """A function that dequantizes `q` into float32 `y`, as QuantizationParameters.numbers does, without new arrays."""
    if qparams.bits == 8:
        take = qparams.numbers(np.arange(256).astype(np.int8).astype(np.int64)).take
        byte = q.view(np.uint8)
        return lambda: take(byte, None, y, "wrap")  # every byte is in range; "raise", the default, would copy y
    wide = np.empty(q.shape, np.float64)
    subtract, multiply = np.subtract, np.multiply
    scale, zero = np.array(qparams.scale), np.array(float(qparams.zero))

    def dequantize() -> None:
        wide[...] = q
        subtract(wide, zero, wide)
        multiply(wide, scale, wide)
        y[...] = wide

    return dequantize
