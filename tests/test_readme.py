"""README tells the truth: its code runs, its figures are those of the benchmark, and it stays short."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

import document
import edgernn
from document import ROOT

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
