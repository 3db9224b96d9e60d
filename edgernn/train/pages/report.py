"""The report of a training: one page with what the model came to, how it was trained, and what it costs where."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgernn.device import board as boards
from edgernn.interpreters.count import Cost, total
from edgernn.latency.estimate import estimate_frame
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC
from edgernn.model.window import Window
from edgernn.pages.drawing import plain
from edgernn.pages.page import TableCell, TableRow, facts, fill, kib, number, row
from edgernn.passes.quantize import quantize
from edgernn.train.convert import Model, graphs
from edgernn.train.evaluate.metrics import Evaluation
from edgernn.train.pages import curves, figures
from edgernn.train.recipe import Recipe, written

Array = NDArray[Any]

FORMS: Mapping[str, Callable[[Graph], Graph]] = MappingProxyType({"fp32": lambda graph: graph, DYNAMIC: quantize})
"""The precisions whose cost is told -> the graph in each."""

TILES = 6  # metrics that are shown large
LAST = 300  # steps of the test part that are drawn
OUTPUTS = 3  # of a forecast, that are drawn
CLASSES = 20  # with the lowest recall, that are listed where there are too many


@dataclass(frozen=True)
class Answers:
    """What a section shows of the answers: sentences, drawings, and a table."""

    said: tuple[str, ...]
    drawn: tuple[Markup, ...]
    head: tuple[str, ...] = ()
    rows: tuple[TableRow, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """What a table shows."""

    head: tuple[str, ...]
    rows: tuple[TableRow, ...]


def report(
    recipe: Recipe,
    model: Model,
    verdict: Evaluation,
    history: Sequence[Mapping[str, float]],
    environment: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> str:
    """The page, complete in itself: it opens without a network.

    Args:
        recipe: as it was used.
        model: what was trained, in float32.
        verdict: of the test part.
        history: the figures of each epoch by name.
        environment: what the figures belong to; tables in it are shown as "table.key".
        notes: warnings of the training.
    """
    forms = {name: [form(graph) for graph in graphs(model)] for name, form in FORMS.items()}
    costs = {name: total(form) for name, form in forms.items()}
    metrics = [(plain(name), number(value)) for name, value in verdict.metrics.items()]
    return fill(
        "report.html",
        title=recipe.title,
        name=recipe.name,
        whole=isinstance(model, Window),
        metrics=metrics[:TILES],
        more=tuple(row(*each) for each in metrics[TILES:]),
        notes=list(dict.fromkeys(notes)),
        answers=_answers(verdict, model),
        curves=[figures.curves(panel, lines) for panel, lines in curves.panels(history).items()],
        features=_features(costs["fp32"]),
        sizes=_sizes(costs),
        period="" if model.period_ms is None else f"{model.period_ms:,.10g}",
        steps=_steps(forms, model.period_ms),
        recipe=written(recipe),
        environment=facts(environment),
    )


def _answers(verdict: Evaluation, model: Model) -> Answers:
    if verdict.confusion is not None:
        labels = model.labels or tuple(map(str, range(model.outputs)))
        return _classes(verdict.confusion, labels)
    if verdict.series is not None:
        return _series(*verdict.series, model.labels)
    shown = {name: verdict.metrics[name] for name in ("nats", "unigram") if name in verdict.metrics}
    nats = verdict.metrics["nats"]
    said = (
        f"{number(nats)} nats, or {number(nats / np.log(2))} bits, for each symbol: as if it hesitated among "
        f"{number(np.exp(nats))} equally likely ones."
    )
    beside = "The unigram knows nothing but how often the training part has each symbol."
    return Answers((said, *([beside] if "unigram" in shown else [])), (figures.bars(shown, "nats per symbol"),))


def _classes(matrix: Array, labels: Sequence[str]) -> Answers:
    """The matrix, and the recall of each class; of many classes, those with the lowest."""
    asked, right = matrix.sum(axis=1), matrix.diagonal()
    recall = right / np.maximum(asked, 1)
    every = range(len(matrix))
    listed = list(every) if len(matrix) <= figures.NAMED else sorted(every, key=lambda k: (not asked[k], recall[k], k))
    wrong = matrix - np.diag(right)
    rows = []
    for k in listed if len(matrix) <= figures.NAMED else listed[:CLASSES]:
        most = int(wrong[k].argmax())
        taken = f"{plain(labels[most])} ({wrong[k, most]})" if wrong[k, most] else ""
        rows.append(row(plain(labels[k]), f"{recall[k]:.1%}" if asked[k] else "", str(asked[k]), taken))
    said = f"{right.sum():,} of {matrix.sum():,} sequences are right. What is wrong is orange."
    if len(rows) < len(matrix):
        said += f" Of {len(matrix)} classes the table has the {len(rows)} with the lowest recall."
    return Answers(
        (said,), (figures.confusion(matrix, labels),), ("class", "recall", "asked", "mostly mistaken for"), tuple(rows)
    )


def _series(truth: Array, forecast: Array, persistence: Array, labels: Sequence[str]) -> Answers:
    """The end of the test part, for the outputs at both ends and between."""
    steps, outputs = truth.shape
    first = max(0, steps - LAST)
    shown = sorted({round(at) for at in np.linspace(0, outputs - 1, min(outputs, OUTPUTS))})
    names = labels or tuple(map(str, range(outputs)))
    drawn = tuple(
        figures.forecast(truth[first:, k], forecast[first:, k], persistence[first:, k], first, names[k]) for k in shown
    )
    which = "" if len(shown) == outputs else f" Of {outputs} outputs these are {', '.join(names[k] for k in shown)}."
    said = f"The last {steps - first:,} of {steps:,} steps; persistence foretells that nothing changes.{which}"
    return Answers((said,), drawn, wide=True)


def _features(cost: Cost) -> str:
    """What the feature cells take, in words; "" where there are none."""
    return f"{cost.exact_macs:,} MACs and {cost.exact_bytes:,} bytes of weights" if cost.exact_bytes else ""


def _sizes(costs: Mapping[str, Cost]) -> Table:
    rows = (
        row(
            name,
            f"{cost.parameters:,}",
            f"{cost.macs:,}",
            *map(kib, (cost.weight_bytes, cost.state_bytes, cost.scratch_bytes)),
        )
        for name, cost in costs.items()
    )
    return Table(("precision", "parameters", "MACs", "weights KiB", "state KiB", "scratch KiB"), tuple(rows))


def _steps(forms: Mapping[str, Sequence[Graph]], period_ms: float | None) -> Table:
    """A row for each device whose rates are known, a column for each precision."""
    known = [board for board in map(boards.load, boards.names()) if board.level]
    rows = [((each.name, each.title), *(_step(form, each, period_ms) for form in forms.values())) for each in known]
    return Table(("device", *(f"{name}, µs" for name in forms)), tuple(rows))


def _step(form: Sequence[Graph], board: boards.Device, period_ms: float | None) -> TableCell:
    """The predicted step and its share of a period, or why there is none."""
    found = estimate_frame(form, board)
    if found.step_us is None:
        return "unknown", found.unknown
    return f"{found.step_us:.3g}", "" if period_ms is None else _share(found.step_us / 1000 / period_ms)


def _share(part: float) -> str:
    return f"{part:.1%} of a period" if part >= 0.001 else "under 0.1% of a period"
