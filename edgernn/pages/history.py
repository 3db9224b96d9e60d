"""The page of a history: how long models took at each commit, every machine a curve of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from edgernn.budget.binomial import FAIL, NO_VERDICT
from edgernn.latency.history import Entry, gate, middle
from edgernn.pages.drawing import COLOURS, INK, STYLE, axes_of, plain, svg
from edgernn.pages.page import Row, fill, flat, number, row

SHOWN = 200  # runs in the table, the newest
TICKS = 14  # commits that are named below a drawing
STEEP = 5.0  # from the least to the most value, from which on a scale is logarithmic
HEAD = ("when", "model", "verdict", "p50, us", "gate, us", "instructions", "machine")
NAMED = {"cpu", "compiler"}  # of a fingerprint: told where they are the same too

MARKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        FAIL: {"marker": "X", "markersize": 8, "markeredgecolor": INK, "markeredgewidth": 0.6},
        NO_VERDICT: {"marker": "o", "markersize": 5, "fillstyle": "none"},
    }
)
"""A verdict -> how its runs are marked; others have a small point."""


@dataclass(frozen=True)
class Run:
    """A line of the history, and the number of the machine or compiler that it belongs to, from 1 on."""

    entry: Entry
    machine: int


@dataclass(frozen=True)
class Panel:
    """Runs that are drawn together: of one model, timed or counted in one way, in the order of time."""

    title: str
    unit: str  # us or instructions
    runs: tuple[Run, ...]


def page(entries: Sequence[Entry], name: str) -> str:
    """The page, complete in itself: it opens without a network.

    Args:
        entries: at least one.
        name: of the file.
    """
    runs = in_time(entries)
    last = runs[-1].entry
    return fill(
        "history.html",
        title=f"History of {plain(name)}",
        told=f"Runs: {len(runs):,}, the first of {_day(runs[0].entry)}, the newest of {_day(last)}.",
        tiles=(
            (
                "newest verdict" if len({each.name for each in entries}) == 1 else "worst of the newest verdicts",
                _newest(runs),
            ),
            ("models", f"{len({each.name for each in entries}):,}"),
            ("commits", f"{len({each.commit for each in entries}):,}"),
            ("machines and compilers", f"{max(each.machine for each in runs):,}"),
        ),
        panels=[(each.title, draw(each)) for each in panels(runs)],
        machines=machines(runs),
        head=HEAD,
        rows=[_row(each) for each in reversed(runs[-SHOWN:])],
        left=max(0, len(runs) - SHOWN),
    )


def in_time(entries: Sequence[Entry]) -> list[Run]:
    """The runs in the order of time; equal fingerprints are one machine, numbered as they come."""
    ordered = sorted(entries, key=lambda each: datetime.fromisoformat(each.time))
    keys = [json.dumps(each.fingerprint, sort_keys=True) for each in ordered]
    numbers = {key: k for k, key in enumerate(dict.fromkeys(keys), 1)}
    return [Run(entry, numbers[key]) for entry, key in zip(ordered, keys, strict=True)]


def panels(runs: Sequence[Run]) -> list[Panel]:
    """What is drawn together, in the order of its first run; what was neither timed nor counted is in none."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        entry = run.entry
        if middle(entry) or gate(entry):
            every = f", a frame every {number(entry.period_us)} us" if entry.period_us else ""
            found.setdefault((f"{entry.name}: {entry.mode}{every}", "us"), []).append(run)
        if entry.instructions:
            found.setdefault((f"{entry.name}: instructions of a step", "instructions"), []).append(run)
    return [Panel(plain(title, 120), unit, tuple(each)) for (title, unit), each in found.items()]


def curves(panel: Panel) -> dict[tuple[int, str], tuple[list[int], list[float]]]:
    """(machine, what) -> the places and values of a curve: never of two machines."""
    found: dict[tuple[int, str], tuple[list[int], list[float]]] = {}
    for k, run in enumerate(panel.runs):
        said = {"solid": middle(run.entry), "dotted": gate(run.entry)} if panel.unit == "us" else {}
        for style, value in (said or {"solid": run.entry.instructions}).items():
            if value:
                places, values = found.setdefault((run.machine, style), ([], []))
                places.append(k)
                values.append(value)
    return found


@rc_context(STYLE)
def draw(panel: Panel) -> Markup:
    """One panel: a place for each run, and a curve for each machine and figure."""
    axes = axes_of(9.4, 3.2)
    several = len({run.machine for run in panel.runs}) > 1
    for (machine, style), (places, values) in curves(panel).items():
        colour = COLOURS[(machine - 1) % len(COLOURS)]
        axes.plot(places, values, color=colour, linewidth=1.3, linestyle=style)
        for k, value in zip(places, values, strict=True):
            mark = {"marker": ".", "markersize": 5, **MARKS.get(panel.runs[k].entry.verdict, {})}
            axes.plot([k], [value], color=colour, **mark)
        if several:
            axes.annotate(f" {machine}", (places[-1], values[-1]), color=colour, va="bottom", fontsize=8)
    _deadline(axes, panel)
    _scale(axes, panel)
    _commits(axes, panel)
    axes.legend(handles=_legend(panel), ncols=5, loc="lower right", bbox_to_anchor=(1, 1))
    return svg(axes, panel.title)


