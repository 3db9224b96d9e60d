"""The tape: the calls of numpy that compute a step, in order, each with the arrays that it reads and writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import setitem
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.array import Array

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
BY_VALUE = (int, float, complex, str, np.generic, np.dtype, type(None))
"""What is equal where its text is; everything else only where it is the same object."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call: `function(*args, **options)`.

    Attributes:
        function: of numpy, or one that computes into its arguments as they do.
        args, options: with arrays in the places that it reads and writes.
        writes: the arrays among them that it writes.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    writes: tuple[Array, ...]

    @property
    def is_copy(self) -> bool:
        """Whether it only copies an array."""
        return self.function is setitem and isinstance(self.args[2], np.ndarray)


class Tape:
    """The calls so far; equal calls are noted once.

    Attributes:
        calls: in order.
        ignores: whether the definition ignores a floating-point error of any call, such as a division by 0.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ignores = False
        self._results: dict[Any, tuple[tuple[Array, ...], Any]] = {}
        self._versions: dict[int, int] = {}  # id of the owner of memory -> how often it was written
        self._alive: list[Any] = []  # what is known by its id
        self._shared: set[int] = set()  # ids of the owners of results that were returned more than once

    def append(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        writes: Sequence[Array],
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> None:
        """Note a call."""
        self.calls.append(Call(function, tuple(args), options, tuple(writes)))
        self._alive += args
        for array in writes:
            self._versions[id(root(array))] = self._versions.get(id(root(array)), 0) + 1

    def copy(self, target: Array, source: Array) -> None:
        """Note a copy, which may change the dtype."""
        self.append(setitem, (target, Ellipsis, source), (target,))

    def once(self, key: Sequence[Any], note: Callable[[], tuple[Array, ...]]) -> tuple[Array, ...]:
        """Return the results of an equal call before, or note it. `key` is the function with all that it reads."""
        known = self._name(tuple(key))
        results, written = self._results.get(known, ((), ()))
        if not results or written != self._name(results):  # a result that was written again is another
            self._alive += key
            results = note()
            self._results[known] = results, self._name(results)
        else:
            self._shared.update(id(root(each)) for each in results)
        return results

    def is_shared(self, array: Array) -> bool:
        """Return whether an array was returned for several calls, none of which expects it to change."""
        return id(root(array)) in self._shared

    def _name(self, each: Any) -> Any:
        """Return what tells an argument of a call from all others, the state of its memory included."""
        if isinstance(each, np.ndarray):
            return (address(each), each.shape, each.strides, each.dtype, self._versions.get(id(root(each)), 0))
        if isinstance(each, tuple | list):
            return tuple(self._name(part) for part in each)
        return (type(each), repr(each)) if isinstance(each, BY_VALUE) else id(each)


def root(array: Array) -> Array:
    """Return the array that owns the memory of a view."""
    return array if array.base is None else root(array.base)


def address(array: Array) -> int:
    """Return the address of its first element."""
    place: int = array.__array_interface__["data"][0]
    return place
