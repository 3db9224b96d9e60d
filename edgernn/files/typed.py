"""Whether what a file says is of the type that a dataclass declares for it."""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from math import isfinite
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

LARGEST = 1 << 53  # whole numbers beyond it are no longer exact in a float64


def check(cls: type[Any], said: Mapping[str, Any]) -> None:
    """Hold values by name against the fields of a dataclass; names that are none of its fields are left alone.

    Raises:
        ValueError: a value of another type, or a number that is not finite.
    """
    for name, kind in get_type_hints(cls).items():
        if name in said and not fits(kind, said[name]):
            text = repr(said[name])
            raise ValueError(f"'{name}' is {text if len(text) < 50 else f'{text[:50]}...'}; expected {named(kind)}")


def fits(kind: Any, value: Any) -> bool:
    """Whether a value is of a type: one of float, int, str and bool, of tuples and mappings of them, or of any."""
    if kind is Any:
        return True
    if kind in {str, bool, NoneType}:
        return type(value) is kind
    if kind is int:
        return type(value) is int and abs(value) <= LARGEST
    if kind is float:
        return (type(value) is float and isfinite(value)) or fits(int, value)
    if get_origin(kind) in {Union, UnionType}:
        return any(fits(each, value) for each in get_args(kind))
    if get_origin(kind) in {tuple, list, Sequence}:
        return isinstance(value, list | tuple) and all(fits(get_args(kind)[0], each) for each in value)
    if get_origin(kind) is not None and issubclass(get_origin(kind), Mapping):
        return isinstance(value, Mapping) and all(fits(get_args(kind)[1], each) for each in value.values())
    if is_dataclass(kind) and isinstance(value, Mapping):
        return all(fits(each, value[name]) for name, each in get_type_hints(kind).items() if name in value)
    return isinstance(value, kind)


WORDS: Mapping[Any, str] = MappingProxyType(
    {str: "a text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "nothing"}
)
"""A type -> what it is called in a message."""


def named(kind: Any) -> str:
    """A type in the words of a message."""
    if kind in WORDS:
        return WORDS[kind]
    if get_origin(kind) in {Union, UnionType}:
        return " or ".join(map(named, get_args(kind)))
    if get_origin(kind) in {tuple, list, Sequence}:
        return f"a list, each {named(get_args(kind)[0])}"
    return "a table" if get_origin(kind) is not None else str(getattr(kind, "__name__", kind))
