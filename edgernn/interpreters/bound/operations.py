"""The definition on recorded arrays, where a call of several steps is faster than one for each."""

from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.integer.dynamic import SILENCE, quantize_dynamic
from edgernn.integer.plan import IntegerPlan
from edgernn.interpreters.bound.recorded import Recorded
from edgernn.interpreters.integer import IntegerOps
from edgernn.interpreters.numpy import NumpyOps, SameOps
from edgernn.model.operation import Op, Ref


class _Floats:
    """What every float operation says of itself."""

    def joins(self, _op: Op) -> bool:
        """Return true: siblings are computed together."""
        return True

    def result(self, _name: str, _ref: Ref, value: Recorded) -> Recorded:
        """Return `y` or a state as it is."""
        return value


class FloatCalls(_Floats, NumpyOps):
    """NumpyOps."""


class SameCalls(_Floats, SameOps):
    """SameOps, where a vector is rounded to int8 in one call."""

    def quantized(self, x: Any) -> tuple[Any, Any]:
        tape, plain = x.tape, x.array

        def note() -> tuple[Array, ...]:
            q, step = np.zeros(plain.shape, np.float32), np.zeros((*plain.shape[:-1], 1), np.float32)
            tape.append(_quantize_vector if plain.ndim == 1 else _quantize, (plain, q, step), (q, step))
            return q, step

        q, step = tape.once((quantize_dynamic, plain), note)
        return Recorded(q, tape), Recorded(step, tape)


class IntegerCalls(IntegerOps):
    """IntegerOps, whose results are integers wherever those of an artifact are."""

    def __init__(self, plan: IntegerPlan) -> None:
        super().__init__(plan)
        self._float = SameCalls()

    def joins(self, _op: Op) -> bool:
        """Return false: the constants of siblings differ."""
        return False

    def result(self, name: str, ref: Ref, value: Any) -> Any:
        """Return `y` or a state in the form that it has in an artifact."""
        return (self.integers if name in self.plan.io_quantization else self.numbers)(ref, value)


def _quantize_vector(x: Array, q: Array, step: Array) -> None:
    """Quantize (width,) as quantize_dynamic does, to whole numbers in float32; masks only where a number needs them."""
    np.absolute(x, q)
    most = q[q.argmax()]
    if SILENCE < most < INFINITE:
        np.multiply(x, LARGEST / most, q)
        np.rint(q, q)
        step[0] = most / LARGEST
    else:
        _quantize(x, q, step)


def _quantize(x: Array, q: Array, step: Array) -> None:
    q[...], step[...] = quantize_dynamic(x)


LARGEST = np.float32(127)
INFINITE = np.float32(np.inf)
