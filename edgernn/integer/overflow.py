"""The limit of a model: the largest magnitude of a number in a frame with which no value of a step overflows.

A bound on the magnitude of each value is propagated through the step in float64; a state is assumed to have that of a
frame. The bound holds for any signs and any order of a sum. The limit is the largest power of two for which all bounds
stay within MOST. The manifest has it, and every backend refuses a larger input.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.integer.plan import integer_plan
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


class MagnitudeOps(MethodInterpreter):
    """The interpreter of magnitudes, float64 (width,) or (positions, width).

    `fits` becomes False when a value may exceed MOST.
    """

    def __init__(self) -> None:
        self.fits = True
        self._magnitudes: dict[int, tuple[Tensor, Array]] = {}

    def affine(self, weight: Tensor, x: Array, bias: Tensor | None = None) -> Array:
        return self._checked(x @ self._magnitude(weight).T + (0.0 if bias is None else self._magnitude(bias)))

    def add(self, a: Array, b: Array) -> Array:
        return self._checked(a + b)

    subtract = add

    def multiply(self, a: Array, b: Array) -> Array:
        return self._checked(a * b)

    def scale(self, x: Array, by: Tensor | float, plus: Tensor | float = 0.0) -> Array:
        return self._checked(self._magnitude(by) * x + self._magnitude(plus))

    def sigmoid(self, x: Array) -> Array:
        return np.ones_like(self._checked(x))

    tanh = softmax = sigmoid

    def relu(self, x: Array) -> Array:
        return x

    def log(self, x: Array) -> Array:
        return np.full_like(self._checked(x), LOGARITHM)

    def split(self, x: Array, sizes: int | Sequence[int]) -> list[Array]:
        return np.split(x, sizes if isinstance(sizes, int) else np.cumsum(sizes[:-1]), axis=-1)

    def concat(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=-1)

    def lookup(self, table: Tensor, _index: Array) -> Array:
        most: Array = self._magnitude(table).max(axis=0)
        return most

    def normalize(self, x: Array, gain: Tensor | None, bias: Tensor | None, _eps: float) -> Array:
        width = x.shape[-1]
        self._checked(np.array(width * (2 * x.max()) ** 2))  # the sum of squares; x minus its mean is at most 2 * x
        y = np.full_like(x, np.sqrt(width))
        gains = 1.0 if gain is None else self._magnitude(gain)
        return self._checked(y * gains + (0.0 if bias is None else self._magnitude(bias)))

    def reshape(self, x: Array, before: int, after: int) -> Array:
        y: Array = reshaped(x, before, after)
        return y

    def gather(self, x: Array, before: int, index: Sequence[int]) -> Array:
        return gathered(x, before, index)

    def sum(self, x: Array, _before: int, size: int) -> Array:
        return self._checked(summed(x, size))

    def largest(self, x: Array, _before: int, size: int) -> Array:
        return largest(x, size)

    def _checked(self, magnitude: Array) -> Array:
        self.fits = self.fits and bool((magnitude <= MOST).all())
        return magnitude

    def _magnitude(self, weight: Tensor | float) -> Any:
        if not isinstance(weight, Tensor):
            return abs(weight)
        if id(weight) not in self._magnitudes:
            self._magnitudes[id(weight)] = weight, np.abs(weight.dense(np.float64))
        return self._magnitudes[id(weight)][1]


def limit(model: Graph | Window) -> float:
    """Return the largest magnitude of an input of a model: a power of two of at least LEAST, or FINITE for no limit.

    A model with integer inputs has no limit. Values that are not finite for any input, such as the logarithm of 0, are
    ignored.

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
    steps, ops = graph.trace, MagnitudeOps()
    ends = {name: qparams.reach * qparams.scale for name, qparams in integer_plan(graph).io_quantization.items()}

    def fits(most: float) -> bool:
        ops.fits = True
        x = np.full(steps.x.width, min(most, ends.get(INPUT, most)))
        _stepped(steps, ops, x, {state.name: min(most, ends.get(state.name, most)) for state in steps.states})
        return ops.fits

    return fits


def _window(window: Window) -> Callable[[float], bool]:
    """Return a function that tells whether a window fits; its states are assumed to have the magnitude of a frame."""
    stages = [(stage, [graph.trace for graph in stage.graphs]) for stage in window.stages]
    ops = MagnitudeOps()

    def fits(most: float) -> bool:
        ops.fits, x = True, np.full(window.inputs, most)
        for stage, each in stages:
            outputs = [_stepped(steps, ops, x, {state.name: most for state in steps.states}) for steps in each]
            x = np.maximum(*outputs) if len(outputs) > 1 and stage.merge == "mean" else np.concatenate(outputs)
        return ops.fits

    return fits


def _stepped(steps: Trace, ops: MagnitudeOps, x: Array, states: dict[str, float]) -> Array:
    """Return the magnitude of the output of a step."""
    values = {state.before.name: np.full(state.before.width, states[state.name]) for state in steps.states}
    with np.errstate(all="ignore"):
        answer: Array = replay(steps.operations, ops, {INPUT: x, **values})[steps.y.name]
    return answer
