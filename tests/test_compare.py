"""Comparisons of cells: cells are trained once, the table shows the results, and errors stop a comparison."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

import edgernn
from edgernn.cli import cli
from edgernn.device import board
from edgernn.errors import FileError, TrainingError, UsageError
from edgernn.latency.estimate import estimate_frame
from edgernn.train import recipe
from edgernn.train.compare import cells as comparing
from edgernn.train.compare.table import Comparison, page, remarks, row as one_row, table
from edgernn.train.compare.timing import Contender, Timed, ratios, time_interleaved
from edgernn.train.loop.task import Task
from edgernn.train.recipe import to_toml
from page import Page
from zoo import GRAPHS

CELLS, SEEDS, BOARD = ("rnn", "mgu", "birnn"), 2, "raspberrypi4"
SMALL = ("training.epochs=2", "model.hidden=6", "training.seed=5")


@pytest.fixture(scope="module")
def vowels(data):
    return data / "japanese_vowels"


@pytest.fixture(scope="module")
def compared_once(vowels, tmp_path_factory):
    """A small comparison on real data, and its folder."""
    folder = tmp_path_factory.mktemp("compare")
    return compared(vowels, folder), folder


@pytest.fixture
def copied(compared_once, tmp_path):
    """The same, with a copy of its folder for another comparison."""
    result, folder = compared_once
    return result, Path(shutil.copytree(folder, tmp_path / "copied"))


def compared(path, folder, cells=CELLS, seeds=SEEDS, settings=SMALL, **options):
    return comparing.compare(
        comparing.recipes("japanese-vowels", cells, seeds, settings), path, folder, board=BOARD, **options
    )


def edge(*arguments):
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)], catch_exceptions=True)


def trainings(folder):
    """Every checkpoint and model in the folder; another training writes new ones."""
    remaining = (path for path in folder.glob("*/*") if path.suffix in {".ckpt", ".rnn", ".onnx"})
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in remaining
    }  # numbers of deleted files are reused


@pytest.mark.parametrize("cell", comparing.CELLS)
def test_every_name_makes_a_recipe(cell):
    first, second = comparing.recipes("japanese-vowels", [cell], 2, SMALL).values()
    assert cell == ("bi" if first.shape.bidirectional else "") + first.shape.cell
    assert (first.training.seed, second.training.seed) == (5, 6)
    assert replace(second.training, seed=5) == first.training


def test_a_cell_reads_one_way_whatever_the_recipe_says(tmp_path):
    shipped = recipe.load("japanese-vowels", ["model.bidirectional=mean"])
    (tmp_path / "both.toml").write_text(to_toml(shipped))
    result = comparing.recipes(str(tmp_path / "both.toml"), ["gru", "bigru"], 1)
    assert [each.shape.bidirectional for each in result.values()] == ["", "concat"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("rnn,gruu", r"there is no cell 'gruu' to compare; did you mean 'gru'\?"),
        ("", "there is no cell '' to compare; there are rnn, "),
        ("gru,rnn,gru", "the cell 'gru' occurs twice; name each cell once"),
    ],
)
def test_a_wrong_list_of_cells_is_refused(cells, words):
    with pytest.raises(UsageError, match=words):
        comparing.parse_cells(cells)
    assert comparing.parse_cells(" rnn, lstm") == ("rnn", "lstm")


@pytest.mark.parametrize("setting", ["model.cell=gru", " model.bidirectional = mean"])
def test_what_a_comparison_sets_cannot_be_set(setting):
    with pytest.raises(UsageError, match=r"a comparison controls model\.cell and model\.bidirectional; use --cells"):
        comparing.recipes("japanese-vowels", CELLS, 1, [setting])


def test_the_rows_are_what_was_trained(compared_once):
    result, folder = compared_once
    assert [row.cell for row in result.rows] == list(CELLS)
    assert result.seeds == (5, 6)
    for row in result.rows:
        runs = [folder / f"{row.cell}-{seed}" for seed in result.seeds]
        document = [json.loads((run / "metrics.json").read_text()) for run in runs]
        assert row.values == tuple(each["metrics"]["accuracy"] for each in document)
        assert (row.least, row.most) == (min(row.values), max(row.values))
        assert row.mean == pytest.approx(sum(row.values) / 2)
        assert row.cpu_s == pytest.approx(sum(each["cpu_s"] for each in document) / 2)
        assert row.measured_us > 0
        assert row.streams == (row.cell != "birnn")
        if not row.streams:
            assert all(edgernn.open(run / "model.onnx").manifest.window for run in runs)
            assert row.predicted_us > result.rows[0].predicted_us
            continue
        graphs = [edgernn.load(run / "model.rnn") for run in runs]
        for graph in graphs:
            assert row.weight_bytes == sum(tensor.nbytes for tensor in graph.tensors.values())
        assert row.predicted_us == edgernn_estimate(graphs[0])
    assert min(row.ratio for row in result.rows) == 1


def edgernn_estimate(graph):
    from edgernn.latency.estimate import estimate

    return estimate(graph, board.load(BOARD)).step_us


def test_the_files_say_the_same_as_the_table(compared_once):
    result, folder = compared_once
    document = json.loads((folder / "compare.json").read_text())
    shown = Page((folder / "compare.html").read_text())
    assert shown.stands_alone()
    head, rows = table(result)
    assert shown.tables[0] == [list(head), *map(list, rows)]
    for name in CELLS:
        assert name in shown.drawn[0]
    assert "$" not in "".join(shown.drawn[0])
    assert len(document["rows"]) == len(rows)
    keys = (
        "cell",
        "mean",
        "least",
        "most",
        "parameters",
        "macs",
        "weight_bytes",
        "predicted_us",
        "measured_us",
        "ratio",
    )
    for row, cells in zip(document["rows"], rows, strict=True):
        name, *numbers = (row[key] for key in keys)
        assert cells[0].split()[0] == name
        for number, cell in zip(numbers, cells[1:], strict=False):
            assert float(cell.replace(",", "")) == pytest.approx(number, rel=5e-3)


def test_a_finished_comparison_trains_nothing_and_says_the_same(copied, vowels):
    result, folder = copied
    before, heard = trainings(folder), []
    again = compared(vowels, folder, on_progress=heard.append)
    assert trainings(folder) == before
    assert len(before) == 2 * len(CELLS) * SEEDS
    assert len(heard) == len(CELLS) * SEEDS
    assert [row.values for row in again.rows] == [row.values for row in result.rows]


@pytest.mark.slow
def test_another_recipe_replaces_what_is_there_and_only_that(compared_once, vowels, tmp_path):
    _, folder = compared_once
    compared(vowels, tmp_path, cells=("rnn", "mgu"), seeds=1)
    before = trainings(tmp_path)
    other = comparing.recipes("japanese-vowels", ("rnn",), 1, [*SMALL, "model.dropout=0.5"])
    comparing.compare(other, vowels, tmp_path, board=BOARD)
    after = trainings(tmp_path)
    assert {path.parent.name for path in after if after[path] != before[path]} == {"rnn-5"}
    assert (tmp_path / "rnn-5/recipe.toml").read_text() == to_toml(other["rnn", 5])
    assert trainings(folder)


@pytest.mark.slow
def test_a_comparison_that_is_killed_goes_on_and_ends_the_same(compared_once, vowels, tmp_path, monkeypatch):
    result, _ = compared_once
    begin, begun = Task.on_train_batch_start, count()

    def killed(task, batch, index):
        if index == 0 and next(begun) == 3:  # the second epoch of the second training
            raise KeyboardInterrupt
        begin(task, batch, index)

    monkeypatch.setattr(Task, "on_train_batch_start", killed)
    with pytest.raises(KeyboardInterrupt):
        compared(vowels, tmp_path)
    monkeypatch.undo()
    before = trainings(tmp_path)
    assert {path.name for path in before if path.parent.name == "rnn-6"} == {"last.ckpt"}
    epochs, done = Task.on_train_epoch_end, []
    monkeypatch.setattr(Task, "on_train_epoch_end", lambda task: (done.append(task), epochs(task))[1])
    again = compared(vowels, tmp_path)
    assert len(done) == 2 * len(CELLS) * SEEDS - 3
    assert [row.values for row in again.rows] == [row.values for row in result.rows]
    remaining = {path: node for path, node in trainings(tmp_path).items() if path.parent.name == "rnn-5"}
    assert remaining == {path: node for path, node in before.items() if path.parent.name == "rnn-5"}


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"rows": []}'])
def test_a_file_that_is_none_of_ours_is_refused(vowels, tmp_path, text):
    (tmp_path / "compare.json").write_text(text)
    with pytest.raises(FileError, match=r"compare.json' (is not JSON|has no 'data').*; delete it"):
        compared(vowels, tmp_path)


def test_a_loss_that_is_no_number_names_its_cell(vowels, tmp_path):
    with pytest.raises(TrainingError, match=r"cell 'rnn' with seed 5: the loss .*; or leave it out of --cells"):
        compared(vowels, tmp_path, settings=(*SMALL, "training.rate=2e9", "training.clip=0.0"))


def test_what_is_trained_has_a_table_where_nothing_compiles(copied, vowels, tmp_path, monkeypatch):
    result, folder = copied
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    again = compared(vowels, folder)
    assert "the compiler" in again.unmeasured
    assert [(row.measured_us, row.ratio) for row in again.rows] == [(None, None)] * len(CELLS)
    assert any("not measured: the compiler" in built for built in remarks(again))
    shown = Page(page(again))
    assert f"one step on {BOARD}, predicted, µs" in shown.drawn[0]
    assert [row.values for row in again.rows] == [row.values for row in result.rows]


def test_a_board_that_knows_too_little_leaves_the_measured_step(compared_once):
    result, _ = compared_once
    blind = replace(result, unknown="no clock", rows=tuple(replace(row, predicted_us=None) for row in result.rows))
    assert all(cells[7] == "?" for cells in table(blind)[1])
    assert any("unknown: no clock" in built for built in remarks(blind))
    neither = replace(blind, unmeasured="no compiler")
    assert not Page(page(neither)).drawn


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_it(copied, vowels):
    actual, folder = copied
    call = ["japanese-vowels", "--data", vowels, "--cells", ",".join(CELLS), "--seeds", SEEDS, "--board", BOARD]
    call += ["--out", folder, *(part for each in SMALL for part in ("--set", each))]
    output = edge(*call, "--json")
    assert output.exit_code == 0, output.output
    rows = json.loads(output.stdout)["rows"]
    assert [row["values"] for row in rows] == [list(row.values) for row in actual.rows]
    text = edge(*call).stdout
    for cells in table(actual)[1]:
        expected = " ".join(cells[:7]).split()
        assert any(line.split()[: len(expected)] == expected for line in text.splitlines())
    wrong = edge("japanese-vowels", "--data", vowels, "--cells", "rn")
    assert isinstance(wrong.exception, UsageError)


@pytest.mark.parametrize("value", [0.98, 0.99, 0.1, 0.9033])
def test_equal_seeds_have_no_range_and_are_drawn(value):
    """A mean that rounds beyond its values cannot be plotted."""
    graph = GRAPHS["Gru"]
    trained = [{"metrics": {"accuracy": value}, "cpu_s": 1.0}] * 3
    one = one_row("gru", True, "accuracy", trained, estimate_frame([graph], board.load(BOARD)), Timed(1.0, 1.0))
    assert (one.least, one.mean, one.most) == (value, value, value)
    result = Comparison("r", "t", "d", (0, 1, 2), "accuracy", BOARD, "", "", (one,), {})
    assert Page(page(result)).drawn


def test_contenders_are_timed_in_turn_and_the_fastest_is_one():
    order = []

    def step(name, laps):
        def run():
            order.append(name)
            for _ in range(laps):
                pass

        return run

    result = time_interleaved(
        {"slow": Contender(step("slow", 2000)), "fast": Contender(step("fast", 0))}, rounds=3, count=50
    )
    assert result["fast"].ratio == 1
    assert isinstance(result["slow"], Timed)
    turns = [name for k, name in enumerate(order) if not k or order[k - 1] != name]
    assert turns == ["slow", "fast"] * 3


ROUNDS = st.integers(1, 4).flatmap(
    lambda names: st.lists(st.lists(st.floats(1e-3, 1e6), min_size=names, max_size=names), min_size=1, max_size=9)
)


@given(ROUNDS, st.data())
def test_the_fastest_is_one_and_a_slow_machine_decides_nothing(took, drawn):
    def of(rounds):
        return ratios([dict(zip("abcd", each, strict=False)) for each in rounds])

    result = of(took)
    assert min(result.values()) == 1
    loads = drawn.draw(st.lists(st.floats(0.01, 100), min_size=len(took), max_size=len(took)))
    loaded = of([[us * load for us in each] for each, load in zip(took, loads, strict=True)])
    assert loaded == pytest.approx(result)


def test_the_fastest_is_so_in_most_rounds_and_not_by_its_median_alone():
    """The least median is a's, 2.0, but c takes less than a in two rounds of three."""
    result = ratios([{"a": 1.0, "b": 2.0, "c": 0.9}, {"a": 3.0, "b": 6.0, "c": 2.9}, {"a": 2.0, "b": 4.0, "c": 2.1}])
    assert result["c"] == 1
    assert result["b"] == pytest.approx(2 * result["a"])


@pytest.mark.slow
def test_a_comparison_dies_by_a_signal_and_leaves_only_whole_files(vowels, tmp_path):
    call = [sys.executable, "-m", "edgernn", "compare", "japanese-vowels", "--data", str(vowels), "--cells", "rnn"]
    call += ["--seeds", "1", "--set", "training.epochs=2000", "--set", "model.hidden=6", "--out", str(tmp_path)]
    child = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "rnn-0/last.ckpt").exists():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert json.loads((tmp_path / "compare.json").read_text())["rows"] == []
    assert os.path.getsize(tmp_path / "rnn-0/last.ckpt")
    assert not (tmp_path / "rnn-0/metrics.json").exists()
