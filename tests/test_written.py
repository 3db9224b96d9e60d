"""What people write in PyTorch: small modules of public projects convert, and stream on every runtime; files beside us."""

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

import edgernn
import edgernn_export
from edgernn.device.runtimes import ELSEWHERE, suffixes
from edgernn.errors import UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.runtime.parts import flat_answer
from edgernn_export import export
from edgernn_export.targets import TARGETS
from zoo import frames

FILES = sorted((Path(__file__).parent.parent.parent / "shared/cases/torch").glob("b*.py"))

REFUSED = {
    "b05": r"a Python loop over time; .*(?s:.*)def forward\(self, frame, state\):",
    "b18": r"pass running=\(\"mean\",\) to from_torch",
    "b21": r"it packs sequences by their lengths",
    "b24": r"complex64, and a stream has real numbers",
    "b25": r"validate_args=False",
    "b28": r"convert the float model, then quantize the graph",
    "b30": r"convert encoder and decoder apart",
    "b31": r"torch\.stft reflects samples on both sides",
}
"""The modules that cannot stream as they are written, and what the refusal says."""


def given(path, monkeypatch):
    """What a file gives to from_torch, and the graph."""
    graphs = []
    convert = edgernn_export.from_torch
    monkeypatch.setattr(edgernn_export, "from_torch", lambda *args, **options: graphs.append(convert(*args, **options)))
    with warnings.catch_warnings(action="ignore"):  # the files use what torch is about to replace
        runpy.run_path(str(path))
    (graph,) = graphs
    return graph


@pytest.mark.skipif(not FILES, reason="the files are not beside this project")
def test_every_exception_is_a_file():
    assert {*REFUSED} <= {path.name[:3] for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_module_streams_on_every_runtime(path, monkeypatch, tmp_path):
    """from_torch proves the graph against the module in float64; each artifact is stepped 100 times beside the graph."""
    if path.name[:3] in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[path.name[:3]]):
            given(path, monkeypatch)
        return
    graph = given(path, monkeypatch)
    xs = frames(graph, 100)
    expected, _ = Stepper(graph).run(xs)
    edgernn.save(graph, tmp_path / "m.rnn")
    written = [tmp_path / "m.rnn", *(tmp_path / f"m{suffix}" for suffix in TARGETS if suffix not in ELSEWHERE)]
    for each in written[1:]:
        export(graph, each)
    for each in written:
        if each.suffix in suffixes():
            stream = edgernn.open(each).stream()
            ys = np.stack([flat_answer(stream.step(x)) for x in xs])
            np.testing.assert_allclose(ys, expected, atol=1e-5, rtol=1e-5)
