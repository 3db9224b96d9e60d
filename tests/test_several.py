"""Several inputs and outputs: their names in PyTorch, in every artifact and in a stream."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner
from hypothesis import given, strategies as st
from torch import nn

import edgernn
from edgernn.artifact.manifest import dump_manifest, graph_manifest, parse_manifest
from edgernn.cells import Dense
from edgernn.cli import cli
from edgernn.device.runtimes import suffixes
from edgernn.errors import FileError, FrameError, GraphError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.parts import slices
from edgernn.model.window import Stage, Window
from edgernn.passes.agreement import agreement
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import by_name, flat_answer, flat_frames
from edgernn_export import export, from_torch
from edgernn_export.translate import render
from zoo import GRAPHS, frames, t

HEADS, INPUTS = GRAPHS["Concat of outputs"], GRAPHS["Slice of inputs"]
STEPS, T, I, H = 100, 12, 8, 6
SUFFIXES = suffixes()


class Named(NamedTuple):
    """Two results by their fields."""

    gain: Any
    voice: Any


@dataclass
class Scores:
    """Results as a dataclass, one of which may be missing."""

    logits: Any
    embedding: Any = None


class Module(nn.Module):
    """A GRU with two heads; a function makes the answer of both, the output of the GRU and its final state."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.gru = nn.GRU(I, H, batch_first=True)
        self.a, self.b = nn.Linear(H, 2), nn.Linear(H, 1)
        self.answer = answer

    def forward(self, x, h=None):
        y, h = self.gru(x, h)
        return self.answer(self.a(y), torch.sigmoid(self.b(y)), y, h)


ANSWERS = {
    "tuple": (lambda a, b, y, h: (a, b), {"0": 2, "1": 1}),
    "list": (lambda a, b, y, h: [a, b], {"0": 2, "1": 1}),
    "dictionary": (lambda a, b, y, h: {"voice": b, "gain": a}, {"voice": 1, "gain": 2}),
    "NamedTuple": (lambda a, b, y, h: Named(a, b), {"gain": 2, "voice": 1}),
    "dataclass": (lambda a, b, y, h: Scores(a, y), {"logits": 2, "embedding": H}),
    "dataclass with nothing in a field": (lambda a, b, y, h: Scores(a), {}),
    "nested": (lambda a, b, y, h: (a, {"b": b, "y": y}), {"0": 2, "1_b": 1, "1_y": H}),
    "characters": (lambda a, b, y, h: {"a.b": a, "a/b": b}, {"a_b": 2, "a_b_2": 1}),
    "last steps": (lambda a, b, y, h: (a[:, -1], y[:, -1]), {"0": 2, "1": H}),
    "last step and sequence": (lambda a, b, y, h: (a[:, -1], b), {"0": 2, "1": 1}),
    "same twice": (lambda a, b, y, h: (a, a), {"0": 2, "1": 2}),
    "state beside": (lambda a, b, y, h: (a, b, h), {"0": 2, "1": 1}),
    "state alone beside": (lambda a, b, y, h: (a, h), {}),
    "final state as embedding": (lambda a, b, y, h: (a, h[-1]), {"0": 2, "1": H}),
}
"""An answer -> the widths of its outputs by name; empty for one output."""


