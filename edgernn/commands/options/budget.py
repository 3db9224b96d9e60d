"""What `edgernn check` and `edgernn certify` share: their options, the measurement, and its reports."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.reporting import check_writable, render_reports, report_options
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.latency.check import CheckOptions

budget_options = shared.several(
    click.argument("artifact", type=PATH),
    shared.board(None),
    click.option(
        "--rate", metavar="NAME", help="Take the budget from this rate of the board: audio, control or sample."
    ),
    shared.period,
    click.option(
        "--deadline", metavar="TIME", show_default="the period", help="Time from a frame to its answer, such as 8ms."
    ),
    click.option(
        "--percentile", type=float, metavar="P", show_default="99", help="Percentage of steps that must be in time."
    ),
    click.option("--confidence", type=float, default=0.95, show_default=True, help="Confidence of the verdict."),
    click.option("--back-to-back", is_flag=True, help="Do not wait for frames; responses are computed and flatter."),
    click.option("--prime", is_flag=True, help="Prime the stream before each frame, as `edgernn.pace` does."),
    click.option(
        "--trace",
        type=PATH,
        metavar="FILE",
        show_default="one frame each period",
        help="Read the arrival times of frames, or of steps of several, in ms, from a .npy or text file.",
    ),
    shared.frames(),
    shared.threads,
    shared.seed,
    shared.as_json,
    shared.html,
    click.option("--history", type=PATH, metavar="FILE", help="Append the run to FILE; see `edgernn history`."),
    report_options,
)

REPORTS = ("html", "junit", "markdown", "history")
"""Options that name a file to write."""


def plan_check(
    artifact: str, seconds: float, processes: int, *, certificate: bool = False, **options: Any
) -> "CheckOptions":
    """Return what the options ask to be measured.

    Args:
        artifact, seconds, processes, certificate: as in CheckOptions.
        options: the values of `budget_options` without REPORTS.

    Raises:
        EdgernnError: an unknown name, a time or budget that is not valid, or a file that cannot be read.
    """
    from edgernn.budget.verdict import microseconds
    from edgernn.device.board import load
    from edgernn.latency.arrivals import recorded
    from edgernn.latency.check import CheckOptions
    from edgernn.latency.resolve import resolve_budget
    from edgernn.runtime import program

    times = {name: options[name] and microseconds(options[name]) for name in ("period", "deadline")}
    device = None if options["board"] is None else load(options["board"])
    unstated = times["period"] is None and options["rate"] is None
    manifest = program.open(artifact).manifest
    own_period_ms = manifest.period_ms if unstated else None
    budget = resolve_budget(
        device=device,
        rate=options["rate"],
        period_us=times["period"] and times["period"] * manifest.frames_per_step,
        deadline_us=times["deadline"],
        percentile=options["percentile"],
        confidence=options["confidence"],
        own_period_us=None if own_period_ms is None else own_period_ms * 1000,
    )
    if options["trace"] is not None:
        recorded(options["trace"])
    return CheckOptions(
        artifact,
        budget,
        seconds,
        processes,
        device=device,
        certificate=certificate,
        any_governor=options.get("any_governor", False),
        **{name: options[name] for name in ("back_to_back", "prime", "trace", "frames", "threads", "seed")},
    )


def run_check(plan: "CheckOptions", command: str, *, as_json: bool, **reports: str | None) -> None:
    """Measure, print the result, write the reports, and exit with the code of the verdict.

    Args:
        plan: what is measured.
        command: check or certify.
        as_json: whether the result is printed as JSON.
        reports: each of REPORTS -> its path; None for no such report.

    Raises:
        EdgernnError: as edgernn.latency.check; or a report cannot be written, which is checked before the measurement.
    """
    from edgernn.files import atomic
    from edgernn.latency import history
    from edgernn.latency.check import EXIT_CODES, check
    from edgernn.latency.report import report_check
    from edgernn.latency.summary import as_json as to_json, text

    _check_reports(reports)
    began, when = time.monotonic(), datetime.now(UTC)
    # The bar stands still while a process measures: drawing it would take time from the steps.
    with bar(f"measuring for {plan.seconds:g} s", plan.processes, lines=True) as step:
        checked = check(plan, progress=lambda k: step(min(k, 1), f"process {k + 1} of {plan.processes} ..."))
        step(1, "")
    click.echo(json.dumps(to_json(checked), indent=2) if as_json else text(checked))
    result = report_check(checked, command, time.monotonic() - began)
    files = dict(render_reports(result, when, reports["junit"], reports["markdown"]))
    if reports["html"] is not None:
        import edgernn.pages.latency

        files[reports["html"]] = edgernn.pages.latency.page(checked).encode()
    atomic.write_all(files)
    if reports["history"] is not None:
        history.append(reports["history"], history.check_entry(checked, command))
    click.get_current_context().exit(EXIT_CODES[checked.verdict])


def _check_reports(reports: Mapping[str, str | None]) -> None:
    """Check that every report can be made and written."""
    from edgernn.extras import needed
    from edgernn.latency import history

    if reports["html"] is not None:
        with needed("--html"):
            import edgernn.pages.latency  # noqa: F401  a missing extra is reported before the measurement
    check_writable(*(reports[name] for name in REPORTS if name != "history"))
    if reports["history"] is not None:
        history.check_appendable(reports["history"])
