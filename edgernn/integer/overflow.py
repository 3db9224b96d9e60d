"""What may enter a step: the largest magnitude of a number in a frame with which nothing overflows.

A magnitude is propagated through the step in float64, and a state is taken to reach that of a frame: no number in a
value is larger than that of the value, whatever the signs and the order of a sum. The largest power of two whose step
stays within MOST is the limit of a model, which its contract states and every backend refuses to exceed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.integer.plan import static
from edgernn.model.graph import INPUT, Graph
from edgernn.model.replay import MethodInterpreter, replay
from edgernn.model.tensor import Tensor
from edgernn.model.trace import Trace
from edgernn.model.window import Window

Array = NDArray[np.float64]

FINITE = float(np.finfo(np.float32).max)

MOST = 2.0**86
"""Of any value of a step. LiteRT's sigmoid answers NaN above 4.4e26, which is 2 ** 88.5; float32 ends at 2 ** 128, and
what lies between is room for a state that grows.
"""

HELD = 2.0**106
"""Of a state that is given back. Frames at the limit leave at most MOST after a step; a sum over a million such steps
may be as large as this, and the weights of the next step may still make it four million times larger.
"""

LEAST = 2.0**24
"""Of every limit: magnitudes add up as numbers of mixed signs do not, and a long chain of matrices without a sigmoid,
tanh or normalization would be given a limit that its real frames exceed.
"""

LOGARITHM = 104.0  # of the smallest float32 above 0


class MagnitudeOps(MethodInterpreter):
    """The operations on magnitudes, float64 (width,); `fits` becomes false where a value may exceed MOST."""

    def __init__(self) -> None:
        self.fits = True
        self._kept: dict[int, tuple[Tensor, Array]] = {}

    def affine(self, weight: Tensor, x: Array, bias: Tensor | None = None) -> Array:
        return self._held(self._size(weight) @ x + (0.0 if bias is None else self._size(bias)))

    def add(self, a: Array, b: Array) -> Array:
        return self._held(a + b)

    subtract = add

    def multiply(self, a: Array, b: Array) -> Array:
        return self._held(a * b)

    def scale(self, x: Array, by: Tensor | float, plus: Tensor | float = 0.0) -> Array:
        return self._held(self._size(by) * x + self._size(plus))

    def sigmoid(self, x: Array) -> Array:
        return np.ones_like(self._held(x))

    tanh = softmax = sigmoid

    def relu(self, x: Array) -> Array:
        return x

    def log(self, x: Array) -> Array:
        return np.full_like(self._held(x), LOGARITHM)

    def split(self, x: Array, sizes: int | Sequence[int]) -> list[Array]:
        return np.split(x, sizes if isinstance(sizes, int) else np.cumsum(sizes[:-1]))

    def concat(self, *xs: Array) -> Array:
        return np.concatenate(xs)

    def lookup(self, table: Tensor, _index: Array) -> Array:
        most: Array = self._size(table).max(axis=0)
        return most

    def normalize(self, x: Array, gain: Tensor | None, bias: Tensor | None, _eps: float) -> Array:
        self._held(np.array(len(x) * (2 * x.max()) ** 2))  # the sum of squares; twice, since the mean is taken off
        y = np.full_like(x, np.sqrt(len(x)))
        return self._held(y * (1.0 if gain is None else self._size(gain)) + (0.0 if bias is None else self._size(bias)))

    def _held(self, magnitude: Array) -> Array:
        self.fits = self.fits and bool((magnitude <= MOST).all())
        return magnitude

    def _size(self, given: Tensor | float) -> Any:
        if not isinstance(given, Tensor):
            return abs(given)
        if id(given) not in self._kept:
            self._kept[id(given)] = given, np.abs(given.dense(np.float64))
        return self._kept[id(given)][1]


def limit(model: Graph | Window) -> float:
    """The largest magnitude that may enter a model: a power of two, of at least LEAST, or FINITE where all may.

    Where only integers enter, none can overflow. A value that is not finite from the start, such as the logarithm of
    0, is not looked at.

    Raises:
        CalibrationError: a static graph, and a value without a range.
    """
    fits = _window(model) if isinstance(model, Window) else _graph(model)
    if fits(FINITE):
        return FINITE
    low, high = 24, 128  # 2 ** low is taken as it is, 2 ** high does not fit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(2.0**middle) else (low, middle)
    return 2.0**low


def _graph(graph: Graph) -> Callable[[float], bool]:
    """Whether a step fits when its frame and its states have this magnitude."""
    steps, ops = graph.trace, MagnitudeOps()
    ends = {name: qparams.reach * qparams.scale for name, qparams in static(graph).float_io.items()}

    def fits(most: float) -> bool:
        ops.fits = True
        x = np.full(steps.x.width, min(most, ends.get(INPUT, most)))
        _stepped(steps, ops, x, {state.name: min(most, ends.get(state.name, most)) for state in steps.states})
        return ops.fits

    return fits


def _window(window: Window) -> Callable[[float], bool]:
    """Whether a window fits; a state starts from rest, and is taken to reach what a frame may."""
    stages = [(stage, [graph.trace for graph in stage.graphs]) for stage in window.stages]
    ops = MagnitudeOps()

    def fits(most: float) -> bool:
        ops.fits, x = True, np.full(window.inputs, most)
        for stage, each in stages:
            answers = [_stepped(steps, ops, x, {state.name: most for state in steps.states}) for steps in each]
            x = np.maximum(*answers) if len(answers) > 1 and stage.merge == "mean" else np.concatenate(answers)
        return ops.fits

    return fits


def _stepped(steps: Trace, ops: MagnitudeOps, x: Array, states: dict[str, float]) -> Array:
    """The magnitude of a step's answer."""
    values = {state.before.name: np.full(state.before.width, states[state.name]) for state in steps.states}
    with np.errstate(all="ignore"):
        answer: Array = replay(steps.operations, ops, {INPUT: x, **values})[steps.y.name]
    return answer