def tensors(answer):
    """The tensors of an answer, in order."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    answer = vars(answer) if isinstance(answer, Scores) else answer
    values = answer.values() if isinstance(answer, dict) else answer
    return [y for each in values if each is not None for y in tensors(each)]


def by_torch(module, *xs):
    """The results of the module at each step, side by side: those of the last step of each prefix."""
    rows = []
    with torch.no_grad():
        for i in range(len(xs[0])):
            answer = module(*(torch.from_numpy(x[None, : i + 1]) for x in xs))
            rows.append(np.concatenate([y.reshape(-1, y.shape[-1])[-1].numpy() for y in tensors(answer)]))
    return np.stack(rows)


@pytest.mark.parametrize("name", ANSWERS)
def test_results_have_names_and_equal_torch(name):
    answer, widths = ANSWERS[name]
    module = Module(answer).eval()
    graph = from_torch(module, torch.randn(1, T, I))
    assert list(graph.named_outputs.items()) == list(widths.items())
    xs = frames(Graph((Layer("out", Dense(t(1, I))),), I), 40)
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], by_torch(module, xs)[:, : graph.outputs], atol=1e-5)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".so"])
@pytest.mark.parametrize("name", [name for name in ANSWERS if ANSWERS[name][1]])
def test_every_answer_is_exported(name, suffix):
    """`render` proves the file against numpy: an output may be a state, a part, or another output."""
    graph = from_torch(Module(ANSWERS[name][0]).eval(), torch.randn(1, T, I))
    assert render(graph, f"m{suffix}")
    if suffix != ".so":  # compiled integers have a table of their own, test_static_c
        assert render(quantize(calibrate(graph, [frames(graph, STEPS)]), "static_wi8_ai8"), f"m{suffix}")


class Both(nn.Module):
    """Two inputs and two results."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(I, H, batch_first=True)
        self.a, self.b = nn.Linear(H, 2), nn.Linear(H + 5, 1)

    def forward(self, mic, far):
        y, _ = self.gru(torch.cat([far, mic], -1))
        return {"gain": self.a(y), "voice": torch.sigmoid(self.b(torch.cat([y, mic], -1)))}


EXAMPLES = {
    "tuple": lambda mic, far: (mic, far),
    "dictionary": lambda mic, far: {"far": far, "mic": mic},
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_runtime_equals_torch_in_100_steps(suffix, tmp_path):
    """In a block and step by step; inputs by name, in their order, and side by side."""
    module = Both().eval()
    graph = from_torch(module, (torch.randn(1, T, 5), torch.randn(1, T, 3)))
    assert (dict(graph.named_inputs), dict(graph.named_outputs)) == ({"mic": 5, "far": 3}, {"gain": 2, "voice": 1})
    (edgernn.save if suffix == ".rnn" else export)(graph, tmp_path / f"m{suffix}")
    program = edgernn.open(tmp_path / f"m{suffix}")
    both = np.random.default_rng(1).standard_normal((STEPS, 8)).astype(np.float32)
    mic, far = np.ascontiguousarray(both[:, :5]), np.ascontiguousarray(both[:, 5:])
    expected = by_torch(module, mic, far)
    answers = program.run({"far": far, "mic": mic})
    assert {name: answer.shape for name, answer in answers.items()} == {"gain": (STEPS, 2), "voice": (STEPS, 1)}
    np.testing.assert_allclose(flat_answer(answers), expected, atol=1e-5)
    named, ordered, flat = program.stream(), program.stream(), program.stream()
    out = {"gain": np.empty(2, np.float32), "voice": np.empty(1, np.float32)}
    for k in range(STEPS):
        one, two = named.step({"mic": mic[k], "far": far[k]}), ordered.step((mic[k], far[k]))
        assert flat.step(both[k], out=out) is out
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])
            np.testing.assert_array_equal(one[name], out[name])
        np.testing.assert_allclose(flat_answer(one), expected[k], atol=1e-5)


@pytest.mark.parametrize("name", EXAMPLES)
def test_inputs_are_called_as_forward_calls_them(name):
    graph = from_torch(Both().eval(), EXAMPLES[name](torch.randn(1, T, 5), torch.randn(1, T, 3)))
    assert dict(graph.named_inputs) == {"mic": 5, "far": 3}