def _deadline(axes: Axes, panel: Panel) -> None:
    told = [(k, run.entry.deadline_us) for k, run in enumerate(panel.runs) if run.entry.deadline_us]
    if panel.unit != "us" or not told:
        return
    places, values = zip(*told, strict=True)
    style: Any = {"color": INK, "linewidth": 1, "linestyle": "dashed"}
    if len(set(values)) == 1:
        axes.axhline(values[0], **style)
    else:
        axes.step(places, values, where="mid", **style)


def _scale(axes: Axes, panel: Panel) -> None:
    axes.set(ylabel=panel.unit)
    low, high = axes.dataLim.intervaly
    deadlines = [run.entry.deadline_us for run in panel.runs if run.entry.deadline_us and panel.unit == "us"]
    if max([high, *deadlines]) > STEEP * low > 0:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.grid(alpha=0.2, axis="y")


def _commits(axes: Axes, panel: Panel) -> None:
    n = len(panel.runs)
    shown = list(range(0, n, -(-n // TICKS)))
    axes.set_xlim(-0.5, n - 0.5)
    names = [_commit(panel.runs[k].entry) for k in shown]
    axes.set_xticks(shown, names, rotation=30, ha="right", rotation_mode="anchor", fontsize=8)


def _legend(panel: Panel) -> list[Line2D]:
    """Only what is in the panel."""
    drawn, verdicts = curves(panel), {run.entry.verdict for run in panel.runs}
    names = {"solid": "instructions", "dotted": ""}
    if panel.unit == "us":
        newest = panel.runs[-1].entry
        names = {"solid": f"{'response' if 'response p50' in newest.us else 'step alone'}, p50"}
        names["dotted"] = f"response, p{newest.percentile:g}" if newest.percentile else "response"
    styles: list[Any] = [style for style in names if any(style == each for _, each in drawn)]
    told = [Line2D([], [], color=INK, linestyle=style, linewidth=1.3, label=names[style]) for style in styles]
    if panel.unit == "us" and any(run.entry.deadline_us for run in panel.runs):
        told.append(Line2D([], [], color=INK, linestyle="dashed", linewidth=1, label="deadline"))
    marks = {name: mark for name, mark in MARKS.items() if name in verdicts}
    return told + [Line2D([], [], color=INK, linestyle="", label=name, **mark) for name, mark in marks.items()]


def machines(runs: Sequence[Run]) -> list[tuple[tuple[str, ...], list[Row]]]:
    """Head and rows of a table for all machines, and of one for all compilers: what they are, and differ in."""
    found = {run.machine: dict(flat(run.entry.fingerprint)) for run in runs}
    kinds: dict[bool, dict[int, dict[str, Any]]] = {}
    for k, each in found.items():
        kinds.setdefault("compiler" in each, {})[k] = each
    return [_table(kinds[kind]) for kind in sorted(kinds)]


def _table(found: Mapping[int, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[Row]]:
    every = list(dict.fromkeys(key for each in found.values() for key in each))
    differ = {key for key in every if len({str(each.get(key)) for each in found.values()}) > 1}
    kept = [key for key in every if key in differ | NAMED] if len(found) > 1 else every
    return ("", *kept), [row(str(k), *(_fact(each.get(key)) for key in kept)) for k, each in found.items()]


def _fact(value: Any) -> str:
    return "-" if value is None else plain(str(value), 60)


def _row(run: Run) -> Row:
    entry = run.entry
    late = "" if entry.misses is None else f"{entry.misses:,} of {entry.steps:,} late"
    within = "" if entry.deadline_us is None else f"within {number(entry.deadline_us)}"
    p50, slow, counted = (
        "" if each is None else number(each) for each in (middle(entry), gate(entry), entry.instructions)
    )
    return (
        (entry.time[:16].replace("T", " "), _commit(entry) if entry.commit else ""),
        (plain(entry.name, 60), ""),
        (entry.verdict, late),
        (p50, ""),
        (slow, within if slow else ""),
        (counted, ""),
        (str(run.machine), ""),
    )


def _newest(runs: Sequence[Run]) -> str:
    """The worst of the newest verdicts of all models."""
    newest = {run.entry.name: run.entry.verdict for run in runs}
    return max(newest.values(), key=lambda verdict: (verdict == FAIL, verdict == NO_VERDICT))


def _commit(entry: Entry) -> str:
    return plain(entry.commit[:7]) if entry.commit else _day(entry)


def _day(entry: Entry) -> str:
    return entry.time[:10]
