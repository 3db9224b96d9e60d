"""What `edgernn check` and `edgernn certify` have in common: their options, and how they tell what was found."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options.reporting import ready, reported, reports

if TYPE_CHECKING:
    from edgernn.latency.check import CheckOptions

OPTIONS = (
    click.argument("artifact"),
    click.option("--device", metavar="NAME", help="Whose uses are meant: see `edgernn devices`."),
    click.option("--use", metavar="NAME", help="What the device is used for, such as audio, control or sample."),
    click.option("--period", metavar="TIME", help="From one frame to the next: 10ms, 250us, 1kHz."),
    click.option("--deadline", metavar="TIME", help="From a frame to its answer; the period unless given."),
    click.option("--percentile", type=float, metavar="P", help="Of all steps that must be in time; 99 unless given."),
    click.option("--confidence", type=float, default=0.95, show_default=True, help="With which it must be known."),
    click.option("--back-to-back", is_flag=True, help="Wait for no frame; the responses are implied, which flatters."),
    click.option("--trace", metavar="FILE", help="When frames came, in ms: .npy, or text. Else one each period."),
    click.option("--frames", metavar="FILE", help="Frames, .npy (time, inputs) or .csv, given in turn. Else random."),
    click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the runtime."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of random frames."),
    click.option("--json", "as_json", is_flag=True, help="Print as JSON."),
    click.option("--html", metavar="FILE", help="Write a page with drawings, which opens without a network."),
    click.option("--history", metavar="FILE", help="Put a line behind those of earlier runs; see `edgernn history`."),
)

WRITES = ("html", "junit", "markdown", "history")
"""Options that name a file to write."""


def budgeted(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options."""
    verb = reported(verb)
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def planned(artifact: str, seconds: float, processes: int, *, certificate: bool = False, **said: Any) -> "CheckOptions":
    """The plan that the options mean.

    Args:
        artifact, seconds, processes, certificate: as Plan has them.
        said: the other options.

    Raises:
        EdgernnError: a name, time, file or budget that cannot be.
    """
    from edgernn.budget.verdict import microseconds
    from edgernn.device.board import load
    from edgernn.latency.arrivals import recorded
    from edgernn.latency.check import CheckOptions
    from edgernn.latency.resolve import resolve_budget
    from edgernn.runtime import program

    times = {name: said[name] and microseconds(said[name]) for name in ("period", "deadline")}
    device = None if said["device"] is None else load(said["device"])
    own = program.open(artifact).manifest.period_ms if times["period"] is None and said["use"] is None else None
    budget = resolve_budget(
        device=device,
        rate=said["use"],
        period_us=times["period"],
        deadline_us=times["deadline"],
        percentile=said["percentile"],
        confidence=said["confidence"],
        own_period_us=None if own is None else own * 1000,
    )
    if said["trace"] is not None:
        recorded(said["trace"])
    kept = {name: said[name] for name in ("back_to_back", "trace", "frames", "threads", "seed")}
    any_governor = said.get("any_governor", False)
    return CheckOptions(
        artifact, budget, seconds, processes, device=device, certificate=certificate, any_governor=any_governor, **kept
    )


def tell(plan: "CheckOptions", command: str, *, as_json: bool, **written: str | None) -> None:
    """Measure, print what was found, write the files that were asked for, and leave with its exit code.

    Args:
        plan: what is measured.
        command: check or certify.
        as_json: whether to print JSON.
        written: one of WRITES -> the path; None where it was not asked for.

    Raises:
        EdgernnError: as edgernn.latency.check, or a file cannot be written, which is found out before the run.
    """
    from edgernn.files import atomic
    from edgernn.latency import history
    from edgernn.latency.check import EXIT_CODES, check
    from edgernn.latency.report import report_check
    from edgernn.latency.summary import as_json as everything, text

    _ready(written)
    began, when = time.monotonic(), datetime.now(UTC)
    found = check(plan, progress=lambda k: click.echo(f"process {k + 1} of {plan.processes} ...", err=True))
    click.echo(json.dumps(everything(found), indent=2) if as_json else text(found))
    result = report_check(found, command, time.monotonic() - began)
    files = dict(reports(result, when, written["junit"], written["markdown"]))
    if written["html"] is not None:
        import edgernn.pages.latency

        files[written["html"]] = edgernn.pages.latency.page(found).encode()
    atomic.write_all(files)
    if written["history"] is not None:
        history.append(written["history"], history.check_entry(found, command))
    click.get_current_context().exit(EXIT_CODES[found.verdict])


def _ready(written: Mapping[str, str | None]) -> None:
    """Make sure that every file can be written."""
    from edgernn.extras import needed
    from edgernn.latency import history

    if written["html"] is not None:
        with needed("--html"):
            import edgernn.pages.latency  # noqa: F401  it is imported here so that it is missed now
    ready(*(written[name] for name in WRITES if name != "history"))
    if written["history"] is not None:
        history.check_appendable(written["history"])
