"""The definition: the operations computed by numpy, which every other interpreter is tested against."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.integer.dynamic import quantize_dynamic
from edgernn.integer.fixedpoint import exact_float
from edgernn.model import spectra
from edgernn.model.graph import INPUT, Graph
from edgernn.model.positions import entries, gathered, held, largest, reshaped, summed
from edgernn.model.product import product
from edgernn.model.replay import MethodInterpreter, replay
from edgernn.model.tensor import DYNAMIC, Tensor
from edgernn.model.trace import Trace
from edgernn.process import interrupt


class NumpyOps(MethodInterpreter):
    """The operations on arrays of shape (..., width), or (..., positions, width), in float64 or float32."""

    def __init__(self, dtype: str = "float64") -> None:
        self.dtype = np.dtype(dtype)
        self._cast: dict[
            int, tuple[Tensor, Array]
        ] = {}  # id of a weight -> the weight, so that it stays, and its array

    def affine(self, weight: Tensor, x: Array, bias: Tensor | None = None) -> Array:
        y: Array = self._dynamic(weight, x) if weight.scheme == DYNAMIC else product(x, self._array(weight))
        return y if bias is None else y + self._array(bias)

    def add(self, a: Array, b: Array) -> Array:
        total: Array = a + b
        return total

    def subtract(self, a: Array, b: Array) -> Array:
        difference: Array = a - b
        return difference

    def multiply(self, a: Array, b: Array) -> Array:
        product: Array = a * b
        return product

    def scale(self, x: Array, by: Tensor | float, plus: Tensor | float = 0.0) -> Array:
        y: Array = x * self._factor(by) + self._factor(plus)
        return y

    def sigmoid(self, x: Array) -> Array:
        # (1 + tanh(x / 2)) / 2 is the same and never overflows
        half = self.dtype.type(0.5)
        y: Array = half * np.tanh(half * x) + half
        return y

    def tanh(self, x: Array) -> Array:
        return np.tanh(x)

    def relu(self, x: Array) -> Array:
        y: Array = np.maximum(x, self.dtype.type(0))
        return y

    def softmax(self, x: Array) -> Array:
        raised = np.exp(x - x.max(axis=-1, keepdims=True))
        y: Array = raised / raised.sum(axis=-1, keepdims=True)
        return y

    def log(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):  # log(0) is -inf in every target
            return np.log(x)

    def exp(self, x: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(x)

    def sqrt(self, x: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)

    def divide(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            quotient: Array = a / b
        return quotient

    def maximum(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def split(self, x: Array, sizes: int | Sequence[int]) -> tuple[Array, ...]:
        if isinstance(sizes, int):
            return tuple(np.split(x, sizes, axis=-1))
        return tuple(np.split(x, np.cumsum(sizes[:-1]), axis=-1))

    def concat(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=-1)

    def lookup(self, table: Tensor, index: Array) -> Array:
        rows: Array = entries(index[..., 0], self._array(table))
        return rows

    def normalize(self, x: Array, gain: Tensor | None, bias: Tensor | None, eps: float) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        y: Array = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + self.dtype.type(eps))
        y = y if gain is None else y * self._array(gain)
        return y if bias is None else y + self._array(bias)

    def reshape(self, x: Array, before: int, after: int) -> Array:
        y: Array = reshaped(x, before, after)
        return y

    def gather(self, x: Array, before: int, index: Sequence[int]) -> Array:
        return gathered(x, before, index)

    def sum(self, x: Array, _before: int, size: int) -> Array:
        return summed(x, size)

    def largest(self, x: Array, _before: int, size: int) -> Array:
        return largest(x, size)

    def hold(self, x: Array, last: Array, threshold: float) -> Array:
        return held(x, last, self.dtype.type(threshold))

    def rfft(self, x: Array, size: int, window: Tensor | None = None) -> Array:
        return spectra.rfft(x, size, None if window is None else self._array(window))

    def irfft(self, x: Array, size: int, window: Tensor | None = None) -> Array:
        return spectra.irfft(x, size, None if window is None else self._array(window))

    def _dynamic(self, weight: Tensor, x: Array) -> Array:
        """int8 weights and activations: integer sums, and one product with both scales."""
        assert weight.scale is not None
        q, step = self.quantized(x)
        columns = self._columns(weight)
        sums = q.astype(columns.dtype) @ columns
        y: Array = sums.astype(self.dtype) * (step * weight.scale).astype(self.dtype)
        return y

    def quantized(self, x: Array) -> tuple[Array, Array]:
        """Vectors rounded to int8, and their scales, as quantize_dynamic returns them."""
        return quantize_dynamic(x)

    def _columns(self, tensor: Tensor) -> Array:
        """The integers of a matrix (inputs, rows), in a float that represents their sums exactly: see `exact_float`."""
        cached = self._cast.get(id(tensor))
        if cached is None:
            columns = np.ascontiguousarray(tensor.stored.T, exact_float(tensor.stored, 127))
            cached = self._cast[id(tensor)] = (tensor, columns)
        return cached[1]

    def _array(self, tensor: Tensor) -> Array:
        cached = self._cast.get(id(tensor))
        if cached is None:
            cached = self._cast[id(tensor)] = (tensor, tensor.dense(self.dtype))
        return cached[1]

    def _factor(self, factor: Tensor | float) -> Any:
        return self._array(factor) if isinstance(factor, Tensor) else self.dtype.type(factor)


class SameOps(NumpyOps):
    """The operations in float32 with equal rounding on every machine, for values that are rounded to integers next.

    tanh is x times a ratio of polynomials in x squared, computed as in c_runtime/squash_f32.h; numpy's tanh differs in
    the last digit between processors. exp is a polynomial, as in c_runtime/curves_f32.h. Normalization sums in LANES
    lanes, as c_runtime/whole_f32.h does. `softmax`, `log`, `rfft`, `irfft` and an affine with float weights are
    numpy's.
    """

    def __init__(self) -> None:
        super().__init__("float32")

    def tanh(self, x: Array) -> Array:
        a = np.clip(x, -TANH_END, TANH_END)
        s = a * a
        s2 = s * s
        p0, p1, p2, p3 = TANH_ODD
        q0, q1, q2, q3, q4 = TANH_EVEN
        p = (p0 + p1 * s) + s2 * (p2 + p3 * s)
        q = (q0 + q1 * s) + s2 * ((q2 + q3 * s) + q4 * s2)
        y: Array = a * p / q
        return y

    def sigmoid(self, x: Array) -> Array:
        half = np.float32(0.5)
        y: Array = half + half * self.tanh(x * half)
        return y

    def exp(self, x: Array) -> Array:
        a = np.clip(x, *EXP_ENDS)
        n = np.rint(a * EXP_LOG2E)
        r = (a - n * EXP_LN2[0]) - n * EXP_LN2[1]
        p = np.full_like(r, EXP_TERMS[-1])
        for term in EXP_TERMS[-2::-1]:
            p = p * r + term
        with np.errstate(over="ignore", under="ignore"):
            y: Array = np.ldexp((p * r) * r + r + np.float32(1), np.nan_to_num(n).astype(np.int32))
        return y

    def normalize(self, x: Array, gain: Tensor | None, bias: Tensor | None, eps: float) -> Array:
        width, one = np.float32(x.shape[-1]), np.float32(1)
        centred = x - _sum_in_lanes(x) / width
        y: Array = centred * (one / np.sqrt(_sum_in_lanes(centred * centred) / width + np.float32(eps)))
        y = y if gain is None else y * self._array(gain)
        return y if bias is None else y + self._array(bias)


LANES = 16


def _sum_in_lanes(x: Array) -> Array:
    """The sum over the last axis, float32 (..., 1): element i in lane i % 16, then halves of the lanes added."""
    blocks = -(-x.shape[-1] // LANES)
    full = np.zeros_like(x, shape=(*x.shape[:-1], blocks * LANES))
    full[..., : x.shape[-1]] = x
    lanes = np.zeros_like(x, shape=(*x.shape[:-1], LANES))
    for at in range(0, blocks * LANES, LANES):
        lanes += full[..., at : at + LANES]
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes


TANH_END = np.float32(7.9)  # tanh of larger numbers is within 3e-7 of 1
TANH_ODD = tuple(map(np.float32, (0.999999225, 0.129182786, 0.00294404267, 1.13712413e-05)))
TANH_EVEN = tuple(map(np.float32, (1.0, 0.462513536, 0.0237845592, 0.000237793662, 2.44420306e-07)))
"""The minimax ratio of these degrees: coefficients of powers of x squared, the lowest first."""


EXP_ENDS = np.float32(-104.0), np.float32(89.0)  # exp is 0 below, and infinite above
EXP_LOG2E = np.float32(1.44269504)
EXP_LN2 = np.float32(0.693359375), np.float32(-2.12194440e-4)  # the first has few digits: its products are exact
EXP_TERMS = tuple(
    map(
        np.float32,
        (5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4),
    )
)
"""S. Moshier, Cephes, expf: (exp(x) - 1 - x) / x^2 between -log(2) / 2 and log(2) / 2, the lowest power first."""


class Stepper:
    """Steps a graph: frames in, results out; the caller carries the states.

    Args:
        graph: what to compute.
        dtype: "float64" or "float32", for all values.
        ops: the interpreter, where it is not the definition.
    """

    def __init__(self, graph: Graph, dtype: str = "float64", ops: NumpyOps | None = None) -> None:
        self.graph = graph
        self.trace: Trace = graph.trace
        self.dtype = np.dtype(dtype)
        self._ops = ops or (SameOps() if DYNAMIC in graph.precision and dtype == "float32" else NumpyOps(dtype))

    def initial_state(self, *batch: int) -> dict[str, Array]:
        """The initial states by name, each of shape (*batch, width)."""
        states = {name: np.zeros((*batch, width), self.dtype) for name, width in self.graph.states.items()}
        for name, tensor in self.graph.initial_state.items():
            states[name][...] = tensor.stored
        return states

    def values(self, x: Array, states: dict[str, Array]) -> dict[str, Array]:
        """Every value of one step by its name in the trace; x is (..., inputs), a state (..., width)."""
        start = {INPUT: x if self.graph.vocabulary_size else np.asarray(x, self.dtype)}
        start |= {state.before.name: states[state.name] for state in self.trace.states}
        return replay(self.trace.operations, self._ops, start)

    def step(self, x: Array, states: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """One frame: (x, states before) -> (y, states after)."""
        values = self.values(x, states)
        return values[self.trace.y.name], {state.name: values[state.after.name] for state in self.trace.states}

    def run(self, xs: Array, states: dict[str, Array] | None = None) -> tuple[Array, dict[str, Array]]:
        """A sequence (..., time, inputs), from `states` or the initial ones -> ((..., time, outputs), states after)."""
        states = self.initial_state(*xs.shape[:-2]) if states is None else states
        ys = []
        for t in range(xs.shape[-2]):
            interrupt.check()
            y, states = self.step(xs[..., t, :], states)
            ys.append(y)
        return np.stack(ys, axis=-2), states


def random_frames(inputs: int, vocabulary_size: int, steps: int, seed: int | Sequence[int] = 0) -> Array:
    """Frames (steps, inputs) for a test: standard normal float32, or int32 symbols below `vocabulary_size` if not 0."""
    random = np.random.default_rng(seed)
    if vocabulary_size:
        return random.integers(0, vocabulary_size, (steps, inputs)).astype(np.int32)
    return random.standard_normal((steps, inputs)).astype(np.float32)
