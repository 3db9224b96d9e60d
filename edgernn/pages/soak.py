"""The page of a long run: the verdict, and the course of the errors, the states and the memory."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from edgernn.model.graph import OUTPUT
from edgernn.pages.drawing import COLOURS, INK, STYLE, axes_of, plain, svg
from edgernn.pages.page import facts, fill, row
from edgernn.verification.soak import Soak
from edgernn.verification.summary import TENTHS, VALUES, allowed_text, progress_text, tenth_rows, value_rows

STEEP = 20.0
"""The ratio of the largest error to the smallest above which the scale is logarithmic."""


def page(result: Soak) -> str:
    """The page as self-contained HTML; it opens without a network."""
    grown = result.growths
    return fill(
        "soak.html",
        title=f"{result.verdict}: {plain(Path(result.options.artifact).name)}",
        run=progress_text(result),
        tiles=_tiles(result),
        reasons=result.reasons,
        allowed=allowed_text(),
        errors=errors(result, _coloured({name: each.error for name, each in grown.items()})),
        ranges=ranges(result, _coloured({name: each.range for name, each in grown.items() if name != OUTPUT})),
        memory=memory(result),
        value_head=VALUES,
        values=tuple(row(*cells) for cells in value_rows(result)),
        tenth_head=TENTHS,
        tenths=tuple(row(*cells) for cells in tenth_rows(result)),
        record=facts(_record(result)),
    )


@rc_context(STYLE)
def errors(result: Soak, colours: Mapping[str, str]) -> Markup:
    """The error of each value in every hundredth of the run; a scale from 0, or a logarithmic one if it is steep."""
    axes = axes_of(9.4, 3.2)
    for name in result.parts[0].values:
        rms = [part.values[name].rms for part in result.parts]
        _curve(axes, result, rms, colours.get(name), name)
    shown = [each.rms for part in result.parts for each in part.values.values() if 0 < each.rms < inf]
    if shown and max(shown) > STEEP * min(shown):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:g}")
    return _finished(axes, "error, root mean square", "the error over the run")


@rc_context(STYLE)
def ranges(result: Soak, colours: Mapping[str, str]) -> Markup | None:
    """The smallest and the largest number of each state in every hundredth of the run; None without states."""
    axes = axes_of(9.4, 3.2)
    for name in result.parts[0].values:
        if name != OUTPUT:
            each = [part.values[name] for part in result.parts]
            _curve(axes, result, [one.high for one in each], colours.get(name), name)
            _curve(axes, result, [one.low for one in each], colours.get(name))
    return _finished(axes, "smallest and largest number", "the ranges of the states over the run") if colours else None


@rc_context(STYLE)
def memory(result: Soak) -> Markup:
    """The resident memory over the run, from 0."""
    axes = axes_of(9.4, 2.4)
    _curve(axes, result, [part.resident_kib / 1024 for part in result.parts], COLOURS[0])
    axes.set_ylim(0, 1.2 / 1024 * max(part.resident_kib for part in result.parts))
    return _finished(axes, "resident, MiB", "the memory over the run")


def _curve(axes: Axes, result: Soak, values: Sequence[float], colour: str | None, name: str = "") -> None:
    """Draw a value at the end of each part: pale and without a name where it has no colour; what is not finite, not."""
    style: Any = {"color": INK, "alpha": 0.2} if colour is None else {"color": colour, "label": plain(name, 40)}
    ends = list(accumulate(part.steps for part in result.parts))
    axes.plot(ends, [value if isfinite(value) else nan for value in values], linewidth=1.3, **style)


def _finished(axes: Axes, unit: str, label: str) -> Markup:
    axes.set(xlabel="steps", ylabel=unit, xmargin=0.01)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.2, axis="y")
    handles, names = axes.get_legend_handles_labels()
    if any(names):
        axes.legend(handles, names, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    return svg(axes, label)


def _coloured(growth: Mapping[str, float]) -> dict[str, str]:
    """Return the colours of the values that grew most."""
    names = sorted(growth, key=lambda name: -growth[name])
    return dict(zip(names, COLOURS, strict=False))


def _tiles(result: Soak) -> Sequence[tuple[str, str]]:
    grown = result.growths
    states = [each.range for name, each in grown.items() if name != OUTPUT]
    held = result.tenths[-1].resident_kib - result.tenths[0].resident_kib
    return (
        ("verdict", result.verdict),
        ("steps", f"{result.steps:,}"),
        ("error, last tenth to first", f"{max(each.error for each in grown.values()):.2f}"),
        ("range of a state, to the first tenth", f"{max(states):.2f}" if states else "-"),
        ("KiB after the first tenth", f"{held:+,}"),
    )


def _record(result: Soak) -> Mapping[str, Any]:
    """What was run."""
    return {
        **asdict(result.options),
        "backend of the run": result.backend,
        "sha256": result.sha256,
        "precision": result.precision,
    }
