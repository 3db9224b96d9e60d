"""The page of a check: the verdict, and the distribution of the responses and their course over the run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from edgernn.latency.check import CheckResult
from edgernn.latency.summary import as_json, budget_text, mode, passing_budget_text, table, text
from edgernn.pages.drawing import COLOURS, INK, STYLE, axes_of, svg
from edgernn.pages.page import facts, fill, row

Array = NDArray[np.float64]

BINS = 60
COLUMNS = 800  # that a long run is reduced to
MARKED = 500  # misses that are marked, the longest
TICKS = (50, 90, 99, 99.9, 99.99, 99.999)


def page(result: CheckResult) -> str:
    """The page as self-contained HTML; it opens without a network."""
    responses, deadline = result.us("response"), result.options.budget.deadline_us
    head, rows = table(result)
    return fill(
        "latency.html",
        title=f"{result.verdict}: {result.options.artifact}",
        budget=budget_text(result.options.budget),
        mode=mode(result),
        tiles=_tiles(result),
        reasons=[*result.reasons.values(), *result.notes],
        passing=passing_budget_text(result),
        drawn=[histogram(responses, deadline), spread(responses, deadline)],
        series=series(responses, deadline, result.options.budget.period_us),
        head=head,
        rows=tuple(row(*cells) for cells in rows),
        text=text(result),
        record=facts(_record(result)),
    )


@rc_context(STYLE)
def histogram(responses_us: Array, deadline_us: float) -> Markup:
    """Histogram of the responses. Both scales are logarithmic, so that a single late response is visible."""
    axes = axes_of(4.6, 3.0)
    low, high = max(float(responses_us.min()), 1e-3), max(float(responses_us.max()), deadline_us)
    edges = np.geomspace(low * 0.95, high * 1.05, BINS)
    for part, colour in ((responses_us <= deadline_us, COLOURS[0]), (responses_us > deadline_us, COLOURS[1])):
        if part.any():
            axes.hist(responses_us[part], edges.tolist(), color=colour)
    axes.axvline(deadline_us, color=INK, linewidth=1, linestyle="dashed", label="deadline")
    axes.set(xlabel="response, us", ylabel="steps", xscale="log", yscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend()
    return svg(axes, "histogram of the responses")


@rc_context(STYLE)
def spread(responses_us: Array, deadline_us: float) -> Markup:
    """The response at every percentile that the number of steps allows."""
    axes = axes_of(4.6, 3.0)
    ordered, n = np.sort(responses_us), len(responses_us)
    ranks = np.unique(n - np.geomspace(n, 1, 400).round().astype(int))
    shown = [each for each in TICKS if n * (1 - each / 100) >= 1] or [50]
    axes.plot(n / (n - ranks), ordered[ranks], color=COLOURS[0], linewidth=1.4)
    axes.axhline(deadline_us, color=INK, linewidth=1, linestyle="dashed", label="deadline")
    axes.set(xlabel="percentile", ylabel="response, us", xscale="log", yscale="log")
    axes.xaxis.set_major_locator(FixedLocator([1 / (1 - each / 100) for each in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"p{each:g}" for each in shown])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.2)
    axes.legend()
    return svg(axes, "the response at every percentile")


@rc_context(STYLE)
def series(responses_us: Array, deadline_us: float, period_us: float) -> Markup:
    """The responses over the run, or the worst of each column if the run is long, with the misses marked."""
    axes = axes_of(9.4, 3.0)
    n = len(responses_us)
    starts = np.unique(np.linspace(0, n, min(n, COLUMNS), endpoint=False).astype(int))
    worst = np.maximum.reduceat(responses_us, starts)
    misses = np.flatnonzero(responses_us > deadline_us)
    marked = misses[np.argsort(responses_us[misses])[-MARKED:]]
    at = period_us / 1e6
    axes.plot(starts * at, worst, color=COLOURS[0], linewidth=0.7, label="worst response")
    if marked.size:
        axes.plot(marked * at, responses_us[marked], ".", color=COLOURS[1], label=f"misses ({misses.size:,})")
    axes.axhline(deadline_us, color=INK, linewidth=1, linestyle="dashed", label="deadline")
    axes.set(xlabel="time of the frame, s", ylabel="response, us", yscale="log", xmargin=0.01)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return svg(axes, "the responses over the run")


def _tiles(result: CheckResult) -> Sequence[tuple[str, str]]:
    evaluation = result.evaluation
    return (
        ("verdict", result.verdict),
        (f"p{result.options.budget.percentile:g}, us", f"{evaluation.value_us:,.1f}"),
        ("misses", f"{evaluation.misses:,} of {evaluation.steps:,}"),
        ("misses in a row", f"{evaluation.longest_run:,}"),
        ("of one core", f"{result.cpu_share:.2%}"),
    )


def _record(result: CheckResult) -> Mapping[str, Any]:
    """The conditions of the measurement."""
    fields = as_json(result)
    names = ("budget", "device", "artifact", "threads", "seed", "frames", "trace", "machine")
    states = {f"machine state {k}": state for k, state in enumerate(fields["machine_states"])}
    return {**{name: fields[name] for name in names}, **states}
