"""Filling a page: one file of HTML that needs nothing from elsewhere, with every text escaped."""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

Cell = tuple[str, str]  # what a cell of a table says, and a smaller word below it
Row = tuple[Cell, ...]

PAGES = Environment(
    loader=PackageLoader("edgernn.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def fill(name: str, /, **said: Any) -> str:
    """A page by the name of its file in templates/, filled; what is no Markup is escaped."""
    return PAGES.get_template(name).render(said)


def row(*cells: str) -> Row:
    """A row of a table whose cells have nothing below."""
    return tuple((cell, "") for cell in cells)


def number(value: float) -> str:
    """Four digits, as a person reads them."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def kib(size: int) -> str:
    """Bytes as KiB."""
    return f"{size / 1024:,.1f}"


def facts(table: Mapping[str, Any]) -> tuple[Row, ...]:
    """A row for every value in tables of tables; what is not known is a stroke."""
    return tuple(row(name, "-" if value is None else str(value)) for name, value in flat(table))


def flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in tables of tables, by a name such as "versions.numpy"."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