class Step(nn.Module):
    """One frame of two inputs, with a state."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(8, H), nn.Linear(H, 2)

    def forward(self, mic, far, h):
        h = self.cell(torch.cat([mic, far], -1), h)
        return self.out(h), h, torch.tanh(self.out(h))


def test_one_step_of_two_inputs_with_a_state():
    module, example = Step().eval(), (torch.randn(1, 5), torch.randn(1, 3), torch.zeros(1, H))
    graph = from_torch(module, example, inputs=("mic", "far"))
    assert (dict(graph.named_inputs), dict(graph.named_outputs)) == ({"mic": 5, "far": 3}, {"0": 2, "2": 2})
    xs, h, rows = frames(graph, STEPS), torch.zeros(1, H), []
    with torch.no_grad():
        for x in torch.from_numpy(xs):
            a, h, b = module(x[None, :5], x[None, 5:], h)
            rows.append(np.concatenate([a[0].numpy(), b[0].numpy()]))
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], rows, atol=1e-5)


def test_a_state_of_as_many_layers_as_steps_is_no_input():
    """Time first: the state (layers, batch, hidden) has the length of the sequence on the time axis."""
    graph = from_torch(nn.GRU(I, H, num_layers=3).eval(), (torch.randn(3, 1, I), torch.zeros(3, 1, H)))
    assert (dict(graph.named_inputs), graph.inputs, len(graph.states)) == ({}, I, 3)


@pytest.mark.parametrize(("outputs", "width"), [(("0",), 2), (("1",), 1), (("2",), H), (("2", "0"), H + 2)])
def test_some_results_are_chosen(outputs, width):
    module = Module(lambda a, b, y, h: (a, b, h)).eval()
    graph = from_torch(module, torch.randn(1, T, I), outputs=outputs)
    assert (graph.outputs, list(graph.named_outputs)) == (width, list(outputs) if len(outputs) > 1 else [])
    xs = frames(graph, 20)
    expected = by_name(by_torch(module, xs), {"0": 2, "1": 1, "2": H})
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], flat_answer({k: expected[k] for k in outputs}), atol=1e-5)


class Passing(nn.Module):
    """Answers with its input beside its output."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(I, H, batch_first=True)

    def forward(self, x):
        return self.gru(x)[0], x


class Cells(nn.Module):
    """Answers with an LSTM's cell state beside its output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(I, H, batch_first=True)

    def forward(self, x):
        y, (_, c) = self.lstm(x)
        return y, c[-1]


def test_an_output_may_be_the_cell_state():
    module = Cells().eval()
    graph = from_torch(module, torch.randn(1, T, I))
    assert dict(graph.named_outputs) == {"0": H, "1": H}
    xs = frames(graph, 40)
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], by_torch(module, xs), atol=1e-5)


REFUSALS = {
    "unknown result": (
        lambda: Module(ANSWERS["NamedTuple"][0]),
        {"outputs": ("gian",)},
        UsageError,
        "no 'gian'.*'gain'",
    ),
    "one name of a result": (Both, {"outputs": "gain"}, UsageError, "outputs='gain' is a single string"),
    "one name of an input": (Both, {"inputs": "mic"}, UsageError, "inputs='mic' is a single string"),
    "unknown input": (lambda: Module(ANSWERS["tuple"][0]), {"inputs": ("y",)}, UsageError, "no argument 'y'"),
    "a constant": (lambda: Module(lambda a, b, y, h: (a, torch.ones(3))), {}, UnsupportedError, r"output 2 \(3,\)"),
    "the input": (Passing, {}, UnsupportedError, "output 2 .*not computed by a layer; choose the others"),
    "labels": (lambda: Module(ANSWERS["tuple"][0]), {"labels": ("a", "b")}, GraphError, "2 labels for 3 outputs"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_result_that_cannot_be_an_output_is_refused(name):
    make, options, error, words = REFUSALS[name]
    with pytest.raises(error, match=words):
        from_torch(make().eval(), torch.randn(1, T, I), **options)


class Offset(nn.Module):
    """Adds one number for all steps to each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(I, H, batch_first=True)

    def forward(self, mic, far):
        return self.gru(mic + far)[0]


