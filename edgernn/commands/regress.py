"""`edgernn regress`: is one artifact, or one runtime, slower than another."""

import json
import sys
import time
from datetime import UTC, datetime

import click

from edgernn.commands.options.reporting import ready, reported, reports

ABOVE = click.FloatRange(0, min_open=True)


@click.command(no_args_is_help=True)
@click.argument("base")
@click.argument("candidate")
@click.option("--base-python", metavar="PYTHON", help="That runs BASE: of an environment with another runtime.")
@click.option("--tolerance", type=ABOVE, default=5.0, show_default=True, help="By how many % the median may be slower.")
@click.option("--tail-tolerance", type=ABOVE, default=10.0, show_default=True, help="And the 95th percentile.")
@click.option("--frames", metavar="FILE", help="Frames, .npy (time, inputs) or .csv, given in turn. Else random.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the runtimes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random frames.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@reported
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
    """Time BASE and CANDIDATE in turn, and say whether the second is slower.

    Each runs in a process of its own, and BASE in a second one too: unless it is as quick as itself, the machine is not
    fit and there is no verdict. With --base-python one artifact tells whether an upgrade of its runtime is slower. The
    exit code is 0 when it is not, 1 when it is, and 3 where there is no verdict.
    """
    from edgernn.files import atomic
    from edgernn.latency.ab import ABTest, as_json as everything, run_ab_test, text
    from edgernn.latency.regress import EXIT_CODES
    from edgernn.latency.report import report_ab_test

    ready(junit, markdown)
    began, when = time.monotonic(), datetime.now(UTC)
    ab = ABTest(base, candidate, base_python or sys.executable, frames=frames, threads=threads, seed=seed)
    tolerances = {"median": tolerance / 100, "p95": tail_tolerance / 100}
    found = run_ab_test(ab, tolerances, lambda pairs: click.echo(f"{pairs} pairs ...", err=True))
    click.echo(json.dumps(everything(found), indent=2) if as_json else text(found))
    atomic.write_all(reports(report_ab_test(found, time.monotonic() - began), when, junit, markdown))
    click.get_current_context().exit(EXIT_CODES[found.comparison.verdict])
