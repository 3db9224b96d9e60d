"""Reports for CI, which `edgernn check`, `certify` and `regress` write."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import click

from edgernn.commands.options.shared import several
from edgernn.commands.options.types import PATH

if TYPE_CHECKING:
    from edgernn.latency.report import Report

report_options = several(
    click.option("--junit", metavar="FILE", type=PATH, help="Write the verdict as JUnit XML."),
    click.option("--markdown", metavar="FILE", type=PATH, help="Write the verdict as Markdown, for a CI summary."),
)


def check_writable(*paths: str | None) -> None:
    """Check that every report can be written, before the measurement begins.

    Raises:
        FileError: a file cannot be written.
        UsageError: two reports have the same path.
    """
    from edgernn.errors import UsageError
    from edgernn.files import atomic

    named = [path for path in paths if path is not None]
    repeated = next((path for k, path in enumerate(named) if path in named[:k]), None)
    if repeated is not None:
        raise UsageError(f"two reports have the path '{repeated}'; give each a path of its own")
    for path in named:
        atomic.writable(path)


def render_reports(result: "Report", when: datetime, junit: str | None, markdown: str | None) -> Mapping[str, bytes]:
    """Return the reports by their paths; nothing is written.

    Args:
        result: the verdict and its figures.
        when: the start of the command, with a time zone.
        junit, markdown: paths; None for no such report.
    """
    from edgernn.latency.junit import to_junit
    from edgernn.latency.markdown import to_markdown

    reports = {junit: to_junit(result, when), markdown: to_markdown(result).encode(errors="replace")}
    return {path: report for path, report in reports.items() if path is not None}
