"""What a comparison of cells came to: its rows, its table and its page."""

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
    """One cell.

    Attributes:
        cell: one of CELLS.
        streams: whether it runs frame by frame; what reads both ways takes whole windows, and a step of it is a frame
            of one.
        values: the metric of each seed's test part.
        mean, least, most: of these.
        parameters, macs, weight_bytes: of the model, its features included; MACs of a step.
        predicted_us: a step on the board; None where the board's profile lacks a figure.
        measured_us: a step here, compiled, called from Python; None where there is no compiler.
        ratio: to the fastest cell here.
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
    """All cells, in the order that was asked for.

    Attributes:
        recipe, title: what was trained.
        data: where it was read.
        seeds: those of the trainings.
        metric: the name of what is compared.
        board: where a step is predicted.
        unknown: why nothing is predicted; "" otherwise.
        unmeasured: why nothing is measured; "" otherwise.
        rows: one for each cell; none until all are trained.
        environment: what the figures belong to.
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
    """One cell, from what metrics.json says of each seed."""
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


def as_json(made: Comparison) -> bytes:
    """The comparison as the file that is kept of it."""
    return (json.dumps(asdict(made), indent=1) + "\n").encode()


def table(made: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and the cells, as they are printed and shown; "?" is unknown."""
    head = (
        "cell",
        made.metric,
        "least",
        "most",
        "parameters",
        "MACs",
        "weight bytes",
        f"{made.board} us",
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
        for each in made.rows
    )


def remarks(made: Comparison) -> tuple[str, ...]:
    """What must be known to read the table, a sentence each."""
    better = {"maximize": "more", "minimize": "less"}[dict(METRICS.values())[made.metric.split()[0]]]
    seeds = f"{len(made.seeds)} seeds" if made.seeds[1:] else "one seed"
    here = f"nothing was measured: {made.unmeasured}" if made.unmeasured else MEASURED
    board = f"unknown: {made.unknown}" if made.unknown else "predicted from the board's profile, in C"
    whole = (f"{WHOLE} cannot stream: its step is a frame of the longest test sequence, on ONNX Runtime",)
    return (
        *(() if all(each.streams for each in made.rows) else whole),
        f"{made.metric}: of the test part, the mean of {seeds} with the least and the most; {better} is better",
        f"{made.board} us: one step, {board}",
        f"measured us: {here}",
        "CPU s: of one training",
    )


WHOLE = "(whole windows only)"
MEASURED = "one step here, compiled and called from Python, all cells in turn; the ratio is to the fastest"


def page(made: Comparison) -> str:
    """The page: the metric against the cost of a step, and the table."""
    head, rows = table(made)
    measured = not made.unmeasured
    costs = {each.cell: each.measured_us if measured else each.predicted_us for each in made.rows}
    points = {
        each.cell: (cost, each.mean, each.least, each.most)
        for each in made.rows
        if (cost := costs[each.cell]) is not None
    }
    across = "one step, measured here, µs" if measured else f"one step on {made.board}, predicted, µs"
    return pages.fill(
        "compare.html",
        title=made.title,
        recipe=made.recipe,
        drawn=figures.trade(points, across, made.metric) if points else "",
        head=head,
        rows=tuple(pages.row(*cells) for cells in rows),
        remarks=remarks(made),
        environment=pages.facts(made.environment),
    )
