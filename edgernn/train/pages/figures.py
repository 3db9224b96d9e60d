"""Figures: training curves, confusion matrices, forecasts, bars, and metric against cost."""

from collections.abc import Mapping, Sequence
from math import log10

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from edgernn.array import Array
from edgernn.pages.drawing import COLOURS, INK, STYLE, axes_of, plain, svg
from edgernn.train.pages.curves import Curve

MARKS = "osD^vP"
NAMED = 40  # the largest number of classes with names beside a matrix
COUNTED = 12  # the largest number of classes with counts in a matrix
FAR = 8  # the scale is logarithmic if the largest cost exceeds the least by this factor
LONGEST = 16  # the largest number of characters of a name in a figure


@rc_context(STYLE)
def curves(panel: str, lines: Mapping[str, Curve]) -> Markup:
    """The curves of a panel over the epochs. Norms have a logarithmic scale."""
    axes = axes_of(4.4, 2.9)
    for colour, (name, (epochs, values)) in zip(_cycled(COLOURS, len(lines)), lines.items(), strict=True):
        axes.plot(epochs, values, color=colour, label=plain(name), marker="." if len(epochs) < 30 else "")
    if "norm" in panel and min(min(values) for _, values in lines.values()) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}" if _decades(lines) < 1 else "")
    last = max(epochs[-1] for epochs, _ in lines.values())
    axes.set(xlabel="epoch", ylabel=panel, xlim=(-0.5, last + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.2)
    axes.legend()
    return svg(axes, f"{panel} over the epochs")


@rc_context(STYLE)
def confusion(matrix: Array, labels: Sequence[str], name: str = "") -> Markup:
    """A confusion matrix (classes, classes) with one row per true class: right answers in blue, wrong ones in orange.

    Several of a page differ in the name of their set of targets. The opacity is the square root of the share of the
    row, so that rare mistakes are visible.
    """
    n = len(matrix)
    share = np.sqrt(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))
    paint = np.empty((n, n, 4))
    paint[..., :3], paint[..., 3] = to_rgb(COLOURS[1]), share
    paint[np.diag_indices(n)] = np.column_stack([np.tile(to_rgb(COLOURS[0]), (n, 1)), share.diagonal()])
    side = 4.4 if n > NAMED else max(3.6, 2.6 + 0.17 * n)
    axes = axes_of(side, side)
    axes.imshow(paint, interpolation="none")
    axes.set(xlabel="answer", ylabel="truth")
    if n <= NAMED:
        names = [plain(label, LONGEST) for label in labels]
        axes.set_xticks(range(n), names, rotation=90)
        axes.set_yticks(range(n), names)
    for row, column in np.argwhere(matrix) if n <= COUNTED else ():
        ink = "white" if share[row, column] > 0.6 else INK
        axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", color=ink, fontsize=8)
    return svg(axes, f"the confusion matrix of {plain(name)}" if name else "the confusion matrix")


@rc_context(STYLE)
def forecast(truth: Array, predicted: Array, persistence: Array, first: int, label: str) -> Markup:
    """One output over the steps from `first`, each (time,), in the units of the data."""
    axes = axes_of(8.8, 3.0)
    steps = np.arange(first, first + len(truth))
    axes.plot(steps, persistence, color=COLOURS[2], linewidth=0.8, linestyle="dotted", label="persistence")
    axes.plot(steps, truth, color=INK, linewidth=1.0, label="truth")
    axes.plot(steps, predicted, color=COLOURS[1], linewidth=1.2, label="forecast")
    axes.set(xlabel="step of the test part", ylabel=plain(label, LONGEST), xmargin=0.01)
    axes.grid(alpha=0.2)
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return svg(axes, f"truth, forecast and persistence of {plain(label)}")


@rc_context(STYLE)
def bars(values: Mapping[str, float], unit: str) -> Markup:
    """A bar for each value, from 0."""
    axes = axes_of(4.4, 0.9 + 0.4 * len(values))
    names = [plain(name) for name in values]
    drawn = axes.barh(names, list(values.values()), color=_cycled(COLOURS, len(values)), height=0.6)
    axes.bar_label(drawn, fmt="{:.3g}", padding=3)
    axes.invert_yaxis()
    axes.set(xlabel=unit, xmargin=0.15)
    return svg(axes, f"{unit} of {', '.join(names)}")


@rc_context(STYLE)
def trade(points: Mapping[str, tuple[float, float, float, float]], across: str, up: str) -> Markup:
    """A mark for each name: (x, mean, least, most), with x above 0."""
    axes = axes_of(6.4, 3.8)
    every = zip(_cycled(COLOURS, len(points)), _cycled(MARKS, len(points)), points.items(), strict=True)
    for colour, mark, (name, (at, mean, least, most)) in every:
        reach = [[mean - least], [most - mean]]
        axes.errorbar(at, mean, yerr=reach, color=colour, fmt=mark, capsize=4, label=plain(name))
    axes.set(xlabel=across, ylabel=plain(up), xmargin=0.1)
    costs = [at for at, *_ in points.values()]
    if max(costs) > FAR * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    else:
        axes.set_xlim(left=0)
    axes.grid(alpha=0.2)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return svg(axes, f"{plain(up)} against {across}")


def _decades(lines: Mapping[str, Curve]) -> float:
    """The number of powers of ten that the values span."""
    values = [value for _, values in lines.values() for value in values]
    return log10(max(values) / min(values))


def _cycled(of: Sequence[str], n: int) -> list[str]:
    return [of[k % len(of)] for k in range(n)]
