"""Models of other tools at the command, and what the replay of a file against its own runtime refuses."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

import edgernn
import onnx_files
from edge import edge
from edgernn.commands.options.foreign import parsed_signature
from edgernn.errors import ParityError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_file
from edgernn_export.sources.foreign.convert import graph_of, replay
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.suffixes import SOURCES

NOTHING = {"states": (), "inputs": None, "outputs": None, "shapes": (), "constants": (), "period": None, "labels": None}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with an ONNX model of one step, whose state has a name that nothing tells."""
    monkeypatch.chdir(tmp_path)
    w = onnx_files.weights()
    nodes = [
        onnx_files.node("MatMul", ["frame", "W"], ["a"], "read"),
        onnx_files.node("MatMul", ["past", "U"], ["b"], "recall"),
        onnx_files.node("Add", ["a", "b"], ["c"], "sum"),
        onnx_files.node("Tanh", ["c"], ["next"], "squash"),
        onnx_files.node("MatMul", ["next", "V"], ["scores"], "answer"),
    ]
    arrays = {"W": w(6, 5), "U": w(5, 5), "V": w(5, 3)}
    onnx_files.saved("m.onnx", nodes, {"frame": [1, 6], "past": [1, 5]}, {"scores": [1, 3], "next": [1, 5]}, arrays)
    (tmp_path / "other.onnx").write_bytes(b"no")
    return tmp_path


def test_a_file_becomes_a_graph_and_says_what_it_is(folder):
    text = edge("import", "m.onnx", "m.rnn", "--state", "next=past", "--period", "10ms", "--labels", "a,b,c")
    assert "compared_with    ONNX Runtime" in text
    assert "frames_per_step  1" in text
    assert "parameters       70" in text
    graph = edgernn.load("m.rnn")
    assert (graph.period_ms, graph.labels) == (10.0, ("a", "b", "c"))
    rng = np.random.default_rng(0)
    frames, state = rng.standard_normal((50, 6)).astype(np.float32), np.zeros((1, 5), np.float32)
    import onnxruntime

    session = onnxruntime.InferenceSession("m.onnx")
    for x, y in zip(frames, Stepper(graph).run(frames)[0], strict=True):
        scores, state = session.run(["scores", "next"], {"frame": x[None], "past": state})
        np.testing.assert_allclose(y, scores[0], atol=1e-5)


