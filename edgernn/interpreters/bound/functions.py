"""How calls of other functions of numpy are noted: as copies and ufuncs, or as they are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.integer.spectrum import whole
from edgernn.interpreters.bound.recorded import Recorded, Recorder, bare
from edgernn.model.positions import entries


def called(tape: Recorder, function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Note a call of a function that has no place for its results: they are copied."""
    plain = tuple(map(bare, args))
    results = function(*plain, **options)
    several = isinstance(results, tuple | list)
    targets = tuple(np.array(each) for each in (results if several else (results,)))

    def compute(targets: tuple[Array, ...], *args: Any) -> None:
        results = function(*args, **options)
        for target, result in zip(targets, results if several else (results,), strict=True):
            target[...] = result

    tape.append(compute, (targets, *plain), targets)
    recorded = [Recorded(each, tape) for each in targets]
    return recorded if several else recorded[0]


@entries.register
def _entries(index: Recorded, table: Array) -> Recorded:
    """An index into a vector is in range, and its offset turns the vector; one into a matrix is checked later."""
    turned = np.ndim(index.offset) == 0 and table.ndim == 1
    plain = np.roll(table, -int(index.offset)) if turned else table
    where, mode = index.start if turned else index.array, "wrap" if table.ndim == 1 else "raise"

    def note() -> Array:
        short = Recorded(where, index.tape).astype(where.dtype if np.can_cast(where.dtype, np.intp) else np.intp)
        result = np.take(plain, short.array, axis=0, mode="wrap")  # where Python has 32 bits, no int64 is an index
        index.tape.append(np.ndarray.take, (plain, short.array, 0, result, mode), (result,))
        return result

    return index.tape.noted((np.take, table, where, index.offset), note)


@whole.register
def _whole(x: Recorded, compute: Callable[..., Any]) -> Recorded:
    recorded: Recorded = called(x.tape, compute, (x,), {})
    return recorded


def _concatenate(tape: Recorder, xs: Sequence[Any], axis: int = 0) -> Recorded:
    plain = [bare(x) for x in xs]

    def note() -> Array:
        result = np.concatenate(plain, axis=axis)
        ends = np.cumsum([x.shape[axis] for x in plain])[:-1]
        for part, x in zip(np.split(result, ends, axis=axis), plain, strict=True):
            tape.copy(part, x)
        return result

    return tape.noted((np.concatenate, *plain, axis), note)


def _stack(tape: Recorder, xs: Sequence[Any], axis: int = 0) -> Recorded:
    plain = [bare(x) for x in xs]

    def note() -> Array:
        result = np.stack(plain, axis=axis)
        for part, x in zip(np.moveaxis(result, axis, 0), plain, strict=True):
            tape.copy(part, x)
        return result

    return tape.noted((np.stack, *plain, axis), note)


def _split(_tape: Recorder, x: Recorded, ends: int | Sequence[int], axis: int = 0) -> list[Recorded | None]:
    sections = len(np.split(x.start, ends, axis=axis))

    def part(i: int) -> Recorded | None:
        return x.view(lambda array: np.split(array, ends, axis=axis)[i])

    return [part(i) for i in range(sections)]


def _clip(_tape: Recorder, x: Recorded, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _where(tape: Recorder, condition: Recorded, a: Any, b: Any) -> Recorded:
    where, chosen, other = condition.array, bare(a), bare(b)

    def note() -> Array:
        result = np.array(np.where(where, chosen, other))
        tape.copy(result, np.asarray(other, result.dtype))
        tape.append(np.copyto, (result, np.asarray(chosen, result.dtype), "same_kind", where), (result,))
        return result

    return tape.noted((np.where, where, chosen, other), note)


def _full_like(tape: Recorder, x: Recorded, value: Any, shape: Any = None) -> Recorded:
    result = np.full_like(x.start, value, shape=shape)
    tape.copy(result, np.asarray(value, result.dtype))
    return Recorded(result, tape)


def _zeros_like(tape: Recorder, x: Recorded, shape: Any = None) -> Recorded:
    return _full_like(tape, x, 0, shape)


def _take(tape: Recorder, x: Recorded, rows: Any, axis: int | None = None) -> Recorded:
    array = x.array

    def note() -> Array:
        result: Array = np.take(array, rows, axis=axis)
        tape.append(np.ndarray.take, (array, rows, axis, result, "clip"), (result,))
        return result

    return tape.noted((np.take, array, rows, axis), note)


def _nan_to_num(tape: Recorder, x: Recorded, nan: Any = 0) -> Recorded:
    """NaN alone is replaced: what calls it clips infinite numbers, or has none."""
    return _where(tape, tape.ufunc(np.isnan, "__call__", (x,), {}), x.dtype.type(nan), x)


FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.split: _split,
    np.clip: _clip,
    np.where: _where,
    np.full_like: _full_like,
    np.zeros_like: _zeros_like,
    np.take: _take,
    np.nan_to_num: _nan_to_num,
}
"""The functions of numpy that are noted as others."""
