"""The keys of a section of a recipe, checked against the fields of a dataclass."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgernn.files.document import Document
from edgernn.files.spelling import misspelt
from edgernn.train.loop.batches import Batching
from edgernn.train.loop.task import Training

LIMIT = 1 << 31

EXPECTED = {
    bool: "true or false",
    int: f"a whole number below {LIMIT}",
    float: f"a number below {LIMIT}",
    str: "text",
    tuple: f"a list of numbers below {LIMIT}",
}


def checked(document: Document, section: str, table: Mapping[str, Any], cls: type[Any]) -> dict[str, Any]:
    """The table of a section, checked against the fields of a dataclass."""
    known = {name: kind for name, kind in field_types(cls).items() if name != "batching"}
    for key, value in table.items():
        if key not in known:
            names = [*known, *(field_types(Batching) if cls is Training else ())]
            raise document.error(f"there is no '{key}' in [{section}]; {misspelt(key, names)}", key, section)
        check_kind(document, section, key, value, known[key])
    return dict(table)


def typed(document: Document, batching: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in batching.items():
        check_kind(document, "training", key, value, field_types(Batching)[key])
    return dict(batching)


def check_kind(document: Document, section: str, key: str, value: Any, kind: type[Any]) -> None:
    if not fits(value, kind):
        raise document.error(f"'{key}' is {value!r}; expected {EXPECTED[kind]}", key, section)


def fits(value: Any, kind: type[Any]) -> bool:
    if kind is tuple:
        return isinstance(value, list) and all(fits(each, float) for each in value)
    return (type(value) is kind or (kind is float and type(value) is int)) and within_limit(value)


def within_limit(value: Any) -> bool:
    """Whether a number is finite and below LIMIT. True for values that are not numbers."""
    return type(value) not in {int, float} or abs(value) < LIMIT


def field_types(cls: type[Any]) -> dict[str, type[Any]]:
    return {each.name: type(each.default) for each in fields(cls)}