def test_json_says_the_same(folder):
    result = json.loads(edge("import", "m.onnx", "m.rnn", "--json"))
    assert result["graph"] == edgernn.artifact.rnn.digest(edgernn.load("m.rnn"))
    assert sum(result["states"].values()) == 5
    assert result["compared_with"] == "ONNX Runtime"


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "m.onnx"),
        ("estimate", "m.onnx", "--board", "raspberrypi4"),
        ("export", "m.onnx", "out.tflite"),
        ("compress", "m.onnx", "out.rnn", "--precision", "fp16"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_verb_that_takes_a_model_takes_the_file(folder, arguments):
    edge(*arguments)


WRONG = {
    "suffix": (("m.txt", "m.rnn"), "no source reads 'm.txt'; there are .onnx, .tflite, .keras"),
    "missing": (("none.onnx", "m.rnn"), "'none.onnx' cannot be read: No such file"),
    "damaged": (("other.onnx", "m.rnn"), "other.onnx"),
    "target": (("m.onnx", "m.so"), "a model is written as .rnn, not as 'm.so'"),
    "state": (("m.onnx", "m.rnn", "--state", "nxt=past"), "'nxt'"),
    "input": (("m.onnx", "m.rnn", "--inputs", "fram"), "did you mean 'frame'?"),
    "output": (("m.onnx", "m.rnn", "--outputs", "score"), "did you mean 'scores'?"),
    "form": (("m.onnx", "m.rnn", "--state", "next"), "--state next arrived; expected OUT=IN"),
    "number": (("m.onnx", "m.rnn", "--constant", "sr=x"), "--constant sr=x arrived; expected a number"),
    "shape": (("m.onnx", "m.rnn", "--shape", "frame=1,6"), "--shape frame 1,6 is not a shape"),
    "folder": (("m.onnx", "nowhere/m.rnn"), "'nowhere/m.rnn' cannot be written"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_import_is_one_line_and_no_file(folder, name):
    arguments, expected = WRONG[name]
    before = sorted(folder.iterdir())
    message = edge("import", *arguments, code=2)
    assert expected in message
    assert message.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_an_option_names_an_input_once():
    with pytest.raises(UsageError, match="--state names input 'h' twice"):
        parsed_signature(**NOTHING | {"states": ("a=h", "b=h")})
    both = parsed_signature(**NOTHING | {"states": ("a=h", "b=c"), "constants": ("sr=16000",), "shapes": ("x=1x2",)})
    assert both["states"] == {"h": "a", "c": "b"}
    assert (both["constants"], both["shapes"]) == ({"sr": 16000.0}, {"x": (1, 2)})


def test_every_suffix_has_a_package_that_reads_it():
    assert all(import_module(source.module("read")).read for source in SOURCES.values())


DAMAGED = {
    "m.onnx": b"no",
    "m.tflite": b"\x1c\0\0\0TFL3" + bytes(range(200)),
    "m.keras": b"PK no",
    "m.h5": b"\x89HDF no",
    "m.json": b"[" * 100_000,
    "m.nam": b"{}}",
}


def test_a_damaged_file_is_refused_before_torch_is_imported(tmp_path):
    for name, data in DAMAGED.items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import sys; sys.modules['torch'] = None; from edgernn_export import from_file; from edgernn.errors import FileError\n"
        "for path in sys.argv[1:]:\n"
        "    try: from_file(path)\n"
        "    except FileError as error: print(error)"
    )
    call = [sys.executable, "-c", code, *(tmp_path / name for name in DAMAGED)]
    lines = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [name in line for name, line in zip(DAMAGED, lines, strict=True)] == [True] * len(DAMAGED)


class Step(nn.Module):
    """One step of a recurrent layer; `mixed` states are added to the input, and lost otherwise."""

    def __init__(self, mixed=True):
        super().__init__()
        torch.manual_seed(0)
        self.w, self.u, self.mixed = nn.Linear(4, 3), nn.Linear(3, 3), mixed

    def forward(self, x, h):
        h = torch.tanh(self.w(x) + (self.u(h) if self.mixed else 0))
        return {"y": 2 * h, "h_out": h}


def foreign(module, original):
    example = (torch.randn(1, 4), torch.zeros(1, 3))

    def run(arguments):
        with torch.no_grad():
            return [value.numpy() for value in original(*map(torch.from_numpy, arguments)).values()]

    return ForeignModel("m", module.eval(), example, ("x",), ("y",), {"h": "h_out"}, original=run, runtime="torch")


def test_a_module_that_computes_as_the_original_is_taken():
    assert graph_of(foreign(Step(), Step())).outputs == 3


def changed(change):
    module = Step()
    with torch.no_grad():
        change(module)
    return module


CHANGES = {
    "weight": lambda m: m.w.weight[0, 0].add_(1e-3),
    "recurrent weight": lambda m: m.u.weight[2, 1].add_(1e-3),
    "transposed": lambda m: m.u.weight.copy_(m.u.weight.T.clone()),
    "lost bias": lambda m: m.u.bias.zero_(),
    "two rows swapped": lambda m: m.w.weight.copy_(m.w.weight[[1, 0, 2]]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_module_that_computes_otherwise_is_refused(name):
    with pytest.raises(ParityError, match=r"'y' is .* from torch in call 0; report this as a bug"):
        replay(foreign(Step(), changed(CHANGES[name])))


class Shifted(nn.Module):
    """Loses digits of its input, as a recurrence with large weights does."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x, h):
        h = torch.tanh(h + ((x + self.by) - self.by)[:, :3])
        return {"y": h * 2, "h_out": h}


def test_what_rounding_loses_in_the_module_is_no_difference():
    """As much as the module in float32 is from itself in float64, and the original may be on the other side."""
    example = (torch.randn(1, 4), torch.zeros(1, 3))
    replay(replace(foreign(Shifted(1e4), Shifted(0.0)), example=example))
    with pytest.raises(ParityError, match="report this as a bug"):
        replay(replace(foreign(Shifted(0.0), Shifted(1e4)), example=example))


def test_a_state_that_changes_nothing_is_refused():
    with pytest.raises(UnsupportedError, match="state 'h' changes no output"):
        graph_of(foreign(Step(mixed=False), Step(mixed=False)))


def test_a_logarithm_is_compared_where_it_is_finite():
    class Log(nn.Module):
        def forward(self, x, h):
            h = torch.tanh(h + torch.log(x + 1e-3)[:, :3])
            return {"y": h * 2, "h_out": h}

    graph = graph_of(replace(foreign(Log(), Log()), example=(torch.randn(1, 4), torch.zeros(1, 3))))
    assert np.isfinite(Stepper(graph).run(np.ones((3, 4), np.float32))[0]).all()


def test_from_file_takes_what_the_command_takes(folder):
    assert from_file("m.onnx", states={"past": "next"}) == from_file("m.onnx")
