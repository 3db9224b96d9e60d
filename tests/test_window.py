"""Window models: their definition, equal results of ONNX Runtime and numpy, and errors of streaming calls."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

import edgernn
from edge import edge
from edgernn import Stage, Window
from edgernn.artifact import checksum, manifest
from edgernn.artifact.rnn import digest
from edgernn.cells import Activation, Concat, Dense, Embedding, Gru, Lstm, Rnn
from edgernn.errors import FileError, FrameError, GraphError, ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper, random_frames
from edgernn.interpreters.window import WindowStepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC
from edgernn.passes.quantize import quantize
from edgernn_export import export, translate
from edgernn_export.proof.floats import LENGTHS, prove_window
from edgernn_export.targets.naming import WEIGHTS
from zoo import GRAPHS, keyword_spotter, one, t, unnamed

AGREE = 2e-5  # float32 against float64 over a window, values near 1


def gru(inputs: int, hidden: int, **options) -> Graph:
    return one(
        Gru(t(3 * hidden, inputs), t(3 * hidden, hidden), t(3 * hidden), t(3 * hidden)), inputs, "gru", **options
    )


def lstm(inputs: int, hidden: int) -> Graph:
    return one(Lstm(t(4 * hidden, inputs), t(4 * hidden, hidden), t(4 * hidden)), inputs, "lstm")


def head(inputs: int, outputs: int = 3) -> Graph:
    return one(Dense(t(outputs, inputs), t(outputs)), inputs, "out")


def table(rows: int, width: int) -> Graph:
    return Graph((Layer("table", Embedding(t(rows, width))),), 1)


BOTH = Stage(gru(6, 8), lstm(6, 5))
WINDOWS: dict[str, Window] = {
    **{f"each way {name}": Window((Stage(*[unnamed(graph)] * 2),)) for name, graph in GRAPHS.items()},
    **{f"mean {name}": Window((Stage(*[unnamed(graph)] * 2, "mean"),)) for name, graph in GRAPHS.items()},
    "two stages": Window((BOTH, Stage(gru(13, 4), gru(13, 4), "mean"), Stage(head(4)))),
    "pooled": Window((BOTH, Stage(head(13))), pooled=True, period_ms=10.0, labels=("one", "two", "drei ü")),
    "features": Window((Stage(GRAPHS["LogMel"]), Stage(gru(4, 5), gru(4, 5))), pooled=True),
    "symbols": Window((Stage(table(9, 5)), Stage(gru(5, 4), gru(5, 4)), Stage(head(8)))),
    "symbols of different tables": Window((Stage(table(9, 5), table(7, 3)),), pooled=True),
    "learned rest": Window(
        (Stage(gru(6, 4, initial_state={"gru.h": t(4)}), gru(6, 4, initial_state={"gru.h": t(4)})),)
    ),
    "what passes through": Window(
        (Stage(Graph((Layer("r", Rnn(t(6, 6), t(6, 6))), Layer("both", Concat(), ("x", "r", "r"))), 6), gru(6, 2)),)
    ),
}


def written(window: Window, path) -> edgernn.Program:
    export(window, path)
    return edgernn.open(path)


def frames(window: Window, steps: int, seed: int = 3) -> np.ndarray:
    result = random_frames(window.inputs, window.vocabulary_size, steps, seed)
    return result if np.isfinite(WindowStepper(window).run(result)).all() else np.abs(result)


@pytest.mark.parametrize("name", WINDOWS)
def test_the_runtime_computes_what_numpy_computes(name, tmp_path):
    window = WINDOWS[name]
    program = written(window, tmp_path / "m.onnx")
    for steps in (1, 2, 33):
        xs = frames(window, steps)
        result = program.run(xs)
        assert result.shape == (1 if window.pooled else steps, window.outputs)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, WindowStepper(window).run(xs), atol=AGREE, rtol=AGREE)


@settings(max_examples=60, deadline=None)
@given(steps=st.integers(1, 40), seed=st.integers(0, 99), merge=st.sampled_from(["concat", "mean"]))
def test_a_window_is_two_graphs_run_from_either_end(steps, seed, merge):
    """The definition by streams: a forward stream, and one over the frames from the last to the first."""
    ahead, back = gru(6, 4), gru(6, 4)
    xs = random_frames(6, 0, steps, seed)
    forward, backward = Stepper(ahead).run(xs)[0], Stepper(back).run(xs[::-1])[0][::-1]
    expected = np.concatenate([forward, backward], -1) if merge == "concat" else (forward + backward) / 2
    window = Window((Stage(ahead, back, merge),))
    np.testing.assert_allclose(WindowStepper(window).run(xs), expected, atol=1e-12)
    pooled = WindowStepper(replace(window, pooled=True)).run(xs)
    np.testing.assert_allclose(pooled, expected.mean(0, keepdims=True), atol=1e-12)


PROGRAM = edgernn.runtime.program.load(
    translate.render(WINDOWS["two stages"], "m.onnx")["m.onnx"], "m.onnx", "edgernn.runtime.backends.onnxruntime"
)


@settings(max_examples=60, deadline=None)
@given(steps=st.integers(1, 300), seed=st.integers(0, 99))
def test_one_file_takes_windows_of_every_length(steps, seed):
    xs = random_frames(6, 0, steps, seed)
    np.testing.assert_allclose(PROGRAM.run(xs), WindowStepper(WINDOWS["two stages"]).run(xs), atol=AGREE)


def test_batches_come_free():
    window = WINDOWS["two stages"]
    xs = np.stack([random_frames(6, 0, 9, seed) for seed in range(4)])
    for one_of, alone in zip(WindowStepper(window).run(xs), xs, strict=True):
        np.testing.assert_allclose(one_of, WindowStepper(window).run(alone), atol=1e-12)


def runtimes_own(ahead: Gru, back: Gru, steps: int) -> bytes:
    """ONNX's own bidirectional GRU over the same weights, its gates in the order update, reset, new."""

    def gates(tensor):
        r, z, n = np.split(tensor.stored, 3)
        return np.concatenate([z, r, n])

    weights = {
        "W": np.stack([gates(cell.w) for cell in (ahead, back)]),
        "R": np.stack([gates(cell.u) for cell in (ahead, back)]),
        "B": np.stack([np.concatenate([gates(cell.b), gates(cell.c)]) for cell in (ahead, back)]),
    }
    hidden, inputs = ahead.u.shape[1], ahead.w.shape[1]
    node = helper.make_node(
        "GRU", ["x", *weights], ["y"], hidden_size=hidden, direction="bidirectional", linear_before_reset=1
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, 1, inputs])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [steps, 2, 1, hidden])
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([node], "whole", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("steps", [1, 30])
def test_a_window_is_the_runtimes_own_bidirectional_operator(steps, tmp_path):
    ahead, back = gru(6, 7), gru(6, 7)
    xs = random_frames(6, 0, steps)
    own = runtimes_own(ahead.layers[0].cell, back.layers[0].cell, steps)
    session = onnxruntime.InferenceSession(own, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": xs[:, None]})[0].reshape(steps, 14)
    program = written(Window((Stage(ahead, back),)), tmp_path / "m.onnx")
    np.testing.assert_allclose(program.run(xs), expected, atol=2e-6)


@pytest.mark.parametrize("scheme", WEIGHTS)
@pytest.mark.parametrize("name", ["two stages", "pooled", "features", "symbols"])
def test_every_precision_of_a_step_is_one_of_a_window(name, scheme, tmp_path):
    window = WINDOWS[name].each(lambda graph: quantize(graph, scheme))
    assert window.precision == scheme
    program = written(window, tmp_path / "m.onnx")
    assert program.manifest.precision == scheme
    xs = frames(window, 20)
    off = np.abs(program.run(xs) - WindowStepper(window).run(xs)).max()
    assert off < (0.05 if scheme == DYNAMIC else AGREE)


def test_a_body_is_the_step_and_the_file_passes_the_full_check(tmp_path):
    """Two Scans whose bodies have the same operators, in the same order, as the streaming file of the same graph."""
    ahead, back = gru(6, 4), lstm(6, 4)
    export(Window((Stage(ahead, back),)), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    scans = [node for node in model.graph.node if node.op_type == "Scan"]
    directions = ("scan_input_directions", "scan_output_directions")
    result = [{each.name: helper.get_attribute_value(each) for each in scan.attribute} for scan in scans]
    assert [[list(each[name]) for name in directions] for each in result] == [[[0], [0]], [[1], [1]]]
    for each, graph in zip(result, (ahead, back), strict=True):
        export(graph, tmp_path / "step.onnx")
        step = onnx.load(tmp_path / "step.onnx").graph
        assert [node.op_type for node in each["body"].node] == [node.op_type for node in step.node]
        assert [tensor.raw_data for tensor in each["body"].initializer] == [w.raw_data for w in step.initializer]


def test_the_same_window_gives_the_same_bytes():
    window = WINDOWS["pooled"]
    assert translate.render(window, "a.onnx")["a.onnx"] == translate.render(window, "b.onnx")["b.onnx"]


def test_a_file_says_what_it_was_made_from(tmp_path):
    window = WINDOWS["pooled"]
    manifest_read = written(window, tmp_path / "m.onnx").manifest
    assert manifest_read == manifest.window_manifest(window)
    assert (manifest_read.window, manifest_read.states, manifest_read.labels, manifest_read.period_ms) == (
        "pooled",
        {},
        window.labels,
        10.0,
    )
    others = (
        replace(window, pooled=False),
        replace(window, labels=()),
        Window((Stage(BOTH.backward, BOTH.forward), *window.stages[1:]), True, 10.0, window.labels),
    )
    assert len({digest(each) for each in (window, *others)}) == 4
    assert digest(window) == digest(window.astype("float64"))


def saying(data: bytes, old: str, new: str) -> bytes:
    """The same file with a changed manifest and a new checksum."""
    model = onnx.load_from_string(data.replace(checksum.verify(data, "").encode(), checksum.BLANK.encode()))
    result = next(entry for entry in model.metadata_props if entry.key == "edgernn")
    assert result.value.count(old) == 1
    result.value = result.value.replace(old, new)
    return checksum.fill(model.SerializeToString(deterministic=True))


STEP = keyword_spotter()
MISMATCHED = {
    "one answer, says many": (
        WINDOWS["pooled"],
        '"pooled"',
        '"steps"',
        r"has y: \(\(1, 3\), .*have y: \(\('time', 3\)",
    ),
    "many, says one": (WINDOWS["two stages"], '"steps"', '"pooled"', r"has y: \(\('time', 3\), .*have y: \(\(1, 3\)"),
    "another width": (WINDOWS["pooled"], '.inputs":6', '.inputs":7', r"has x: \(\('time', 6\).*\('time', 7\)"),
    "numbers, says symbols": (
        WINDOWS["pooled"],
        '.vocabulary_size":0',
        '.vocabulary_size":9',
        r"has x: .*'float32'\); it .*'int32'",
    ),
    "a window, says a step": (
        WINDOWS["pooled"],
        '"pooled"',
        '""',
        r"has x: \(\('time', 6\).*should have x: \(\(1, 6\)",
    ),
    "a step, says a window": (STEP, '.window":""', '.window":"steps"', r"has gru.h.in: .*should have gru.h.in: None"),
    "no such answer": (WINDOWS["pooled"], '"pooled"', '"poolad"', r"another version of edgernn \(window is 'poolad'"),
    "no such field": (WINDOWS["pooled"], ".window", ".windof", r"another version of edgernn"),
}


@pytest.mark.parametrize("case", MISMATCHED)
def test_a_contract_that_does_not_fit_is_refused(case, tmp_path):
    model, old, new, words = MISMATCHED[case]
    (tmp_path / "m.onnx").write_bytes(saying(translate.render(model, "m.onnx")["m.onnx"], old, new))
    with pytest.raises(FileError, match=words):
        edgernn.open(tmp_path / "m.onnx")


SYMBOLS = translate.render(WINDOWS["symbols"], "m.onnx")["m.onnx"]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_altered_bit_is_found(data):
    altered = bytearray(SYMBOLS)
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FileError, match=r"altered|edgernn did not write"):
        checksum.verify(bytes(altered), "m")


def test_what_reads_both_ways_cannot_stream():
    with pytest.raises(UnsupportedError, match=r"both directions and cannot stream; .*program.run\(frames\)"):
        PROGRAM.stream()


def test_a_program_of_steps_runs_a_whole_sequence_from_rest(tmp_path):
    graph = keyword_spotter()
    edgernn.save(graph, tmp_path / "m.rnn")
    program, xs = edgernn.open(tmp_path / "m.rnn"), random_frames(10, 0, 20)
    np.testing.assert_array_equal(program.run(xs), program.stream().run(xs))
    np.testing.assert_array_equal(program.run(xs), program.run(xs))


@pytest.mark.parametrize("suffix", ["tflite", "so", "c", "rnn", "h5"])
def test_only_onnx_takes_windows(suffix, tmp_path):
    with pytest.raises(
        UnsupportedError, match=rf"cannot be written as '.*m.{suffix}': .*cannot stream, and only .onnx"
    ):
        export(WINDOWS["pooled"], tmp_path / f"m.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_window_is_not_saved_as_a_graph(tmp_path):
    with pytest.raises(UnsupportedError, match=r"cannot be saved as .*m.rnn': .*cannot stream, and only .onnx"):
        edgernn.save(WINDOWS["pooled"], tmp_path / "m.rnn")


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


BAD_FRAMES = {
    "a list": ([[0.0] * 6], r"type list arrived; expected an array of float32 of shape \(time, 6\)"),
    "float64": (np.ones((4, 6)), r"window of float64 of shape \(4, 6\)"),
    "whole numbers": (np.ones((4, 6), np.int32), r"window of int32"),
    "one frame": (ones(6), r"shape \(6,\) arrived"),
    "a batch": (ones(1, 4, 6), r"shape \(1, 4, 6\) arrived"),
    "another width": (ones(4, 5), r"shape \(4, 5\) arrived"),
    "nothing": (ones(0, 6), r"shape \(0, 6\) arrived; .*with at least one frame"),
    "no number": (np.where(np.arange(24).reshape(4, 6) == 15, np.nan, ones(4, 6)), r"element 3 of frame 2 is nan"),
    "infinite": (np.where(np.arange(24).reshape(4, 6) == 0, -np.inf, ones(4, 6)), r"element 0 of frame 0 is -inf"),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_a_bad_window_is_refused(case):
    given_frames, words = BAD_FRAMES[case]
    if case in {"no number", "infinite"}:
        given_frames = given_frames.astype(np.float32)
    with pytest.raises(FrameError, match=words):
        PROGRAM.run(given_frames)


@pytest.mark.parametrize("symbol", [-1, 9])
def test_a_symbol_outside_the_table_is_refused(symbol, tmp_path):
    program = written(WINDOWS["symbols"], tmp_path / "m.onnx")
    with pytest.raises(FrameError, match=rf"element 0 of frame 1 is {symbol}; expected 0 to 8, a row of the table"):
        program.run(np.array([[3], [symbol]], np.int32))
    with pytest.raises(FrameError, match="window of int64"):
        program.run(np.array([[3]]))


def test_frames_that_are_not_contiguous_are_taken():
    xs = random_frames(6, 0, 20)
    np.testing.assert_array_equal(PROGRAM.run(xs[::-2]), PROGRAM.run(xs[::-2].copy()))


REFUSED = {
    "no stage": (lambda: Window(()), r"none of 0 stages reads backwards"),
    "no direction back": (lambda: Window((Stage(gru(6, 4)),)), r"none of 1 stages reads backwards; .*can stream"),
    "widths": (lambda: Window((BOTH, Stage(head(12)))), r"stage 1 reads 12 values, but 13 arrive from stage 0"),
    "directions": (
        lambda: Window((Stage(gru(6, 4), gru(5, 4)),)),
        r"stage 0 reads 6 values forwards and 5 values back",
    ),
    "a symbol and a number": (
        lambda: Window((Stage(table(9, 4), gru(1, 4)),)),
        r"stage 0 reads symbols forwards and 1 values backwards",
    ),
    "no mean": (
        lambda: Window((Stage(gru(6, 4), gru(6, 5), "mean"),)),
        r"stage 0 has 4 outputs forwards and 5 backwards.*merge='concat'",
    ),
    "a late table": (
        lambda: Window((Stage(gru(6, 1), gru(6, 1), "mean"), Stage(table(9, 4)))),
        r"stage 1 looks up a symbol; only the first stage",
    ),
    "a merge": (
        lambda: Window((Stage(gru(6, 4), gru(6, 4), "sum"),)),
        r"stage 0 merges by 'sum'; there are concat, mean",
    ),
    "no stage but a graph": (lambda: Window((gru(6, 4),)), r"stage 0 is .*expected Stage"),
    "no graph": (
        lambda: Window((Stage(BOTH.forward, 3),)),
        r"stage 0 has 3 to read backwards; expected a Graph or None",
    ),
    "labels": (lambda: Window((BOTH,), labels=("a",)), r"1 labels for 13 outputs"),
    "numbers as labels": (lambda: Window((BOTH,), labels=(1,)), r"labels=\(1,\) arrived"),
    "pooled": (lambda: Window((BOTH,), "mean"), r"pooled='mean'"),
    "period": (lambda: Window((BOTH,), period_ms=0), r"a period of 0.0 ms"),
    "period in words": (lambda: Window((BOTH,), period_ms="10 ms"), r"period_ms='10 ms'"),
    "two floats": (
        lambda: Window((Stage(BOTH.forward.astype("float64"), BOTH.backward),)).precision,
        r"fp32, fp64 arrived; .*astype\('float32'\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_its_stage(case):
    make, words = REFUSED[case]
    with pytest.raises(GraphError, match=words):
        make()


class Harmed:
    """A backend that runs windows and changes the outputs."""

    backend = "onnxruntime 0"

    def __init__(self, program, harm):
        self.manifest, self._program, self._harm = program.manifest, program, harm

    def run(self, xs):
        return self._harm(self._program.run(xs).copy(), xs)


def nudged(y, xs):
    y[0, 0] += np.float32(2e-4)
    return y


HARMS = {
    "an answer is off": nudged,
    "answers are turned": lambda y, xs: y[::-1],
    "only windows of one step": lambda y, xs: y + np.float32(1e-2) * (len(xs) == 1),
    "no number": lambda y, xs: y * np.float32(np.nan),
}


@pytest.mark.parametrize("case", HARMS)
def test_the_proof_sees_every_kind_of_harm(case):
    prove_window(WINDOWS["two stages"], edgernn.Program("m", "", b"", Harmed(PROGRAM, lambda y, xs: y)))
    with pytest.raises(ParityError, match=r"in a window of \d+ in 'y' by .*; expected at most"):
        prove_window(WINDOWS["two stages"], edgernn.Program("m", "", b"", Harmed(PROGRAM, HARMS[case])))
    assert 1 in LENGTHS


def test_a_target_that_writes_something_else_leaves_no_file(tmp_path, monkeypatch):
    from edgernn_export.targets.onnx.operations import OnnxOps

    monkeypatch.setattr(OnnxOps, "subtract", OnnxOps.add)
    with pytest.raises(ParityError, match="differs from numpy in a window of 32 in 'y'"):
        export(WINDOWS["pooled"], tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_window_whose_answers_are_no_numbers_is_proved_all_the_same(tmp_path):
    layers = (Layer("relu", Activation("relu")), Layer("log", Activation("log")))
    infinite, no_number = Graph(layers, 6), Graph(layers[1:], 6)
    program = written(Window((Stage(infinite, no_number),)), tmp_path / "m.onnx")
    xs = np.array([[-1, 0, 1, 2, 3, 4]], np.float32)
    with np.errstate(all="ignore"):
        expected = np.log(np.concatenate([np.maximum(xs, 0), xs], -1))
    np.testing.assert_allclose(program.run(xs), expected, atol=1e-6)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, file in (("pooled", "pooled.onnx"), ("two stages", "steps.onnx"), ("symbols", "symbols.onnx")):
        export(WINDOWS[name], file)
    np.save("x.npy", random_frames(6, 0, 7))
    np.save("s.npy", random_frames(1, 9, 5))
    return tmp_path


def test_info_says_that_it_takes_whole_windows(folder):
    assert "whole windows in both directions, one answer for each; it cannot stream" in edge("info", "pooled.onnx")
    assert "an answer for each frame; it cannot stream" in edge("info", "steps.onnx")
    assert json.loads(edge("info", "steps.onnx", "--json"))["window"] == "steps"
    edgernn.save(keyword_spotter(), "kws.rnn")
    assert "no: one step per frame" in edge("info", "kws.rnn")


@pytest.mark.parametrize(("file", "source"), [("pooled", "x"), ("steps", "x"), ("symbols", "s")])
def test_run_answers_a_whole_window(file, source, folder):
    expected = edgernn.open(f"{file}.onnx").run(np.load(f"{source}.npy"))
    edge("run", f"{file}.onnx", "--frames", f"{source}.npy", "--out", "y.npy")
    np.testing.assert_array_equal(np.load("y.npy"), expected)
    output = edge("run", f"{file}.onnx", "--frames", f"{source}.npy")
    assert len(output.splitlines()) == len(expected)
    (folder / "x.csv").write_text("\n".join(",".join(map(str, row)) for row in np.load(f"{source}.npy")))
    rows = json.loads(edge("run", f"{file}.onnx", "--frames", "x.csv", "--json"))["outputs"]
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_run_refuses_what_is_no_window(folder):
    (folder / "ragged.csv").write_text("1,2,3,4,5,6\n1,2,3\n")
    assert "frame 1 has 3 values; expected 6" in edge("run", "pooled.onnx", "--frames", "ragged.csv", code=2)
    (folder / "empty.csv").write_text("")
    assert "'empty.csv' holds no frames" in edge("run", "pooled.onnx", "--frames", "empty.csv", code=2)
    (folder / "nan.csv").write_text("1,2,3,4,5,nan\n")
    assert "element 5 of frame 0 is nan" in edge("run", "pooled.onnx", "--frames", "nan.csv", code=2)
    output = edge("run", "pooled.onnx", "--frames", "x.npy", "--on-bad-input", "hold", code=2)
    assert "--on-bad-input hold mends a stream, and 'pooled.onnx' takes whole windows" in output


def test_bench_has_no_step_to_time(folder):
    assert "'pooled.onnx' is bidirectional: it takes whole windows and has no step to time" in edge(
        "bench", "pooled.onnx", "--steps", "100", code=2
    )
