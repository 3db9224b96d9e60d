"""What `edgernn check`, `certify` and `regress` have in common: reports for CI."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.latency.report import Report

OPTIONS = (
    click.option("--junit", metavar="FILE", help="Write the verdict as JUnit XML."),
    click.option("--markdown", metavar="FILE", help="Write it as Markdown, for the summary of a CI job."),
)


def reported(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def ready(*paths: str | None) -> None:
    """Make sure that every file that is asked for can be written, before anything long is done for it.

    Raises:
        FileError: one cannot.
        UsageError: two are the same.
    """
    from edgernn.errors import UsageError
    from edgernn.files import atomic

    named = [path for path in paths if path is not None]
    twice = next((path for k, path in enumerate(named) if path in named[:k]), None)
    if twice is not None:
        raise UsageError(f"'{twice}' is to be written twice; give each report a file of its own")
    for path in named:
        atomic.writable(path)


def reports(result: "Report", when: datetime, junit: str | None, markdown: str | None) -> Mapping[str, bytes]:
    """The files that were asked for, by their paths; nothing is written yet.

    Args:
        result: what they tell.
        when: the command began, with a time zone.
        junit, markdown: paths.
    """
    from edgernn.latency.junit import to_junit
    from edgernn.latency.markdown import to_markdown

    made = {junit: to_junit(result, when), markdown: to_markdown(result).encode(errors="replace")}
    return {path: data for path, data in made.items() if path is not None}
