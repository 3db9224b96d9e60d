"""The report of a training: one page with the metrics, the training curves and the cost on each device."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from markupsafe import Markup

from edgernn.array import Array
from edgernn.device import board as boards
from edgernn.interpreters.count import Cost, total
from edgernn.latency.estimate import estimate_frame
from edgernn.model.graph import Graph
from edgernn.model.parts import slices
from edgernn.model.tensor import DYNAMIC
from edgernn.model.window import Window
from edgernn.pages.drawing import plain
from edgernn.pages.page import TableCell, TableRow, facts, fill, kib, number, row
from edgernn.passes.quantize import quantize
from edgernn.train.convert import Model, graphs
from edgernn.train.evaluate.metrics import Evaluation
from edgernn.train.evaluate.sound import Heard
from edgernn.train.pages import curves, figures, sounds
from edgernn.train.recipe import Recipe, to_toml

FORMS: Mapping[str, Callable[[Graph], Graph]] = MappingProxyType({"fp32": lambda graph: graph, DYNAMIC: quantize})
"""A precision in the cost tables -> a function that converts a graph to it."""

TILES = 6  # metrics in large type
LAST = 300  # steps of the test part in a figure
OUTPUTS = 3  # outputs of a forecast with a figure
CLASSES = 20  # classes with the lowest recall in a table that cannot list all


@dataclass(frozen=True)
class Answers:
    """The section about the answers, or about those of one set of targets: sentences, figures and a table."""

    sentences: tuple[str, ...]
    drawings: tuple[Markup, ...]
    head: tuple[str, ...] = ()
    rows: tuple[TableRow, ...] = ()
    wide: bool = False
    name: str = ""
    players: Markup | None = None


@dataclass(frozen=True)
class Table:
    """The header and the rows of a table."""

    head: tuple[str, ...]
    rows: tuple[TableRow, ...]


def report(
    recipe: Recipe,
    model: Model,
    evaluation: Evaluation,
    history: Sequence[Mapping[str, float]],
    environment: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> str:
    """The self-contained HTML page.

    Args:
        recipe: the recipe with all overrides.
        model: the trained model in float32.
        evaluation: the evaluation on the test part.
        history: the metrics of each epoch by name.
        environment: the machine and the versions; tables in it are shown as "table.key".
        notes: the warnings of the training.
    """
    forms = {name: [form(graph) for graph in graphs(model)] for name, form in FORMS.items()}
    costs = {name: total(form) for name, form in forms.items()}
    metrics = [(plain(name), number(value)) for name, value in evaluation.metrics.items()]
    return fill(
        "report.html",
        title=recipe.title,
        name=recipe.name,
        whole=isinstance(model, Window),
        baselines=[plain(each.sentence) for each in evaluation.comparisons],
        metrics=metrics[:TILES],
        more=tuple(row(*each) for each in metrics[TILES:]),
        notes=list(dict.fromkeys(notes)),
        answers=_answers(evaluation, model),
        curves=[figures.curves(panel, lines) for panel, lines in curves.panels(history).items()],
        features=_features(costs["fp32"]),
        sizes=_sizes(costs),
        period="" if model.period_ms is None else f"{model.period_ms:,.10g}",
        steps=_steps(forms, model.period_ms),
        recipe=to_toml(recipe),
        environment=facts(environment),
    )


def _answers(evaluation: Evaluation, model: Model) -> list[Answers]:
    if evaluation.confusions:
        parts = slices({name: len(matrix) for name, matrix in evaluation.confusions.items()})
        labels = model.labels or tuple(map(str, range(model.outputs)))
        return [_classes(matrix, labels[parts[name]], name) for name, matrix in evaluation.confusions.items()]
    if evaluation.series is not None:
        return [_series(*evaluation.series, model.labels)]
    if evaluation.sounds:
        return [_sound(clip) for clip in sounds.chosen(evaluation.sounds)]
    shown = {name: evaluation.metrics[name] for name in ("nats", "unigram") if name in evaluation.metrics}
    nats = evaluation.metrics["nats"]
    sentence = (
        f"{number(nats)} nats, or {number(nats / np.log(2))} bits, per symbol: a perplexity of {number(np.exp(nats))}."
    )
    beside = "The unigram baseline uses only the symbol frequencies of the training part."
    return [Answers((sentence, *([beside] if "unigram" in shown else [])), (figures.bars(shown, "nats per symbol"),))]


def _classes(matrix: Array, labels: Sequence[str], name: str) -> Answers:
    """The confusion matrix, and the recall of each class, or of those with the lowest recall."""
    counts, right = matrix.sum(axis=1), matrix.diagonal()
    recall = right / np.maximum(counts, 1)
    every = range(len(matrix))
    listed = list(every) if len(matrix) <= figures.NAMED else sorted(every, key=lambda k: (not counts[k], recall[k], k))
    wrong = matrix - np.diag(right)
    rows = []
    for k in listed if len(matrix) <= figures.NAMED else listed[:CLASSES]:
        most = int(wrong[k].argmax())
        taken = f"{plain(labels[most])} ({wrong[k, most]})" if wrong[k, most] else ""
        rows.append(row(plain(labels[k]), f"{recall[k]:.1%}" if counts[k] else "", str(counts[k]), taken))
    sentence = f"{right.sum():,} of {matrix.sum():,} sequences are classified correctly. Mistakes are orange."
    if len(rows) < len(matrix):
        sentence += f" The table lists the {len(rows)} of {len(matrix)} classes with the lowest recall."
    return Answers(
        (sentence,),
        (figures.confusion(matrix, labels, name),),
        ("class", "recall", "sequences", "most often mistaken for"),
        tuple(rows),
        name=plain(name),
    )


def _series(truth: Array, forecast: Array, persistence: Array, labels: Sequence[str]) -> Answers:
    """The end of the test part, for the first, the last and an intermediate output."""
    steps, outputs = truth.shape
    first = max(0, steps - LAST)
    shown = sorted({round(at) for at in np.linspace(0, outputs - 1, min(outputs, OUTPUTS))})
    names = labels or tuple(map(str, range(outputs)))
    drawn = tuple(
        figures.forecast(truth[first:, k], forecast[first:, k], persistence[first:, k], first, names[k]) for k in shown
    )
    some = ", ".join(names[k] for k in shown)
    which = "" if len(shown) == outputs else f" The figures show {len(shown)} of {outputs} outputs: {some}."
    sentence = f"The last {steps - first:,} of {steps:,} steps; persistence forecasts no change.{which}"
    return Answers((sentence,), drawn, wide=True)


def _sound(clip: Heard) -> Answers:
    return Answers((sounds.caption(clip),), (sounds.spectrogram(clip),), wide=True, players=sounds.players(clip))


def _features(cost: Cost) -> str:
    """The cost of the feature cells as text; "" without feature cells."""
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
    """A row for each device with known rates, a column for each precision."""
    known = [board for board in map(boards.load, boards.names()) if board.level]
    rows = [((each.name, each.title), *(_step(form, each, period_ms) for form in forms.values())) for each in known]
    return Table(("device", *(f"{name}, µs" for name in forms)), tuple(rows))


def _step(form: Sequence[Graph], board: boards.Device, period_ms: float | None) -> TableCell:
    """The predicted step and its share of a period, or why it is unknown."""
    estimate = estimate_frame(form, board)
    if estimate.step_us is None:
        return "unknown", estimate.unknown
    return f"{estimate.step_us:.3g}", "" if period_ms is None else _share(estimate.step_us / 1000 / period_ms)


def _share(part: float) -> str:
    return f"{part:.1%} of a period" if part >= 0.001 else "under 0.1% of a period"
