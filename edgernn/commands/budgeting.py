"""What `edgernn check` and `edgernn certify` have in common: their options, and how they tell what was found."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.latency.check import Plan

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
)


def budgeted(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def planned(artifact: str, seconds: float, processes: int, *, certificate: bool = False, **said: Any) -> "Plan":
    """The plan that the options mean.

    Args:
        artifact, seconds, processes, certificate: as Plan has them.
        said: the other options.

    Raises:
        EdgernnError: a name, time, file or budget that cannot be.
    """
    from edgernn import runtime
    from edgernn.budget import microseconds
    from edgernn.device import load
    from edgernn.latency.arrivals import recorded
    from edgernn.latency.check import Plan
    from edgernn.latency.terms import terms

    times = {name: said[name] and microseconds(said[name]) for name in ("period", "deadline")}
    device = None if said["device"] is None else load(said["device"])
    own = runtime.open(artifact).contract.period_ms if times["period"] is None and said["use"] is None else None
    budget = terms(
        device=device,
        use=said["use"],
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
    return Plan(
        artifact, budget, seconds, processes, device=device, certificate=certificate, any_governor=any_governor, **kept
    )


def tell(plan: "Plan", as_json: bool, html: str | None) -> None:
    """Measure, print what was found, and leave with its exit code.

    Raises:
        EdgernnError: as edgernn.latency.check, or the page cannot be written.
    """
    from edgernn import disk
    from edgernn.extras import needed
    from edgernn.latency.account import as_json as everything, text
    from edgernn.latency.check import CODES, check

    if html is not None:
        with needed("--html"):
            import edgernn.pages.latency
        disk.writable(html)
    found = check(plan, tell=lambda k: click.echo(f"process {k + 1} of {plan.processes} ...", err=True))
    click.echo(json.dumps(everything(found), indent=2) if as_json else text(found))
    if html is not None:
        disk.write(html, edgernn.pages.latency.page(found).encode())
    click.get_current_context().exit(CODES[found.verdict])
