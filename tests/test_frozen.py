"""Files of older releases: they open and answer what they answered when they were written (tests/freeze.py)."""

import json
import platform
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edgernn.artifact.manifest import parse_manifest
from edgernn.errors import FileError
from edgernn.model.cell import CELLS
from edgernn.runtime.parts import flat_answer
from edgernn.verification.verify import verify
from freeze import ANSWERS, FROZEN, SCHEMES

FILES = sorted(path for folder in FROZEN.iterdir() for path in folder.iterdir() if path.name != ANSWERS)
CLOSE, QUANTIZED = 2e-5, 0.03  # of float32 on another processor; of runtimes whose roundings may fall the other way


@cache
def recorded(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / ANSWERS) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_of_an_older_release_answers_as_it_did(path):
    if path.suffix == ".so" and platform.machine() != "x86_64":
        pytest.skip("compiled for x86-64")
    arrays = recorded(path.parent)
    actual = flat_answer(edgernn.open(path).stream().run(arrays[f"{path.name}.frames"]))
    bound = QUANTIZED if "dynamic" in path.name or "static" in path.name else CLOSE
    np.testing.assert_allclose(actual, arrays[f"{path.name}.answers"], atol=bound, rtol=bound)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".edge"], ids=lambda path: path.parent.name)
def test_a_package_of_an_older_release_proves_itself(path):
    found = verify(path)
    assert found.passed
    assert {finding.name for finding in found.findings if finding.passed} >= {
        "hashes",
        "contract",
        "goldens",
        "liveness",
    }


def test_the_newest_folder_has_every_cell_precision_and_target():
    newest = max(FROZEN.iterdir(), key=lambda folder: tuple(map(int, folder.name.split("."))))
    loaded = [edgernn.load(path) for path in newest.glob("*.rnn")]
    shipped = {name for name, cls in CELLS.items() if cls.__module__.startswith("edgernn.")}
    assert {type(layer.cell).__name__ for graph in loaded for layer in graph.layers} >= shipped
    assert {path.suffix for path in newest.iterdir()} == {".rnn", ".onnx", ".tflite", ".so", ".edge", ".npz"}
    assert {graph.precision for graph in loaded} >= {"fp32", *SCHEMES}


@pytest.mark.parametrize(("version", "advice"), [("99.0.0", "upgrade edgernn"), ("0.0.1", "export it again")])
def test_a_manifest_that_is_not_understood_says_which_side_is_old(version, advice):
    text = (FROZEN / "0.2.0" / "spotter-fp32.onnx").read_bytes()
    start = text.index(b'{"edgernn.sha256"')
    fields, _ = json.JSONDecoder().raw_decode(text[start:].decode("latin-1"))
    fields |= {"edgernn.version": version, "edgernn.novelty": 1}
    with pytest.raises(FileError, match=rf"another version of edgernn \(.*; this is {edgernn.__version__}: {advice}$"):
        parse_manifest(json.dumps(fields, separators=(",", ":")).encode(), "m.onnx")
