"""Values parsed from a file, checked against the types that a dataclass declares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from math import isfinite
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

LARGEST = 1 << 53  # larger integers are not exact in float64


@dataclass(frozen=True)
class Where:
    """A condition beside a declared type: `Annotated[float, Where(lambda x: x >= 0, "a number of at least 0")]`.

    Attributes:
        holds: called with a value of the type.
        text: what is expected, for error messages.
    """

    holds: Callable[[Any], bool]
    text: str


def check(cls: type[Any], values: Mapping[str, Any]) -> None:
    """Check values by name against the fields of a dataclass; names without a field are ignored.

    Raises:
        ValueError: a value has another type, violates its `Where`, or is a number that is not finite.
    """
    for name, kind in get_type_hints(cls, include_extras=True).items():
        if name in values and not fits(kind, values[name]):
            text = repr(values[name])
            raise ValueError(f"'{name}' is {text if len(text) < 50 else f'{text[:50]}...'}; expected {named(kind)}")


def fits(kind: Any, value: Any) -> bool:
    """Return whether a value has a type: float, int, str, bool, a tuple or mapping of these, a dataclass, or Any."""
    if kind is Any:
        return True
    if get_origin(kind) is Annotated:
        plain, *extras = get_args(kind)
        return fits(plain, value) and all(each.holds(value) for each in extras if isinstance(each, Where))
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
        hints = get_type_hints(kind, include_extras=True)
        return all(fits(each, value[name]) for name, each in hints.items() if name in value)
    return isinstance(value, kind)


NAMES: Mapping[Any, str] = MappingProxyType(
    {str: "a text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "nothing"}
)
"""A type -> its name in error messages."""


def named(kind: Any) -> str:
    """Return the name of a type in error messages."""
    if get_origin(kind) is Annotated:
        return next((each.text for each in get_args(kind)[1:] if isinstance(each, Where)), named(get_args(kind)[0]))
    if kind in NAMES:
        return NAMES[kind]
    if get_origin(kind) in {Union, UnionType}:
        return " or ".join(map(named, get_args(kind)))
    if get_origin(kind) in {tuple, list, Sequence}:
        return f"a list, each {named(get_args(kind)[0])}"
    return "a table" if get_origin(kind) is not None else str(getattr(kind, "__name__", kind))
