"""A recipe as TOML in which a comment explains every key."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomli_w

from edgernn.train import keys

NEWLINE = "\n"
WIDTH = 100  # columns of a comment

READER = "the reader of the data; the other keys of this section are its options."
SEARCH = "what `edgernn search` varies: lists of choices, or ranges."


def commented(values: Mapping[str, Any], remarks: Sequence[str] = ()) -> str:
    """The TOML of a recipe with a comment above every key.

    Args:
        values: the content of the recipe: its title, then its sections.
        remarks: sentences for the beginning of the file.
    """
    lines = [*(line for remark in remarks for line in _comment(remark)), *([""] if remarks else [])]
    lines.append(_entry("title", values["title"]))
    for section, table in values.items():
        if section != "title":
            described = _section(section, values["data"]["reader"])
            lines += ["", *_comment(SEARCH if described is None else described.summary), f"[{section}]"]
            lines += _keys(table, {} if described is None else {key.name: key for key in described.keys})
    return "\n".join([*lines, ""])


def _section(name: str, reader: str) -> keys.Section | None:
    """The keys of a section, with this reader of data. [search] has none of its own."""
    tables = keys.sections()
    return tables.get(f"{name}.{reader}") or tables.get(name)


def _keys(table: Mapping[str, Any], meanings: Mapping[str, keys.Key]) -> Iterator[str]:
    for number, (name, value) in enumerate(table.items()):
        if number:
            yield ""
        if name == "reader":
            yield from _comment(READER)
        elif key := meanings.get(name):
            default = f" Default: {key.default}." if key.default else ""
            yield from _comment(f"{name}: {keys.plain(key.text)}{default}")
        yield _entry(name, value)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2)]


def _entry(name: str, value: Any) -> str:
    """One line `name = value`."""
    return f"{tomli_w.dumps({name: 0}).removesuffix(' = 0' + NEWLINE)} = {_inline(value)}"


def _inline(value: Any) -> str:
    """A value on one line, tables too; tomli_w has no option for it."""
    if isinstance(value, dict):
        return f"{{ {', '.join(_entry(*each) for each in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"_": value}).removeprefix("_ = ").removesuffix(NEWLINE)
