"""The report of a training: a self-contained page with correct values, for labels with any characters."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.cells import Dense, Gru
from edgernn.device import board as boards
from edgernn.errors import EdgernnError
from edgernn.latency import estimate
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.model.window import Stage, Window
from edgernn.pages.drawing import plain
from edgernn.passes.quantize import quantize
from edgernn.train import recipe as recipes, run
from edgernn.train.evaluate.metrics import Evaluation
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.pages import curves, figures
from edgernn.train.pages.report import _step, report
from page import Page

HOSTILE = (
    "<script>alert(1)</script>",
    "$x^$",
    "\"&'><b>",
    "a\nb\0",
    "\u6f22\u5b57",
    "\udc80",
    "</svg>",
    "&lt;",
    "x" * 90,
)
CPU = Accelerator("cpu")
RATED = [name for name in boards.names() if boards.load(name).level]
RECIPE = recipes.load("spoken-digits", ['data.pattern="<b>{label}</b>_{group}"'])
HISTORY = [{"loss": 2.0, "test_loss": 2.5, "test_accuracy": 0.5}, {"loss": 1.0, "gradient_norm": 0.1}]
ENVIRONMENT = {"machine": "<i>x86</i>", "versions": {"numpy": "2.0"}}
FORMS = {"fp32": lambda graph: graph, "dynamic_wi8_afp32": quantize}


def network(outputs, labels=(), period_ms=None):
    draw = np.random.default_rng(0).standard_normal
    weights = [Tensor(draw(shape).astype(np.float32)) for shape in ((24, 5), (24, 8), (24,), (24,))]
    out = Dense(Tensor(draw((outputs, 8)).astype(np.float32)), Tensor(draw(outputs).astype(np.float32)))
    return Graph((Layer("gru", Gru(*weights)), Layer("out", out)), 5, period_ms=period_ms, labels=labels)


def test_a_model_of_whole_windows_says_that_it_cannot_stream():
    graph = network(3)
    both = Window((Stage(graph, graph, "mean"),))
    result = page(Evaluation({"accuracy": 1.0}, {"": counts(3)}), both)
    assert result.stands_alone()
    assert "cannot stream" in result.text
    assert "edgernn estimate" not in result.text
    assert "cannot stream" not in page(Evaluation({"accuracy": 1.0}, {"": counts(3)}), graph).text


def page(verdict, graph, notes=()):
    return Page(report(RECIPE, graph, verdict, HISTORY, ENVIRONMENT, notes))


def counts(classes):
    return np.random.default_rng(1).integers(0, 9, (classes, classes))


DATA = {
    "class": ("japanese-vowels", "japanese_vowels", ("training.epochs=2", "model.hidden=8")),
    "series": (
        "taxi-demand",
        "nab/data/realKnownCause/nyc_taxi.csv",
        ("training.epochs=2", "model.hidden=8", "data.horizon=[1, 24]"),
    ),
    "text": ("shakespeare", None, ("training.epochs=2", "model.hidden=8", "data.chunk=256", "training.tbptt=64")),
}


@pytest.fixture(scope="module", params=DATA)
def trained(request, data, tmp_path_factory):
    """A small training on real data: its kind, recipe, result and folder."""
    name, path, result = DATA[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    if path is None:
        (folder / "part.txt").write_text((data / "tinyshakespeare/input.txt").read_text()[:20_000])
    loaded = recipes.load(name, result)
    where = folder / "part.txt" if path is None else data / path
    return request.param, loaded, run.train(loaded, where, folder / "run", accelerator=CPU), folder / "run"


def test_a_training_writes_a_page_that_stands_alone(trained):
    kind, loaded, result, folder = trained
    actual = Page((folder / "report.html").read_text())
    assert actual.stands_alone()
    assert loaded.title in actual.text
    assert actual.pre == (folder / "recipe.toml").read_text()
    for name, value in result.metrics.items():
        assert name in actual.text
        assert f"{value:,.0f}" in actual.text if value >= 1000 else f"{value:.4g}" in actual.text
    for name in RATED:
        assert name in actual.text
    drawn = [set(texts) for texts in actual.drawn]
    options = {"class": {"truth", "answer"}, "series": {"truth", "forecast", "persistence", "+24"}, "text": {"unigram"}}
    assert any(options[kind] <= texts for texts in drawn)
    assert any({"epoch", "loss"} <= texts for texts in drawn)
    assert any({"epoch", "norm of the gradient"} <= texts for texts in drawn)
    assert "$" not in "".join(text for texts in drawn for text in texts)


def test_a_training_writes_its_curves_and_its_environment(trained):
    _, _, result, folder = trained
    table = list(csv.DictReader(io.StringIO((folder / "curves.csv").read_text(), newline="")))
    assert [int(row.pop("epoch")) for row in table] == [0, 1]
    assert [{name: float(value) for name, value in row.items()} for row in table] == result.history
    about = json.loads((folder / "environment.json").read_text())
    assert about["cpu_s"] == result.cpu_s > 0
    assert about["versions"]["edgernn"]


def test_every_device_shows_its_estimate_and_the_share_of_a_period():
    graph = network(3, period_ms=0.01)
    table = page(Evaluation({"accuracy": 1.0}, {"": counts(3)}), graph).tables[2]
    assert table[0] == ["device", *(f"{name}, µs" for name in FORMS)]
    assert [row[0].split(" | ")[0] for row in table[1:]] == RATED
    for name, *cells in table[1:]:
        for cell, form in zip(cells, FORMS.values(), strict=True):
            result = estimate.estimate(form(graph), boards.load(name.split(" | ")[0]))
            assert cell == f"{result.step_us:.3g} | {result.step_us / 10:.1%} of a period"


def test_a_board_that_knows_too_little_says_why():
    board = replace(boards.load("raspberrypi4"), clock_mhz=None)
    assert _step([network(3)], board, None) == ("unknown", "clock_mhz of board 'raspberrypi4' is unknown")


def test_the_sizes_are_those_of_each_precision():
    graph = network(3)
    table = page(Evaluation({"accuracy": 1.0}, {"": counts(3)}), graph).tables[1]
    for (name, parameters, macs, *sizes), form in zip(table[1:], FORMS.values(), strict=True):
        bare = sum(tensor.nbytes for tensor in form(graph).tensors.values())
        assert name in FORMS
        assert int(parameters.replace(",", "")) == sum(tensor.stored.size for tensor in graph.tensors.values())
        assert int(macs) == 24 * 5 + 24 * 8 + 3 * 8
        assert sizes[:2] == [f"{bare / 1024:.1f}", f"{8 * 4 / 1024:.1f}"]


def test_feature_cells_are_told_apart(trained):
    kind, _, _, folder = trained
    graph = edgernn.load(folder / "model.rnn")
    bare = sum(tensor.nbytes for name, tensor in graph.tensors.items() if name.startswith("standardize."))
    text = Page((folder / "report.html").read_text()).text
    assert (f"include 0 MACs and {bare:,} bytes of weights" in text) == (kind != "text")


def test_the_matrix_and_its_recalls_are_the_counts():
    matrix = counts(6)
    matrix[4] = 0
    result = page(Evaluation({"accuracy": 0.5}, {"": matrix}), network(6))
    table = result.tables[0][1:]
    for k, (name, recall, requests, taken) in enumerate(table):
        total = sum(int(each) for each in matrix[k])
        assert (name, requests) == (str(k), str(total))
        assert recall == ("" if k == 4 else f"{matrix[k, k] / total:.1%}")
        wrong = {j: matrix[k, j] for j in range(6) if j != k}
        assert taken == "" if k == 4 else int(taken.split("(")[1][:-1]) == max(wrong.values())
    cells = [text for text in result.drawn[0] if text.isdecimal()]
    assert sorted(cells) == sorted([str(n) for n in matrix.flat if n] + 2 * [str(k) for k in range(6)])


def test_any_name_is_shown_as_it_is():
    result = page(
        Evaluation({"<b>rmse</b>": 0.5}, {"": counts(len(HOSTILE))}), network(len(HOSTILE), HOSTILE), HOSTILE[:1]
    )
    assert result.stands_alone()
    assert [row[0] for row in result.tables[0][1:]] == [plain(name) for name in HOSTILE]
    shown = [plain(name, figures.LONGEST) for name in HOSTILE]
    assert [text for text in result.drawn[0] if text in shown] == 2 * shown
    assert "b" not in result.tags[result.tags.index("pre") :]
    for text in ("<b>rmse</b>", "<i>x86</i>", HOSTILE[0], "<b>{label}</b>_{group}"):
        assert text in result.text
    result.html.encode()


@pytest.mark.parametrize("classes", [65, 600])
def test_many_classes_stay_readable(classes):
    names = tuple(f"class-{k}" for k in range(classes))
    matrix = counts(classes)
    result = page(Evaluation({"accuracy": 0.1}, {"": matrix}), network(classes, names))
    assert not [text for text in result.drawn[0] if text in names]
    recalls = {name: matrix[k, k] / matrix[k].sum() for k, name in enumerate(names)}
    worst = [row[0] for row in result.tables[0][1:]]
    assert len(worst) == 20
    assert max(recalls[name] for name in worst) <= min(recalls[name] for name in set(names) - set(worst))
    assert len(result.html) < 600_000


def test_a_forecast_of_many_outputs_shows_some_of_them():
    truth = np.random.default_rng(0).standard_normal((500, 24)).astype(np.float32)
    names = tuple(f"+{k}" for k in range(24))
    metrics = {f"rmse {name}": 1.0 for name in names}
    result = page(Evaluation(metrics, series=(truth, truth + 1, truth - 1)), network(24, names))
    assert [name for texts in result.drawn[:3] for name in texts if name in names] == ["+0", "+12", "+23"]
    assert "The last 300 of 500 steps" in result.text
    assert all(name in result.text for name in metrics)


def test_the_same_training_gives_the_same_page():
    verdict = Evaluation({"accuracy": 0.5}, {"": counts(4)})
    assert page(verdict, network(4)).html == page(verdict, network(4)).html


NAMES = st.sampled_from(["loss", "test_loss", "test_accuracy", "gradient_norm", "gradient_norm_max", 'x,"y"\n'])
EPOCHS = st.lists(st.dictionaries(NAMES, st.floats(allow_nan=False)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(history=EPOCHS)
def test_the_table_of_curves_is_read_back_as_it_was(history):
    text = io.StringIO(curves.as_csv(history), newline="")
    rows = [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(text)]
    assert [row.pop("epoch") for row in rows] == list(range(len(history)))
    assert rows == history


@settings(max_examples=60, deadline=None)
@given(history=EPOCHS)
def test_every_figure_of_an_epoch_is_a_point_of_one_curve(history):
    result = curves.panels(history)
    points = [
        (epoch, value)
        for lines in result.values()
        for epochs, values in lines.values()
        for epoch, value in zip(epochs, values, strict=True)
    ]
    assert sorted(points) == sorted((k, value) for k, epoch in enumerate(history) for value in epoch.values())


def test_curves_are_called_after_what_they_show():
    result = curves.panels([{"test_loss": 1.0, "loss": 2.0, "gradient_norm_max": 9.0, "gradient_norm": 3.0}])
    assert {panel: list(lines) for panel, lines in result.items()} == {
        "loss": ["training", "test"],
        "norm of the gradient": ["median", "max"],
    }
    with pytest.raises(EdgernnError, match="a metric has the name 'epoch'"):
        curves.as_csv([{"epoch": 1.0}])


@given(text=st.text(st.characters(codec=None)))
def test_plain_text_prints_and_keeps_what_does(text):
    shown = plain(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "package"), [("train", "matplotlib"), ("compare", "jinja2")])
def test_what_a_report_needs_is_missed_before_the_training(package, verb, tmp_path):
    code = f"import sys; sys.modules[{package!r}] = None; from edgernn.cli import main; main(sys.argv[1:])"
    call = [verb, "japanese-vowels", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", code, *call], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"needs the package '{package}', which is not installed: pip install 'edgernn[report]'" in done.stderr
    assert not (tmp_path / "run").exists()
