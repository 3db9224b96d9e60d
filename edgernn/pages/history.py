"""The page of a history: the latency of models at each commit, with a curve for each machine."""

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
from edgernn.latency.history import Entry, median_us, tail_us
from edgernn.pages.drawing import COLOURS, INK, STYLE, axes_of, plain, svg
from edgernn.pages.page import TableRow, fill, flat, number, row

SHOWN = 200  # newest runs in the table
TICKS = 14  # labelled commits of a drawing
STEEP = 5.0  # ratio of the largest to the smallest value above which the scale is logarithmic
HEAD = ("time", "model", "verdict", "p50, us", "tail, us", "instructions", "machine")
ALWAYS_SHOWN = {"cpu", "compiler"}  # fields of a fingerprint that are listed even if all machines agree

MARKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        FAIL: {"marker": "X", "markersize": 8, "markeredgecolor": INK, "markeredgewidth": 0.6},
        NO_VERDICT: {"marker": "o", "markersize": 5, "fillstyle": "none"},
    }
)
"""Verdict -> the marker of its runs; others have a small point."""


@dataclass(frozen=True)
class NumberedEntry:
    """A run of the history, and the number of its machine or compiler, from 1."""

    entry: Entry
    machine: int


@dataclass(frozen=True)
class Panel:
    """Runs in one drawing: of one model, measured in the same way, in the order of time."""

    title: str
    unit: str  # us or instructions
    runs: tuple[NumberedEntry, ...]


def page(entries: Sequence[Entry], name: str) -> str:
    """The page as self-contained HTML; it opens without a network.

    Args:
        entries: at least one.
        name: of the file.
    """
    runs = numbered(entries)
    last = runs[-1].entry
    return fill(
        "history.html",
        title=f"History of {plain(name)}",
        runs=f"{len(runs):,} runs from {_day(runs[0].entry)} to {_day(last)}.",
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
        hidden=max(0, len(runs) - SHOWN),
    )


def numbered(entries: Sequence[Entry]) -> list[NumberedEntry]:
    """The runs in the order of time. Runs with equal fingerprints have the same machine number."""
    ordered = sorted(entries, key=lambda each: datetime.fromisoformat(each.time))
    keys = [json.dumps(each.fingerprint, sort_keys=True) for each in ordered]
    numbers = {key: k for k, key in enumerate(dict.fromkeys(keys), 1)}
    return [NumberedEntry(entry, numbers[key]) for entry, key in zip(ordered, keys, strict=True)]


def panels(runs: Sequence[NumberedEntry]) -> list[Panel]:
    """The drawings, in the order of their first runs. Runs without times and instructions are omitted."""
    groups: dict[tuple[str, str], list[NumberedEntry]] = {}
    for run in runs:
        entry = run.entry
        if median_us(entry) or tail_us(entry):
            every = f", a step every {number(entry.period_us)} us" if entry.period_us else ""
            groups.setdefault((f"{entry.name}: {entry.mode}{every}", "us"), []).append(run)
        if entry.instructions:
            groups.setdefault((f"{entry.name}: instructions per step", "instructions"), []).append(run)
    return [Panel(plain(title, 120), unit, tuple(each)) for (title, unit), each in groups.items()]


def curves(panel: Panel) -> dict[tuple[int, str], tuple[list[int], list[float]]]:
    """(machine, line style) -> positions and values of a curve. A curve never joins two machines."""
    points: dict[tuple[int, str], tuple[list[int], list[float]]] = {}
    for k, run in enumerate(panel.runs):
        times = {"solid": median_us(run.entry), "dotted": tail_us(run.entry)} if panel.unit == "us" else {}
        for style, value in (times or {"solid": run.entry.instructions}).items():
            if value:
                places, values = points.setdefault((run.machine, style), ([], []))
                places.append(k)
                values.append(value)
    return points


@rc_context(STYLE)
def draw(panel: Panel) -> Markup:
    """Draw one panel: a position for each run, and a curve for each machine and figure."""
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
    deadlines = [(k, run.entry.deadline_us) for k, run in enumerate(panel.runs) if run.entry.deadline_us]
    if panel.unit != "us" or not deadlines:
        return
    places, values = zip(*deadlines, strict=True)
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
    """The legend, with only the elements that occur in the panel."""
    drawn, verdicts = curves(panel), {run.entry.verdict for run in panel.runs}
    names = {"solid": "instructions", "dotted": ""}
    if panel.unit == "us":
        newest = panel.runs[-1].entry
        names = {"solid": f"{'response' if 'response p50' in newest.us else 'service time'}, p50"}
        names["dotted"] = f"response, p{newest.percentile:g}" if newest.percentile else "response"
    styles: list[Any] = [style for style in names if any(style == each for _, each in drawn)]
    lines = [Line2D([], [], color=INK, linestyle=style, linewidth=1.3, label=names[style]) for style in styles]
    if panel.unit == "us" and any(run.entry.deadline_us for run in panel.runs):
        lines.append(Line2D([], [], color=INK, linestyle="dashed", linewidth=1, label="deadline"))
    marks = {name: mark for name, mark in MARKS.items() if name in verdicts}
    return lines + [Line2D([], [], color=INK, linestyle="", label=name, **mark) for name, mark in marks.items()]


def machines(runs: Sequence[NumberedEntry]) -> list[tuple[tuple[str, ...], list[TableRow]]]:
    """Head and rows of a table of all machines, and of one of all compilers, with the fields that differ."""
    fingerprints = {run.machine: dict(flat(run.entry.fingerprint)) for run in runs}
    tables: dict[bool, dict[int, dict[str, Any]]] = {}
    for k, each in fingerprints.items():
        tables.setdefault("compiler" in each, {})[k] = each
    return [_table(tables[is_compiler]) for is_compiler in sorted(tables)]


def _table(fingerprints: Mapping[int, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[TableRow]]:
    every = list(dict.fromkeys(key for each in fingerprints.values() for key in each))
    differ = {key for key in every if len({str(each.get(key)) for each in fingerprints.values()}) > 1}
    shown = [key for key in every if key in differ | ALWAYS_SHOWN] if len(fingerprints) > 1 else every
    return ("", *shown), [row(str(k), *(_fact(each.get(key)) for key in shown)) for k, each in fingerprints.items()]


def _fact(value: Any) -> str:
    return "-" if value is None else plain(str(value), 60)


def _row(run: NumberedEntry) -> TableRow:
    entry = run.entry
    late = "" if entry.misses is None else f"{entry.misses:,} of {entry.steps:,} late"
    within = "" if entry.deadline_us is None else f"within {number(entry.deadline_us)}"
    p50, tail, instructions = (
        "" if each is None else number(each) for each in (median_us(entry), tail_us(entry), entry.instructions)
    )
    return (
        (entry.time[:16].replace("T", " "), _commit(entry) if entry.commit else ""),
        (plain(entry.name, 60), ""),
        (entry.verdict, late),
        (p50, ""),
        (tail, within if tail else ""),
        (instructions, ""),
        (str(run.machine), ""),
    )


def _newest(runs: Sequence[NumberedEntry]) -> str:
    """The worst of the newest verdicts of the models."""
    newest = {run.entry.name: run.entry.verdict for run in runs}
    return max(newest.values(), key=lambda verdict: (verdict == FAIL, verdict == NO_VERDICT))


def _commit(entry: Entry) -> str:
    return plain(entry.commit[:7]) if entry.commit else _day(entry)


def _day(entry: Entry) -> str:
    return entry.time[:10]
