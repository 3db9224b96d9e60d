"""The memory of a recorded step: which arrays share an arena, and calls bound to places in it.

A result that is only copied, into a concatenation, a state or the answer, is computed where the copy would put it. The
memory of a value is used again after its last use.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.bound.tape import Call, address, root

ALIGNMENT = 64  # bytes of a cache line


@dataclass(frozen=True)
class Place:
    """A view: of which buffer, at which offset in bytes."""

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    def of(self, buffers: Mapping[int, Array]) -> Array:
        """Return the view of a buffer, an array of bytes."""
        return np.ndarray(self.shape, self.dtype, buffers[self.buffer].data, self.offset, self.strides)


Bound = Callable[[], Any]


@dataclass(frozen=True)
class Plan:
    """Recorded calls with places instead of arrays.

    Attributes:
        calls: (function, arguments, options) of each, in order, with a Place for each array of the step.
        outside: the buffers that outlive a step, in the order in which they were declared.
        places: the temporary buffers -> their offsets in the arena.
        arena: its bytes.
    """

    calls: tuple[tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]], ...]
    outside: tuple[int, ...]
    places: Mapping[int, int]
    arena: int

    def bind(self, outside: Sequence[Array], arena: Array) -> list[Bound]:
        """Return the calls with their arrays: those that outlive a step, and the arena for all others."""
        buffers = {buffer: array.view(np.uint8) for buffer, array in zip(self.outside, outside, strict=True)}
        buffers |= {buffer: arena[offset:] for buffer, offset in self.places.items()}

        def arrays(each: Any) -> Any:
            if isinstance(each, tuple):
                return tuple(map(arrays, each))
            return each.of(buffers) if isinstance(each, Place) else each

        return [
            partial(function, *map(arrays, args), **{name: arrays(each) for name, each in options.items()})
            for function, args, options in self.calls
        ]


def aligned(array: Array) -> Array:
    """Return a copy that begins on a cache line: a matrix product of it is a sixth faster, and has the same bits."""
    memory = zeros(array.nbytes)
    copy: Array = memory.view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def zeros(nbytes: int) -> Array:
    """Return bytes that begin on a cache line."""
    memory = np.zeros(nbytes + ALIGNMENT, np.uint8)
    start = -address(memory) % ALIGNMENT
    return memory[start : start + nbytes]


def planned(calls: Sequence[Call], outside: Sequence[Array]) -> Plan:
    """Return the plan of recorded calls.

    Args:
        calls: in order.
        outside: the arrays that outlive a step, each with memory of its own.
    """
    memory = _Memory(calls, outside)
    dropped = memory.drop_copies()
    left = [call for i, call in enumerate(calls) if i not in dropped]
    uses: dict[int, tuple[int, int]] = {}
    for i, call in enumerate(left):
        for array in memory.arrays(call):
            buffer = memory.place(array).buffer
            uses[buffer] = (uses.get(buffer, (i, i))[0], i)
    fixed = tuple(memory.place(array).buffer for array in outside)
    places, arena = _arranged({b: (*use, memory.sizes[b]) for b, use in uses.items() if b not in fixed})
    return Plan(
        tuple(
            (
                call.function,
                memory.placed(call.args),
                {name: memory.placed(each) for name, each in call.options.items()},
            )
            for call in map(_with_aligned_matrix, left)
        ),
        fixed,
        places,
        arena,
    )


def _with_aligned_matrix(call: Call) -> Call:
    """Return a product of a matrix and a vector with a matrix that begins on a cache line."""
    if call.function is not np.dot:
        return call
    return replace(call, args=tuple(aligned(each) if each.ndim == 2 else each for each in call.args))


class _Memory:
    """The buffers of recorded calls, by numbers, and which of them lie inside others."""

    def __init__(self, calls: Sequence[Call], outside: Sequence[Array]) -> None:
        self._calls = calls
        roots = {id(array): array for array in map(root, (*outside, *(each for call in calls for each in call.writes)))}
        self._numbers = {key: number for number, key in enumerate(roots)}
        self._starts = {key: address(array) for key, array in roots.items()}
        self._outside = {self._numbers[id(root(array))] for array in outside}
        self.sizes = {self._numbers[key]: array.nbytes for key, array in roots.items()}
        self._inside: dict[int, tuple[int, int]] = {}  # buffer -> the buffer that it is a part of, and its offset there

    def place(self, array: Array) -> Place:
        """Return the place of an array of the step."""
        key = id(root(array))
        buffer, offset = self._numbers[key], address(array) - self._starts[key]
        while buffer in self._inside:
            buffer, more = self._inside[buffer]
            offset += more
        return Place(buffer, offset, array.shape, array.strides, array.dtype)

    def placed(self, each: Any) -> Any:
        """Return an argument of a call with places instead of arrays; a constant stays an array."""
        if isinstance(each, np.ndarray):
            return self.place(each) if id(root(each)) in self._numbers else each
        return tuple(map(self.placed, each)) if isinstance(each, tuple) else each

    def arrays(self, call: Call) -> Iterator[Array]:
        """Yield the arrays of the step that a call reads or writes."""
        pending = [*call.args, *call.options.values()]
        while pending:
            each = pending.pop()
            if isinstance(each, tuple):
                pending += each
            elif isinstance(each, np.ndarray) and id(root(each)) in self._numbers:
                yield each

    def drop_copies(self) -> frozenset[int]:
        """Put each whole result that is copied where the copy puts it, if possible; return these copies by index."""
        first = {id(root(array)): i for i, call in reversed([*enumerate(self._calls)]) for array in call.writes}
        last = {id(root(array)): i for i, call in enumerate(self._calls) for array in call.writes}
        dropped = set()
        for i, call in reversed([*enumerate(self._calls)]):
            key = id(root(call.args[2])) if call.is_copy else 0
            if key in first and last[key] < i and self._is_free(call, first[key], i):
                place = self.place(call.args[0])
                self._inside[self._numbers[key]] = place.buffer, place.offset
                dropped.add(i)
        return frozenset(dropped)

    def _is_free(self, copy: Call, first: int, end: int) -> bool:
        """Return whether a copy is of a whole buffer to a place that no call from `first` to `end` uses."""
        target, source = copy.args[0], copy.args[2]
        number, place = self._numbers[id(root(source))], self.place(target)
        plain = target.flags.c_contiguous and source.flags.c_contiguous and target.dtype == source.dtype
        whole = plain and source.nbytes == target.nbytes == self.sizes[number]
        if not whole or number in self._outside or number in self._inside or place.buffer == number:
            return False
        uses = (self.place(array) for call in self._calls[first:end] for array in self.arrays(call))
        return not any(each.buffer == place.buffer and _overlap(each, place) for each in uses)


def _overlap(a: Place, b: Place) -> bool:
    (a_begin, a_end), (b_begin, b_end) = _bounds(a), _bounds(b)
    return a_begin < b_end and b_begin < a_end


def _bounds(place: Place) -> tuple[int, int]:
    """Return the offsets of the first byte of a place, and of the first after it."""
    if 0 in place.shape:
        return place.offset, place.offset
    steps = [(length - 1) * stride for length, stride in zip(place.shape, place.strides, strict=True)]
    begin = place.offset + sum(step for step in steps if step < 0)
    return begin, place.offset + sum(step for step in steps if step > 0) + place.dtype.itemsize


def _arranged(uses: Mapping[int, tuple[int, int, int]]) -> tuple[dict[int, int], int]:
    """Return the offset of each buffer in an arena, and its size: those that are in use at once do not overlap.

    Args:
        uses: buffer -> (its first use, its last, its bytes).
    """
    places: dict[int, int] = {}
    busy: list[tuple[int, int, int]] = []  # (offset, end, last use), by offset
    size = 0
    for buffer, (first, last, nbytes) in sorted(uses.items(), key=lambda item: item[1][0]):
        busy = [each for each in busy if each[2] >= first]
        offset = 0
        for begin, end, _ in busy:
            if begin - offset >= nbytes:
                break
            offset = max(offset, end)
        end = offset + -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
        busy = sorted([*busy, (offset, end, last)])
        places[buffer], size = offset, max(size, end)
    return places, size