LONG, SHORT = torch.ones(1, T, I), torch.ones(1, 1, I)
EXAMPLE_REFUSALS = {
    "unknown name": ({"mic": LONG, "near": LONG}, {}, r"example of mic, near arrived, and forward takes \(mic, far\)"),
    "missing name": ({"mic": LONG}, {}, r"example of mic arrived, and forward takes \(mic, far\): missing .*'far'"),
    "nothing": ({}, {}, "arrived, and forward takes"),
    "other length": (
        (LONG, SHORT),
        {"inputs": ("mic", "far")},
        r"'far' is of shape \(1, 1, 8\); expected .*as many steps",
    ),
    "other length, not chosen": (
        (LONG, SHORT),
        {},
        r"argument 'far' \(1, 1, 8\) is no state: no result of its shape.*sequences of equal lengths.*named by inputs=",
    ),
}


@pytest.mark.parametrize("name", EXAMPLE_REFUSALS)
def test_inputs_that_do_not_fit_are_refused(name):
    example, options, words = EXAMPLE_REFUSALS[name]
    with pytest.raises(UnsupportedError, match=words):
        from_torch(Offset().eval(), example, **options)


def test_the_first_argument_is_data():
    with pytest.raises(UsageError, match="lacks 'mic', the first argument"):
        from_torch(Both().eval(), (torch.randn(1, T, 5), torch.randn(1, T, 3)), inputs=("far",))


def test_artifacts_have_the_names():
    onnx = onnxruntime.InferenceSession(render(HEADS, "m.onnx")["m.onnx"])
    assert [(each.name, each.shape) for each in onnx.get_outputs()][:2] == [
        ("y.gain", ["streams", 2]),
        ("y.voice", ["streams", 1]),
    ]
    onnx = onnxruntime.InferenceSession(render(INPUTS, "m.onnx")["m.onnx"])
    assert [(each.name, each.shape) for each in onnx.get_inputs()][:2] == [
        ("x.mic", ["streams", 2]),
        ("x.far", ["streams", 4]),
    ]
    outs = Interpreter(model_content=render(HEADS, "m.tflite")["m.tflite"]).get_signature_list()["step"]["outputs"]
    ins = Interpreter(model_content=render(INPUTS, "m.tflite")["m.tflite"]).get_signature_list()["step"]["inputs"]
    assert {"y.gain", "y.voice"} < set(outs)
    assert {"x.mic", "x.far"} < set(ins)
    header = render(HEADS, "m.c")["m.h"].decode()
    assert (
        "#define M_Y_gain_AT 0\n#define M_Y_gain_WIDTH 2\n#define M_Y_voice_AT 2\n#define M_Y_voice_WIDTH 1\n" in header
    )
    assert "#define M_X_far_AT 2\n#define M_X_far_WIDTH 4\n" in render(INPUTS, "m.c")["m.h"].decode()


def test_one_input_and_output_leave_no_trace_in_a_file():
    for name, data in {**render(GRAPHS["Gru"], "m.c"), **render(GRAPHS["Gru"], "m.so")}.items():
        assert b"named_" not in data, name
        assert b"arrays side by side" not in data, name
    assert "named" not in dump_manifest(graph_manifest(GRAPHS["Gru"]))


