"""Rendering a page: one self-contained file of HTML, with all text escaped."""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

TableCell = tuple[str, str]  # text, and a smaller line below it
TableRow = tuple[TableCell, ...]

PAGES = Environment(
    loader=PackageLoader("edgernn.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def fill(name: str, /, **values: Any) -> str:
    """Render a template from templates/ with these values; everything but Markup is escaped."""
    return PAGES.get_template(name).render(values)


def row(*cells: str) -> TableRow:
    """A row of a table, without smaller lines."""
    return tuple((cell, "") for cell in cells)


def number(value: float) -> str:
    """A number with about four digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def kib(size: int) -> str:
    """Bytes as KiB."""
    return f"{size / 1024:,.1f}"


def facts(table: Mapping[str, Any]) -> tuple[TableRow, ...]:
    """A row for every value of nested tables; None is shown as "-"."""
    return tuple(row(name, "-" if value is None else str(value)) for name, value in flat(table))


def flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested tables, with a name such as "versions.numpy"."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
