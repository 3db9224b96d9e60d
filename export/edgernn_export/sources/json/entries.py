"""The entries of a JSON file, checked: numbers, names and arrays of the expected shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError
from edgernn.model.cell import LARGEST

Axes = Sequence[int | None]
"""The expected length of each axis; None for any."""


@dataclass(frozen=True)
class Entries:
    """An object of a JSON file.

    Attributes:
        file: its name, for messages.
        path: of the object in the file, such as "layers[2]"; "" for the whole.
        members: its members by name.
    """

    file: str
    path: str
    members: Mapping[str, Any]

    def place(self, name: str) -> str:
        """Return the path of a member, for messages."""
        return f"{self.path}.{name}" if self.path else name

    def error(self, name: str, arrived: str, expected: str) -> FileError:
        """Return the error for a member: what arrived and what was expected."""
        return FileError(f"'{self.file}': '{self.place(name)}' {arrived}; expected {expected}")

    def value(self, name: str) -> Any:
        """Return a member.

        Raises:
            FileError: there is none.
        """
        if name not in self.members:
            known = ", ".join(f"'{each}'" for each in list(self.members)[:8]) or "nothing"
            raise self.error(name, f"is missing beside {known}", "it in the file")
        return self.members[name]

    def object(self, name: str) -> "Entries":
        """Return a member that is an object."""
        value = self.value(name)
        if not isinstance(value, dict):
            raise self.error(name, f"is {_kind(value)}", "an object")
        return Entries(self.file, self.place(name), value)

    def objects(self, name: str) -> "list[Entries]":
        """Return a member that is a list of objects."""
        value = self.value(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value) or not value:
            raise self.error(name, f"is {_kind(value)}", "a list of objects")
        return [Entries(self.file, f"{self.place(name)}[{i}]", each) for i, each in enumerate(value)]

    def text(self, name: str) -> str:
        """Return a member that is a string."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self.error(name, f"is {_kind(value)}", "a string")
        return value

    def flag(self, name: str) -> bool:
        """Return a member that is true, false, 0 or 1."""
        value = self.value(name)
        if value not in (True, False):
            raise self.error(name, f"is {value!r}"[:80], "true or false")
        return bool(value)

    def size(self, name: str, least: int = 1) -> int:
        """Return a member that is a whole number, or the last number of a list, such as a shape."""
        value = self.value(name)
        value = value[-1] if isinstance(value, list) and value else value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
            raise self.error(name, f"is {value!r}"[:80], f"a whole number from {least} to {LARGEST:,}")
        return value

    def number(self, name: str) -> float:
        """Return a member that is a finite number."""
        value = self.value(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
            raise self.error(name, f"is {value!r}"[:80], "a number")
        return float(value)

    def array(self, name: str, axes: Axes | None = None) -> Array:
        """Return a member that holds numbers in lists, in float32.

        Raises:
            FileError: it holds something else, its lists are of different lengths, or its shape is another.
        """
        return array(self, name, self.value(name), axes)


def array(entries: Entries, name: str, value: Any, axes: Axes | None = None) -> Array:
    """Return nested lists of numbers as an array of float32; see `Entries.array`."""
    shape = _shape(value)
    if axes is not None and (len(shape) != len(axes) or not all(map(_fits, axes, shape))):
        expected = tuple("any" if each is None else each for each in axes)
        text = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
        raise entries.error(name, f"has shape {shape}", f"({text})")
    try:
        with np.errstate(over="ignore"):  # what overflows is refused below
            numbers = np.array(value, np.float64).astype(np.float32) if _is_numbers(value) else None
    except (ValueError, TypeError, OverflowError):
        numbers = None
    if numbers is None or numbers.shape != shape:
        raise entries.error(
            name, f"of shape {shape} holds something else than numbers", "numbers in lists of equal lengths"
        )
    if not np.isfinite(numbers).all():
        raise entries.error(name, "holds a number that is not finite in float32", "finite numbers")
    return numbers


def _fits(axis: int | None, length: int) -> bool:
    return axis is None or axis == length


def _shape(value: Any) -> tuple[int, ...]:
    """Return the lengths of the first lists."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _is_numbers(value: Any) -> bool:
    """Whether nested lists hold numbers alone, which numpy would not say of strings and flags."""
    if isinstance(value, list):
        return all(map(_is_numbers, value))
    return type(value) in {int, float}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null", bool: "a flag"}
    return names.get(type(value), "a number")
