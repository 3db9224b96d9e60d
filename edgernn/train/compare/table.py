"""The result of a comparison of cells: its rows, its table and its page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from edgernn.latency.estimate import Estimate
from edgernn.pages import page as pages
from edgernn.train.compare.timing import Timed
from edgernn.train.evaluate.metrics import METRICS
from edgernn.train.pages import figures


@dataclass(frozen=True)
class Row:
    """The result of one cell.

    Attributes:
        cell: one of CELLS.
        streams: whether the model runs frame by frame. A bidirectional model takes whole windows; its step is one frame
            of a window.
        values: the metric on the test part for each seed.
        mean, least, most: statistics of these values.
        parameters, macs, weight_bytes: the size of the model with its feature cells; MACs per step.
        predicted_us: a step on the board; None if the profile of the board lacks a figure.
        measured_us: a compiled step on this machine, called from Python; None without a compiler.
        ratio: the ratio to the fastest cell on this machine.
        cpu_s: CPU seconds of a training, the mean of the seeds.
    """

    cell: str
    streams: bool
    values: tuple[float, ...]
    mean: float
    least: float
    most: float
    parameters: int
    macs: int
    weight_bytes: int
    predicted_us: float | None
    measured_us: float | None
    ratio: float | None
    cpu_s: float


@dataclass(frozen=True)
class Comparison:
    """The results of all cells, in the order of the arguments.

    Attributes:
        recipe, title: the name and the title of the recipe.
        data: the path of the data.
        seeds: the seeds of the trainings.
        metric: the name of the metric.
        board: the board that steps are predicted for.
        unknown: why nothing is predicted; "" otherwise.
        unmeasured: why nothing is measured; "" otherwise.
        rows: one for each cell; empty until all are trained.
        environment: the machine and the versions.
    """

    recipe: str
    title: str
    data: str
    seeds: tuple[int, ...]
    metric: str
    board: str
    unknown: str
    unmeasured: str
    rows: tuple[Row, ...]
    environment: Mapping[str, Any]


def row(
    cell: str,
    streams: bool,
    metric: str,
    trained: Sequence[Mapping[str, Any]],
    predicted: Estimate,
    timed: Timed | None,
) -> Row:
    """The row of one cell, from the metrics.json of each seed."""
    values = tuple(float(each["metrics"][metric]) for each in trained)
    return Row(
        cell=cell,
        streams=streams,
        values=values,
        mean=mean(values),
        least=min(values),
        most=max(values),
        parameters=predicted.cost.parameters,
        macs=predicted.cost.macs,
        weight_bytes=predicted.cost.weight_bytes,
        predicted_us=predicted.step_us,
        measured_us=None if timed is None else timed.step_us,
        ratio=None if timed is None else timed.ratio,
        cpu_s=mean(float(each["cpu_s"]) for each in trained),
    )


def as_json(comparison: Comparison) -> bytes:
    """The comparison as a JSON file."""
    return (json.dumps(asdict(comparison), indent=1) + "\n").encode()


def table(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The header and the cells of the table; "?" is unknown."""
    head = (
        "cell",
        comparison.metric,
        "least",
        "most",
        "parameters",
        "MACs",
        "weight bytes",
        f"{comparison.board} us",
        "measured us",
        "ratio",
        "CPU s",
    )
    return head, tuple(
        (
            each.cell if each.streams else f"{each.cell} {WHOLE}",
            *(f"{value:.4g}" for value in (each.mean, each.least, each.most)),
            *(f"{size:,}" for size in (each.parameters, each.macs, each.weight_bytes)),
            *("?" if value is None else f"{value:.3g}" for value in (each.predicted_us, each.measured_us, each.ratio)),
            f"{each.cpu_s:.1f}",
        )
        for each in comparison.rows
    )


def remarks(comparison: Comparison) -> tuple[str, ...]:
    """Remarks on the table, one sentence each."""
    better = {"maximize": "more", "minimize": "less"}[dict(METRICS.values())[comparison.metric.split()[0]]]
    seeds = f"{len(comparison.seeds)} seeds" if comparison.seeds[1:] else "one seed"
    here = f"not measured: {comparison.unmeasured}" if comparison.unmeasured else MEASURED
    board = f"unknown: {comparison.unknown}" if comparison.unknown else "predicted from the board's profile, in C"
    whole = (f"{WHOLE} cannot stream: the step is one frame of the longest test sequence, on ONNX Runtime",)
    return (
        *(() if all(each.streams for each in comparison.rows) else whole),
        f"{comparison.metric}: on the test part, the mean of {seeds} with the least and the most; {better} is better",
        f"{comparison.board} us: one step, {board}",
        f"measured us: {here}",
        "CPU s: of one training",
    )


WHOLE = "(whole windows only)"
MEASURED = "one compiled step on this machine, called from Python, all cells interleaved; ratio to the fastest cell"


def page(comparison: Comparison) -> str:
    """The HTML page: a plot of the metric against the cost of a step, and the table."""
    head, rows = table(comparison)
    measured = not comparison.unmeasured
    costs = {each.cell: each.measured_us if measured else each.predicted_us for each in comparison.rows}
    points = {
        each.cell: (cost, each.mean, each.least, each.most)
        for each in comparison.rows
        if (cost := costs[each.cell]) is not None
    }
    across = "one step, measured here, µs" if measured else f"one step on {comparison.board}, predicted, µs"
    return pages.fill(
        "compare.html",
        title=comparison.title,
        recipe=comparison.recipe,
        plot=figures.trade(points, across, comparison.metric) if points else "",
        head=head,
        rows=tuple(pages.row(*cells) for cells in rows),
        remarks=remarks(comparison),
        environment=pages.facts(comparison.environment),
    )
