"""A report as Markdown for the summary of a CI job: a heading and tables."""

import re

from edgernn.latency.report import Report, Rows


def to_markdown(report: Report) -> str:
    """Write a report as Markdown; several may be concatenated."""
    lines = [f"### {_plain(report.qualified_verdict)}: {_code(report.name)}", ""]
    lines += [f"Requirement: {_plain(report.requirement)}.", ""]
    lines += [f"- {_plain(reason)}" for reason in report.reasons]
    lines += [""] if report.reasons else []
    lines += [*_table(report.head, report.rows, right=True), ""]
    lines += [*_table(("", ""), tuple(report.figures.items())), ""]
    lines += [f"- {_plain(note)}" for note in report.notes]
    return "\n".join([*lines, ""])


def _table(head: tuple[str, ...], rows: Rows, *, right: bool = False) -> list[str]:
    alignment = ("---", *(["--:" if right else "---"] * (len(head) - 1)))
    return [_row(*map(_plain, head)), _row(*alignment), *(_row(*map(_plain, row)) for row in rows)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text on one line, with the special characters of Markdown and HTML escaped."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", line)


def _code(text: str) -> str:
    """A name as inline code; characters that would end the code or the table cell are replaced."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return f"`{shown.replace('`', chr(39)).replace('|', '/')}`"