@pytest.mark.parametrize("scheme", ["static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "fp16"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_heads_of_other_magnitudes_have_quantization_parameters_of_their_own(scheme, suffix, tmp_path):
    """A head whose numbers are a thousand times as large as those of the other costs the other no precision."""
    loud = HEADS.layers[1].cell
    layers = (HEADS.layers[0], Layer("a", Dense(edgernn.Tensor(loud.w.stored * 1000)), ("gru",)), *HEADS.layers[2:])
    graph = replace(HEADS, layers=layers)
    xs = frames(graph, STEPS)
    small = quantize(calibrate(graph, [xs]), scheme)
    (edgernn.save if suffix == ".rnn" else export)(small, tmp_path / f"m{suffix}")
    answers, expected = (
        edgernn.open(tmp_path / f"m{suffix}").run(xs),
        by_name(Stepper(graph).run(xs)[0], graph.named_outputs),
    )
    for name, answer in answers.items():
        error = np.sqrt(np.mean(np.square(answer - expected[name]))) / np.abs(expected[name]).max()
        assert error < 0.02, (name, error)


WRONG_FRAMES = {
    "missing": ({"mic": 2}, "'far' missing; expected mic, far"),
    "extra": ({"mic": 2, "far": 4, "near": 1}, "'near' not an input of the model"),
    "another": ({"mic": 2, "near": 4}, "'far' missing and 'near' not an input"),
    "width": ({"mic": 2, "far": 3}, r"'far' is float32 of shape \(3,\); expected float32 of shape \(4,\)"),
}


@pytest.mark.parametrize("name", WRONG_FRAMES)
def test_inputs_of_a_step_that_do_not_fit_are_refused(name, tmp_path):
    widths, words = WRONG_FRAMES[name]
    edgernn.save(INPUTS, tmp_path / "m.rnn")
    stream = edgernn.open(tmp_path / "m.rnn").stream()
    before = stream.state
    with pytest.raises(FrameError, match=words):
        stream.step({name: np.zeros(width, np.float32) for name, width in widths.items()})
    with pytest.raises(FrameError, match=words.replace("(3,)", r"(5, 3)").split(r" of shape \(3")[0]):
        stream.run({name: np.zeros((5, width), np.float32) for name, width in widths.items()})
    assert all(np.array_equal(stream.state[key], state) for key, state in before.items())


def test_inputs_in_another_form_are_refused(tmp_path):
    edgernn.save(INPUTS, tmp_path / "m.rnn")
    stream = edgernn.open(tmp_path / "m.rnn").stream()
    mic, far = np.zeros((5, 2), np.float32), np.zeros((4, 4), np.float32)
    with pytest.raises(FrameError, match="5 frames of 'mic', 4 frames of 'far' arrived; expected as many of each"):
        stream.run({"mic": mic, "far": far})
    with pytest.raises(FrameError, match="1 inputs arrived; expected mic, far, in this order or by name"):
        stream.step((mic[0],))
    with pytest.raises(FrameError, match="'mic' is float64 of shape"):
        stream.step((mic[0].astype(float), far[0]))
    with pytest.raises(FrameError, match=r"expected an array of float32 of shape \(6,\)"):
        stream.step(None)


def test_a_model_of_one_input_takes_no_names(tmp_path):
    edgernn.save(HEADS, tmp_path / "m.rnn")
    stream = edgernn.open(tmp_path / "m.rnn").stream()
    with pytest.raises(FrameError, match="a frame of dict arrived"):
        stream.step({"x": np.zeros(6, np.float32)})
    x, good = np.zeros(6, np.float32), {"gain": np.empty(2, np.float32), "voice": np.empty(1, np.float32)}
    for out in (np.empty(3, np.float32), {"gain": good["gain"]}, good | {"gain": np.empty(3, np.float32)}):
        with pytest.raises(FrameError, match=r"writeable arrays of float32 by name: 'gain' of shape \(2,\)"):
            stream.step(x, out=out)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.integers(0, 4))
def test_parts_of_a_block_are_the_block(widths, steps):
    parts = {f"n{i}": width for i, width in enumerate(widths)}
    block = np.arange(steps * sum(widths), dtype=np.float32).reshape(steps, sum(widths))
    named = by_name(block, parts)
    np.testing.assert_array_equal(flat_answer(named), block)
    np.testing.assert_array_equal(flat_frames(named, parts, np.float32), block)
    np.testing.assert_array_equal(flat_frames(tuple(named.values()), parts, np.float32), block)
    assert [part.stop - part.start for part in slices(parts).values()] == widths


WRONG_PARTS = {
    "one": {"a": 3},
    "sum": {"a": 2, "b": 2},
    "none": {"a": 3, "b": 0},
    "number": {"a": 2, "b": 1.0},
    "list": ["a", "b"],
    "empty name": {"": 2, "b": 1},
    "character": {"a-b": 2, "b": 1},
    "long": {"a" * 65: 2, "b": 1},
    "no text": {1: 2, "b": 1},
}


@pytest.mark.parametrize("name", WRONG_PARTS)
def test_names_that_do_not_fit_are_refused(name):
    with pytest.raises(GraphError, match=r"named_outputs=.*add up to 3|is called .*use letters, digits and _"):
        replace(HEADS, named_outputs=WRONG_PARTS[name])
    text = dump_manifest(replace(graph_manifest(HEADS), named_outputs=WRONG_PARTS[name]))
    with pytest.raises(FileError, match="export it again"):
        parse_manifest(text.replace('"1":2', '"":2').encode(), "m")


def test_a_window_has_one_input_and_output():
    backward = replace(HEADS, named_outputs={})
    with pytest.raises(GraphError, match="stage 0 has several inputs or outputs"):
        Window((Stage(HEADS, backward),))


def test_commands_show_every_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edgernn.save(HEADS, "m.rnn")
    export(HEADS, "m.onnx")
    np.save("x.npy", xs := frames(HEADS, 3))
    expected = Stepper(HEADS).run(xs)[0]

    def ran(*arguments):
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    rows = json.loads(ran("run", "m.onnx", "--frames", "x.npy", "--json"))["outputs"]
    np.testing.assert_allclose([[*row["gain"], *row["voice"]] for row in rows], expected, atol=1e-5)
    ran("run", "m.onnx", "--frames", "x.npy", "--out", "y.npy")
    np.testing.assert_allclose(np.load("y.npy"), expected, atol=1e-5)
    assert "named_outputs  gain (2), voice (1)\n" in ran("info", "m.onnx")
    assert json.loads(ran("bench", "m.onnx", "--reference", "m.rnn", "--steps", "100", "--json"))[0]["error"] < 1e-5
    np.save("many.npy", frames(HEADS, 300))
    ran("compress", "m.rnn", "small.rnn", "--precision", "static_wi8_ai8", "--calibrate", "many.npy")
    assert dict(edgernn.load("small.rnn").named_outputs) == {"gain": 2, "voice": 1}


def test_the_worst_output_is_reported():
    """One head is unchanged, the other is another function: neither hides behind the magnitude of the first."""
    loud, other = (Layer("a", Dense(edgernn.Tensor(HEADS.layers[1].cell.w.stored * 1000)), ("gru",)), Dense(t(1, 5)))
    before = replace(HEADS, layers=(HEADS.layers[0], loud, *HEADS.layers[2:]))
    after = replace(before, layers=(*before.layers[:2], Layer("b", other, ("gru",)), before.layers[3]))
    alike = agreement(before, after, [frames(HEADS, 50)])
    assert alike.changed == 0
    assert alike.snr_db < 20


@pytest.mark.parametrize("graph", [HEADS, INPUTS], ids=["outputs", "inputs"])
def test_the_loader_without_numpy_has_the_names(graph, tmp_path):
    export(graph, tmp_path / "m.so")
    xs = frames(graph, 3)
    rows = [by_name(x, graph.named_inputs) if graph.named_inputs else {"": x} for x in xs]
    listed = [{name: part.tolist() for name, part in row.items()} for row in rows]
    code = (
        "import json, sys; from m_stream import Stream; stream = Stream(); rows = json.load(sys.stdin)\n"
        "answers = [stream.step(row.get('', row)) for row in rows]\n"
        "print(json.dumps([{k: list(v) for k, v in a.items()} if isinstance(a, dict) else list(a) for a in answers]))\n"
        "print(list(stream.step([0.0] * 6)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        input=json.dumps(listed),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    answers, expected = json.loads(done.stdout.splitlines()[0]), Stepper(graph).run(xs)[0]
    for answer, row in zip(answers, expected, strict=True):
        flat = [*answer["gain"], *answer["voice"]] if graph.named_outputs else answer
        np.testing.assert_allclose(flat, row, atol=1e-5)
    lines = "\n".join(",".join(map(str, x)) for x in xs.tolist())
    done = subprocess.run(
        [sys.executable, "m_stream.py"], input=lines, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(
        [[float(c) for c in line.split(",")] for line in done.stdout.split()], expected, atol=1e-5
    )
