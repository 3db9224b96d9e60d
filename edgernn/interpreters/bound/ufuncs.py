"""How calls of ufuncs are noted: each is computed once, for the shape and the dtype of its result."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.bound.recorded import Recorded, Recorder, bare

BY_NAME = (np.maximum, np.minimum)  # numpy wants the result of these by its name
WIDE = np.int64  # of constants; a number of Python alone has 32 bits where Python has


def applied(
    tape: Recorder, ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any]
) -> Recorded:
    """Note a call of a ufunc, or a reduction; with `out`, the call overwrites that array.

    Raises:
        TypeError: another method of a ufunc.
    """
    others = {name: each for name, each in options.items() if name != "out"}
    (out,) = options.get("out", (None,))
    tape.ignores = tape.ignores or "ignore" in np.geterr().values()
    if method == "__call__" and out is None and len(inputs) == 2:
        late = _late(tape, ufunc, *inputs)
        if late is not None:
            return late
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    own = None if out is None else out.own()
    plain = [bare(each) for each in inputs]

    def note() -> Array:
        result = np.asarray(function(*plain, **others))
        target = result if own is None else own
        _note(
            tape,
            ufunc,
            method,
            [_array(function, plain, i, others, result.dtype) for i in range(len(plain))],
            target,
            others,
        )
        return target

    key = (function, *plain, *(part for pair in sorted(others.items()) for part in pair))
    return tape.noted(key, note) if out is None else Recorded(note(), tape)


def _note(
    tape: Recorder, ufunc: np.ufunc, method: str, arrays: list[Any], target: Array, options: Mapping[str, Any]
) -> None:
    if method == "reduce":
        axis, keepdims = options.get("axis", 0), options.get("keepdims", False)
        tape.append(ufunc.reduce, (*arrays, axis, None, target, keepdims), (target,))
    elif method != "__call__":
        raise TypeError(f"{ufunc.__name__}.{method} cannot be recorded; use calls and reductions")
    elif ufunc is np.matmul and _is_product_of_vector(*arrays):
        x, matrix = arrays
        tape.append(np.dot, (x, matrix, target) if matrix.flags.c_contiguous else (matrix.T, x, target), (target,))
    elif ufunc in BY_NAME:
        tape.append(ufunc, arrays, (target,), {**options, "out": target})
    else:
        tape.append(ufunc, (*arrays, target), (target,), options)


def _is_product_of_vector(x: Array, matrix: Array) -> bool:
    """Return whether `np.dot` makes the same call of BLAS, with less around it."""
    whole = matrix.flags.c_contiguous or matrix.T.flags.c_contiguous
    return x.ndim == 1 and matrix.ndim == 2 and whole and min(matrix.shape) > 1


def _array(function: Any, inputs: list[Any], i: int, options: Mapping[str, Any], dtype: Any) -> Any:
    """Return a number as an array without axes, which numpy takes faster, where the result has the same dtype."""
    each = inputs[i]
    if isinstance(each, np.ndarray):
        return each
    other = next(part for part in inputs if isinstance(part, np.ndarray))
    alike = np.asarray(each) if isinstance(each, np.generic | complex) else np.asarray(each, other.dtype)
    same = alike.item() == each and function(*inputs[:i], alike, *inputs[i + 1 :], **options).dtype == dtype
    return alike if same else each


def _late(tape: Recorder, ufunc: np.ufunc, a: Any, b: Any) -> Recorded | None:
    """Return a sum, a product or a limit of integers whose constants are added later; None for anything else."""
    if _is_constant(a) and ufunc in (np.add, np.multiply):
        a, b = b, a
    if not _is_late(a) or not (_is_constant(b) or _is_late(b)):
        return None
    plain, others = Recorded(a.start, tape), Recorded(b.start, tape) if _is_late(b) else b
    if ufunc in (np.add, np.subtract):
        if _is_constant(b):
            return Recorded(a.start, tape, ufunc(a.offset, b, dtype=WIDE))
        offset = ufunc(a.offset, b.offset, dtype=WIDE)
    elif ufunc is np.multiply and _is_constant(b):
        offset = np.multiply(a.offset, b, dtype=WIDE)
    elif ufunc in BY_NAME and _is_constant(b):
        offset, others = a.offset, np.subtract(b, a.offset, dtype=WIDE)
    else:
        return None
    moved = np.any(a.offset) or (_is_late(b) and np.any(b.offset))
    return Recorded(applied(tape, ufunc, "__call__", (plain, others), {}).start, tape, offset) if moved else None


def _is_late(x: Any) -> bool:
    return isinstance(x, Recorded) and x.dtype == np.int64


def _is_constant(x: Any) -> bool:
    return isinstance(x, int | np.int64) or (isinstance(x, np.ndarray) and x.dtype == np.int64)
