"""Recorded arrays: the definition computes with them as with arrays of numpy, and its calls are noted on a tape."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import getitem, setitem
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from edgernn.array import Array
from edgernn.interpreters.bound.tape import Tape, root


class Recorder(Tape, ABC):
    """A tape that knows how to note what is done to recorded arrays: see edgernn.interpreters.bound.recorder."""

    def noted(self, key: Sequence[Any], note: Callable[[], Array]) -> "Recorded":
        """Return the result of a call, which is noted unless an equal one was: see `once`."""
        return Recorded(self.once(key, lambda: (note(),))[0], self)

    @abstractmethod
    def ufunc(self, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> "Recorded":
        """Note a call of a ufunc, or of one of its methods."""

    @abstractmethod
    def function(self, function: Callable[..., Any], args: Any, options: Mapping[str, Any]) -> Any:
        """Note a call of another function of numpy."""


class Recorded(NDArrayOperatorsMixin):
    """An array whose operations are noted.

    A constant that is added to integers is not added until a call needs it: two may cancel each other, as zero points
    do, and a product or a table takes it over. Integers of 64 bits wrap, so the order of their sums does not matter.

    Attributes:
        tape: where its calls are noted.
        start: an array of its shape and dtype, and of its place in memory where `offset` is 0.
        offset: what is to be added to it.
    """

    def __init__(self, start: Array, tape: Recorder, offset: Any = 0) -> None:
        self.start, self.tape, self.offset = start, tape, offset
        self.shape, self.ndim, self.dtype = start.shape, start.ndim, start.dtype

    @property
    def array(self) -> Array:
        """Its place in memory, once its sum is noted."""
        if not np.any(self.offset):
            return self.start

        def note() -> Array:
            result: Array = self.start + self.offset
            self.tape.append(np.add, (self.start, np.asarray(self.offset, self.dtype), result), (result,))
            return result

        return self.tape.noted((np.add, self.start, self.offset), note).start

    def view(self, change: Callable[[Array], Any]) -> "Recorded | None":
        """Return a view of it; None where the change does not give a view."""
        offset, array = (self.offset, self.start) if np.ndim(self.offset) == 0 else (0, self.array)
        part = change(array)
        return Recorded(part, self.tape, offset) if isinstance(part, np.ndarray) and root(part) is root(array) else None

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return self.tape.ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self, function: Callable[..., Any], _types: Any, args: Any, options: Mapping[str, Any]
    ) -> Any:
        return self.tape.function(function, args, options)

    def __array__(self, *_args: Any, **_options: Any) -> Array:
        raise TypeError("a recorded array has no numbers: use functions of numpy that take it as it is")

    def __bool__(self) -> bool:
        raise TypeError("a recorded array has no numbers to decide by: use np.where")

    def __getitem__(self, key: Any) -> Any:
        part = self.view(lambda array: array[key])
        return self.tape.function(getitem, (self, key), {}) if part is None else part

    def own(self) -> Array:
        """Return its array, which may be overwritten from now on.

        Raises:
            TypeError: it is a part of a result that others read.
        """
        array = self.array
        if self.tape.is_shared(array):
            if array.base is not None:
                raise TypeError("a part of a result that others read cannot be overwritten: copy the whole before")
            array = self.copy().start
        self.start, self.offset = array, 0
        return array

    def __setitem__(self, key: Any, value: Any) -> None:
        part = self.own()[key]
        if isinstance(part, np.ndarray) and root(part) is root(self.array):
            self.tape.copy(part, value.array if isinstance(value, Recorded) else np.asarray(value, self.dtype))
        else:
            self.tape.append(setitem, (self.array, key, bare(value)), (self.array,))

    def astype(self, dtype: Any) -> "Recorded":
        """The same numbers in another dtype."""
        if self.dtype == dtype:
            return self
        array = self.array

        def note() -> Array:
            result = np.zeros(self.shape, dtype)
            self.tape.copy(result, array)
            return result

        return self.tape.noted((setitem, np.dtype(dtype), array), note)

    def copy(self) -> "Recorded":
        """The same numbers in memory of their own."""
        result = np.zeros(self.shape, self.dtype)
        self.tape.copy(result, self.array)
        return Recorded(result, self.tape)

    def reshape(self, *shape: int) -> "Recorded":
        """The same elements in row-major order: a view, where their places allow it."""
        view = self.view(lambda array: array.reshape(*shape))
        return self.copy().reshape(*shape) if view is None else view

    @property
    def real(self) -> Any:
        """The real parts."""
        return self.view(lambda array: array.real)

    @property
    def imag(self) -> Any:
        """The imaginary parts of complex numbers."""
        return self.view(lambda array: array.imag)

    def max(self, axis: int, *, keepdims: bool = False) -> "Recorded":
        return self.tape.ufunc(np.maximum, "reduce", (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis: int, *, keepdims: bool = False) -> "Recorded":
        return self.tape.ufunc(np.minimum, "reduce", (self,), {"axis": axis, "keepdims": keepdims})

    def sum(self, axis: int, *, keepdims: bool = False) -> "Recorded":
        return self.tape.ufunc(np.add, "reduce", (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: int, *, keepdims: bool = False) -> "Recorded":
        count = self.dtype.type(self.shape[axis])
        return self.tape.ufunc(np.divide, "__call__", (self.sum(axis=axis, keepdims=keepdims), count), {})


def bare(each: Any) -> Any:
    """Return the array of a recorded array, and anything else as it is; those in a tuple or list one by one."""
    if isinstance(each, tuple | list):
        return type(each)(map(bare, each))
    return each.array if isinstance(each, Recorded) else each
