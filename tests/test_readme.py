"""README tells the truth: its code runs, its figures are those of the benchmark, and it stays short."""

import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import document
import edgernn
from document import ROOT

BENCH = ROOT / "bench"
README = (ROOT / "README.md").read_text()
LINES, CODE_LINES, ROWS = 100, 15, 7


def test_readme_is_short():
    assert len(README.splitlines()) <= LINES


RECURRENT = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}
"""The layer of torch in place of the LSTM -> that of Keras."""


@pytest.mark.parametrize("layer", RECURRENT)
def test_the_quickstart_runs(layer, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    text = (ROOT / "README.md").read_text().replace("nn.LSTM", f"nn.{layer}")
    (tmp_path / "page.md").write_text(text.replace("layers.LSTM", f"layers.{RECURRENT[layer]}"))
    with warnings.catch_warnings(action="ignore"):
        document.run(tmp_path / "page.md", tmp_path)
    files = {path.name for path in tmp_path.iterdir()} - {"page.md"}
    assert files == {"model.so", "model_stream.py", "lstm.keras", "lstm.tflite"}
    import keras

    xs = np.random.default_rng(0).standard_normal((40, 10)).astype(np.float32)
    with warnings.catch_warnings(action="ignore"):  # of numpy, inside Keras
        expected = keras.saving.load_model(tmp_path / "lstm.keras")(xs[None]).detach().numpy()[0]
    np.testing.assert_allclose(edgernn.open(tmp_path / "lstm.tflite").stream().run(xs), expected, atol=1e-5)


def test_the_quickstart_has_fifteen_lines():
    block, other = [block for block in document.blocks(ROOT / "README.md") if block.language == "python"]
    assert len([line for line in block.text.splitlines() if line]) <= CODE_LINES
    assert len([line for line in other.text.splitlines() if line]) <= 3


def test_one_table_has_a_row_for_each_of_what_people_use():
    table = README.partition("<!-- figures: begin -->")[2].partition("<!-- figures: end -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + ROWS
    assert "a frame every 10 ms" in table


def test_the_figures_are_those_of_the_benchmark():
    run = subprocess.run(
        [sys.executable, ROOT / "bench/readme.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_named_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"`make (\w+)", README)
    assert {"demo", "test", "docs"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


# The files that figures come from


@pytest.fixture
def results(monkeypatch):
    """The module of bench/ that reads and writes results."""
    monkeypatch.syspath_prepend(BENCH)
    module = import_module("results")
    yield module
    for name in ("results", "machine"):
        sys.modules.pop(name)


@pytest.mark.parametrize("name", sorted(path.stem for path in (BENCH / "results").glob("*.json")))
def test_results_have_one_schema_and_belong_to_a_make_target(name, results):
    result = results.read(name)
    assert (result.data, result.pacing in results.PACINGS) != (None, False)
    assert [name in names for names in results.TARGETS.values()].count(True) == 1
    assert (BENCH / f"results/{name}.json").read_text() == results.text(result)


def test_a_make_target_measures_what_is_said_of_it(results):
    for target, names in results.TARGETS.items():
        block = re.search(rf"^{target}:.*?\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
        assert {*re.findall(r"bench/(\w+)\.py", block)} - {"readme"} <= {*names}


def written(results, folder, name, pacing="back to back", **machine):
    place = {"cpu": "A", "level": "v3", "python": "3.11"} | machine
    result = results.Result(place, {}, pacing, {}, {"rows": []})
    (folder / f"{name}.json").write_text(results.text(result))


def test_times_of_different_machines_are_refused(results, tmp_path):
    for name in ("step_latency", "c_level", "monitor"):
        written(results, tmp_path, name)
    written(results, tmp_path, "c_footprint", pacing="untimed", cpu="B")
    written(results, tmp_path, "compression", cpu="B")
    results.check_machines(tmp_path)
    written(results, tmp_path, "monitor", level="v4")
    with pytest.raises(results.ResultsError) as refusal:
        results.check_machines(tmp_path)
    assert str(refusal.value) == (
        "times of different machines cannot stand in one table: monitor.json was measured on A (v4); "
        "step_latency.json was measured on A (v3). Run `make bench`"
    )


def test_pages_are_not_written_of_different_machines(results, tmp_path):
    """A copy of the whole, in which the times of one file are those of another machine and a page is stale."""
    for part in ("bench", "docs", "tests", "edgernn", "export"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "README.md").write_text(README)
    folder, page = tmp_path / "bench/results", tmp_path / "docs/results.md"
    for path in folder.glob("*.json"):
        result = results.read(path.stem, folder)
        path.write_text(results.text(replace(result, machine={"cpu": "A", "level": "v3", "python": "3.11"})))
    script, stale = [sys.executable, tmp_path / "bench/readme.py"], page.read_text()
    subprocess.run(script, check=True)
    assert "A (v3)" in page.read_text()
    path = folder / "monitor.json"
    path.write_text(path.read_text().replace('"v3"', '"v4"'))
    page.write_text(stale)
    run = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (run.returncode, page.read_text()) == (1, stale)
    assert "nothing was written: times of different machines" in run.stderr


@pytest.mark.parametrize(
    "content", ["[]", '{"rows": []}', '{"machine": {}, "versions": {}, "pacing": "", "settings": {}, "data": 1}']
)
def test_results_of_another_schema_are_refused(content, results, tmp_path):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(results.ResultsError, match=r"m.json (has|is of) .*; expected"):
        results.read("m", tmp_path)
