"""The limit of a model: the largest magnitude of a number in a frame with which no value of a step overflows.

An interval that holds each value is propagated through the step in float64; a state is assumed to have the magnitude of
a frame. The interval holds for any signs and any order of a sum. The limit is the largest power of two for which all
bounds stay within MOST. The manifest has it, and every backend refuses a larger input.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.integer.plan import integer_plan
from edgernn.model import spectra
from edgernn.model.graph import INPUT, Graph
from edgernn.model.positions import gathered, largest, reshaped, summed
from edgernn.model.replay import MethodInterpreter, replay
from edgernn.model.tensor import Tensor
from edgernn.model.trace import Trace
from edgernn.model.window import Window

Array = NDArray[np.float64]

FINITE = float(np.finfo(np.float32).max)

MOST = 2.0**86
"""The largest magnitude of a value of a step. LiteRT's sigmoid returns NaN above 4.4e26, which is 2 ** 88.5; float32
ends at 2 ** 128. The margin between them is for states that grow.
"""

HELD = 2.0**106
"""The largest magnitude of a state that is restored. Frames at the limit leave at most MOST after a step. A sum over a
million such steps may reach this, and the weights of the next step may still multiply it by four million.
"""

LEAST = 2.0**24
"""The smallest limit of a model. Magnitudes add up where numbers of mixed signs cancel, so a long chain of matrices
without a sigmoid, tanh or normalization would have a limit that its real frames exceed.
"""

LOGARITHM = 104.0  # the magnitude of the logarithm of the smallest float32 above 0


class IntervalOps(MethodInterpreter):
    """The interpreter of intervals: float64 (2, width) or (2, positions, width), the ends of each element.

    `fits` becomes False when the magnitude of a value may exceed MOST, when a divisor may be 0, or when an exponential
    may overflow.
    """

    def __init__(self) -> None:
        self.fits = True
        self._weights: dict[tuple[int, bool], tuple[Tensor, Array]] = {}

    def affine(self, weight: Tensor, x: Array, bias: Tensor | None = None) -> Array:
        centre, radius = (x[0] + x[1]) / 2, (x[1] - x[0]) / 2
        plus = 0.0 if bias is None else self._numbers(bias)
        size = self._numbers(weight, magnitude=True)
        spread = radius @ size.T
        if not centre.any():
            return self._checked(np.stack([plus - spread, plus + spread]))
        self._check(_magnitude(x) @ size.T + np.abs(plus))  # for any order of the sum
        middle = centre @ self._numbers(weight).T + plus
        return np.stack([middle - spread, middle + spread])

    def rfft(self, x: Array, size: int, window: Tensor | None = None) -> Array:
        """Each part of a bin is a sum of the elements times numbers of magnitude 1 at most, in any order."""
        size_of = _magnitude(x) * (1.0 if window is None else self._numbers(window, magnitude=True))
        return self._spread(size_of.sum(axis=-1, keepdims=True), 2 * spectra.bins(size))

    def irfft(self, x: Array, size: int, window: Tensor | None = None) -> Array:
        total = _magnitude(x).sum(axis=-1, keepdims=True)  # before the division by the size
        each = np.ones(size) if window is None else self._numbers(window, magnitude=True)
        self._check(total * max(1.0, float(each.max())))
        return self._spread(2 / size * total * each, len(each))

    def _spread(self, most: Array, width: int) -> Array:
        """Return the interval of values of these magnitudes."""
        full = np.broadcast_to(most, (*most.shape[:-1], width))
        return self._checked(np.stack([-full, full]))

    def add(self, a: Array, b: Array) -> Array:
        return self._checked(a + b)

    def subtract(self, a: Array, b: Array) -> Array:
        return self._checked(a - b[::-1])

    def multiply(self, a: Array, b: Array) -> Array:
        if a is not b:
            return self._checked(_hull(a * b, a * b[::-1]))
        return self._checked(np.stack([np.maximum(np.maximum(a[0], -a[1]), 0.0) ** 2, _magnitude(a) ** 2]))

    def divide(self, a: Array, b: Array) -> Array:
        if not ((b[0] > 0) | (b[1] < 0)).all():
            self.fits = False
        return self._checked(_hull(a / b, a / b[::-1]))

    def maximum(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def scale(self, x: Array, by: Tensor | float, plus: Tensor | float = 0.0) -> Array:
        product, offset = x * self._numbers(by), self._numbers(plus)
        self._check(_magnitude(product) + np.abs(offset))
        moved: Array = np.sort(product, axis=0) + offset
        return moved

    def sigmoid(self, x: Array) -> Array:
        return self._bounded(x, 0.0, 1.0)

    softmax = sigmoid

    def tanh(self, x: Array) -> Array:
        return self._bounded(x, -1.0, 1.0)

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0.0)

    def log(self, x: Array) -> Array:
        return self._bounded(x, -LOGARITHM, LOGARITHM)

    def exp(self, x: Array) -> Array:
        return self._checked(np.exp(x))

    def sqrt(self, x: Array) -> Array:
        return np.sqrt(np.maximum(x, 0.0))

    def split(self, x: Array, sizes: int | Sequence[int]) -> list[Array]:
        return np.split(x, sizes if isinstance(sizes, int) else np.cumsum(sizes[:-1]), axis=-1)

    def concat(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=-1)

    def lookup(self, table: Tensor, _index: Array) -> Array:
        rows = self._numbers(table)
        return np.stack([rows.min(axis=0), rows.max(axis=0)])

    def normalize(self, x: Array, gain: Tensor | None, bias: Tensor | None, _eps: float) -> Array:
        width = x.shape[-1]
        self._check(np.array(width * (2 * _magnitude(x).max()) ** 2))  # the sum of squares of x minus its mean
        y = np.sqrt(width) * np.abs(1.0 if gain is None else self._numbers(gain)) * np.ones(x.shape[1:])
        plus = 0.0 if bias is None else self._numbers(bias)
        return self._checked(np.stack([plus - y, plus + y]))

    def reshape(self, x: Array, before: int, after: int) -> Array:
        y: Array = reshaped(x, before, after)
        return y

    def gather(self, x: Array, before: int, index: Sequence[int]) -> Array:
        return gathered(x, before, index)

    def sum(self, x: Array, _before: int, size: int) -> Array:
        return self._checked(summed(x, size))

    def largest(self, x: Array, _before: int, size: int) -> Array:
        return largest(x, size)

    def hold(self, x: Array, last: Array, _threshold: float) -> Array:
        return np.stack([np.minimum(x[0], last[0]), np.maximum(x[1], last[1])])

    def _bounded(self, x: Array, low: float, high: float) -> Array:
        self._checked(x)
        return np.stack([np.full(x.shape[1:], low), np.full(x.shape[1:], high)])

    def _checked(self, x: Array) -> Array:
        self._check(_magnitude(x))
        return x

    def _check(self, magnitude: Array) -> None:
        self.fits = self.fits and bool((magnitude <= MOST).all())

    def _numbers(self, weight: Tensor | float, *, magnitude: bool = False) -> Any:
        if not isinstance(weight, Tensor):
            return weight
        key = id(weight), magnitude
        if key not in self._weights:
            dense = weight.dense(np.float64)
            self._weights[key] = weight, np.abs(dense) if magnitude else dense
        return self._weights[key][1]


def _magnitude(x: Array) -> Array:
    """Return the largest magnitude in each interval."""
    most: Array = np.abs(x).max(axis=0)
    return most


def _hull(one: Array, other: Array) -> Array:
    """Return the interval from the smallest to the largest of four ends."""
    ends = np.concatenate([one, other])
    return np.stack([ends.min(axis=0), ends.max(axis=0)])


def _within(width: int, most: float) -> Array:
    """Return the interval of numbers up to this magnitude."""
    return np.stack([np.full(width, -most), np.full(width, most)])


def limit(model: Graph | Window) -> float:
    """Return the largest magnitude of an input of a model: a power of two of at least LEAST, or FINITE for no limit.

    A model with integer inputs has no limit. Values that are not finite for any input, such as the logarithm of 0, are
    ignored. A model that divides by a value which may be 0, or has an exponential of a value without bounds, has the
    limit LEAST: larger numbers are refused, and smaller ones may still give results that are not finite.

    Raises:
        CalibrationError: a value of a static graph has no range.
    """
    fits = _window(model) if isinstance(model, Window) else _graph(model)
    if fits(FINITE):
        return FINITE
    low, high = 24, 128  # 2 ** low is accepted without a check, 2 ** high does not fit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(2.0**middle) else (low, middle)
    return 2.0**low


def _graph(graph: Graph) -> Callable[[float], bool]:
    """Return a function that tells whether a step fits when its frame and its states have a magnitude."""
    steps, ops = graph.trace, IntervalOps()
    ends = {name: qparams.reach * qparams.scale for name, qparams in integer_plan(graph).io_quantization.items()}

    def fits(most: float) -> bool:
        ops.fits = True
        x = _within(steps.x.width, min(most, ends.get(INPUT, most)))
        _stepped(steps, ops, x, {state.name: min(most, ends.get(state.name, most)) for state in steps.states})
        return ops.fits

    return fits


def _window(window: Window) -> Callable[[float], bool]:
    """Return a function that tells whether a window fits; its states are assumed to have the magnitude of a frame."""
    stages = [(stage, [graph.trace for graph in stage.graphs]) for stage in window.stages]
    ops = IntervalOps()

    def fits(most: float) -> bool:
        ops.fits, x = True, _within(window.inputs, most)
        for stage, each in stages:
            outputs = [_stepped(steps, ops, x, {state.name: most for state in steps.states}) for steps in each]
            x = _merged(outputs, stage.merge)
        return ops.fits

    return fits


def _merged(outputs: Sequence[Array], merge: str) -> Array:
    """Return the interval of the outputs of a stage."""
    if len(outputs) > 1 and merge == "mean":
        return np.stack([np.minimum(outputs[0][0], outputs[1][0]), np.maximum(outputs[0][1], outputs[1][1])])
    return np.concatenate(outputs, axis=-1)


def _stepped(steps: Trace, ops: IntervalOps, x: Array, states: dict[str, float]) -> Array:
    """Return the interval of the output of a step."""
    values = {state.before.name: _within(state.before.width, states[state.name]) for state in steps.states}
    with np.errstate(all="ignore"):
        answer: Array = replay(steps.operations, ops, {INPUT: x, **values})[steps.y.name]
    return answer
