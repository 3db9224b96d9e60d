"""`edgernn regress`: whether one artifact, or one runtime, is slower than another."""

import json
import sys
import time
from datetime import UTC, datetime

import click

from edgernn.commands.options import shared
from edgernn.commands.options.reporting import check_writable, render_reports, report_options
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import status

ABOVE = click.FloatRange(0, min_open=True)


@click.command(no_args_is_help=True)
@click.argument("base", type=PATH)
@click.argument("candidate", type=PATH)
@click.option(
    "--base-python", type=PATH, metavar="PYTHON", help="Run BASE by this interpreter, which has another runtime."
)
@click.option("--tolerance", type=ABOVE, default=5.0, show_default=True, help="Allow the median to be this % slower.")
@click.option("--tail-tolerance", type=ABOVE, default=10.0, show_default=True, help="Allow p95 to be this % slower.")
@shared.frames()
@shared.threads
@shared.seed
@shared.as_json
@report_options
def regress(
    base: str,
    candidate: str,
    base_python: str | None,
    tolerance: float,
    tail_tolerance: float,
    frames: str | None,
    threads: int,
    seed: int,
    as_json: bool,
    junit: str | None,
    markdown: str | None,
) -> None:
    """Test whether one artifact is slower than another.

    BASE and CANDIDATE are timed interleaved, each in a process of its own. BASE runs in a second process too: unless it
    is as fast as itself, the machine is not fit and there is no verdict. To test an upgrade of the runtime, give one
    artifact twice and --base-python. The exit code is 0 for not slower, 1 for slower, and 3 for no verdict.
    """
    from edgernn.files import atomic
    from edgernn.latency.ab import ABTest, as_json as to_json, run_ab_test, text
    from edgernn.latency.regress import EXIT_CODES
    from edgernn.latency.report import report_ab_test

    check_writable(junit, markdown)
    began, when = time.monotonic(), datetime.now(UTC)
    ab = ABTest(base, candidate, base_python or sys.executable, frames=frames, threads=threads, seed=seed)
    tolerances = {"median": tolerance / 100, "p95": tail_tolerance / 100}
    with status("timing", lines=True) as note:
        comparison = run_ab_test(ab, tolerances, lambda pairs: note(f"{pairs} pairs ..."))
    click.echo(json.dumps(to_json(comparison), indent=2) if as_json else text(comparison))
    result = report_ab_test(comparison, time.monotonic() - began)
    atomic.write_all(render_reports(result, when, junit, markdown))
    click.get_current_context().exit(EXIT_CODES[comparison.comparison.verdict])
