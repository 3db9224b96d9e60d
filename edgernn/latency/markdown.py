"""A result as Markdown: a heading and tables, for the summary of a CI job."""

import re

from edgernn.latency.result import Result, Rows


def markdown(result: Result) -> str:
    """The text, which may be put behind that of another result."""
    lines = [f"### {_plain(result.sentence)}: {_code(result.name)}", "", f"Asked: {_plain(result.asked)}.", ""]
    lines += [f"- {_plain(why)}" for why in result.why]
    lines += [""] if result.why else []
    lines += [*_table(result.head, result.rows, right=True), ""]
    lines += [*_table(("", ""), tuple(result.figures.items())), ""]
    lines += [f"- {_plain(remark)}" for remark in result.remarks]
    return "\n".join([*lines, ""])


def _table(head: tuple[str, ...], rows: Rows, *, right: bool = False) -> list[str]:
    under = ("---", *(["--:" if right else "---"] * (len(head) - 1)))
    return [_row(*map(_plain, head)), _row(*under), *(_row(*map(_plain, row)) for row in rows)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text in which no character has a meaning of Markdown's or HTML's, on one line."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", line)


def _code(text: str) -> str:
    """A name in the type of code; what would end the cell or the code is replaced."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return f"`{shown.replace('`', chr(39)).replace('|', '/')}`"
