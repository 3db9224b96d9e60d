"""The command: correct and wrong uses, typos, and pipes."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import edgernn
from edge import edge
from edgernn.artifact.rnn import digest
from edgernn.files import atomic
from edgernn.model.tensor import DYNAMIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.targets.naming import WEIGHTS
from zoo import GRAPHS, frames, keyword_spotter

KWS = keyword_spotter()

FACTORY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(6, 8, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.gru(x)[0])

def alone():
    torch.manual_seed(0)
    return Net()

def pair():
    return alone(), torch.zeros(1, 10, 6)

class WithExample(Net):
    example_input_array = torch.zeros(1, 10, 6)

lightning_style = WithExample
number = 5

def fails():
    raise RuntimeError("no luck")

def text():
    return "a", "b"

def needs(argument):
    return argument
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files of every test here, written once."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "mynet.py").write_text(FACTORY)
    (folder / "broken.py").write_text("def pair(:")
    edgernn.save(KWS, folder / "kws.rnn")
    for suffix in ("onnx", "tflite"):
        export(KWS, folder / f"kws.{suffix}")
    np.save(folder / "frames.npy", frames(KWS, 12))
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    """A copy of them, in which a test begins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("mynet", None)
    return shutil.copytree(files, tmp_path, dirs_exist_ok=True)


def test_version_lists_what_is_installed():
    text = edge("--version")
    assert text.startswith(f"edgernn {edgernn.__version__}\n")
    assert f"torch {torch.__version__}" in text
    assert "tflite-runtime not installed" in text


@pytest.mark.parametrize("factory", ["pair", "lightning_style"])
def test_a_factory_becomes_files(folder, factory):
    text = edge("export", f"mynet:{factory}", "a.onnx", "a.tflite", "a.rnn")
    assert [line.split()[0] for line in text.splitlines()] == ["a.onnx", "a.tflite", "a.rnn"]
    xs = np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32)
    answers = [edgernn.open(folder / f"a.{suffix}").stream().run(xs) for suffix in ("onnx", "tflite", "rnn")]
    np.testing.assert_allclose(answers[0], answers[2], atol=1e-6)
    np.testing.assert_allclose(answers[1], answers[2], atol=1e-6)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_come_from_a_file(folder, suffix):
    import mynet

    torch.manual_seed(9)
    net = mynet.Net().eval()
    if suffix == "pt":
        torch.save(net.state_dict(), "w.pt")
    else:
        save_file(net.state_dict(), "w.safetensors")
    edge("export", "mynet:alone", "a.rnn", "--weights", f"w.{suffix}", "--example", "1x10x6")
    xs = torch.randn(1, 7, 6)
    with torch.no_grad():
        np.testing.assert_allclose(edgernn.open("a.rnn").stream().run(xs[0].numpy()), net(xs)[0].numpy(), atol=1e-6)


def test_a_graph_becomes_files(folder):
    result = json.loads(edge("export", "kws.rnn", "b.onnx", "--json"))
    assert result["files"] == {"b.onnx": (folder / "b.onnx").stat().st_size}
    assert (folder / "b.onnx").read_bytes() == (folder / "kws.onnx").read_bytes()


def test_the_exporter_is_a_module_too(folder):
    done = subprocess.run(
        [sys.executable, "-m", "edgernn_export", "kws.rnn", "c.tflite"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "c.tflite")
    assert (folder / "c.tflite").read_bytes() == (folder / "kws.tflite").read_bytes()


def test_the_help_names_every_precision():
    text = " ".join(edge("export", "--help").split())
    assert all(scheme in text for scheme in WEIGHTS)


@pytest.mark.parametrize("scheme", WEIGHTS)
def test_a_precision_is_chosen_on_the_way(folder, scheme):
    result = json.loads(edge("export", "kws.rnn", "q.rnn", "q.onnx", "q.tflite", "--precision", scheme, "--json"))
    graph = quantize(KWS, scheme)
    assert (result["precision"], result["graph"]) == (scheme, digest(graph))
    assert edgernn.load("q.rnn") == graph
    for suffix in ("onnx", "tflite"):
        export(graph, f"wanted.{suffix}")
        assert (folder / f"q.{suffix}").read_bytes() == (folder / f"wanted.{suffix}").read_bytes()


def test_named_layers_stay_in_float(folder):
    edge("export", "kws.rnn", "q.rnn", "--precision", "fp16", "--keep", "out")
    assert edgernn.load("q.rnn") == quantize(KWS, "fp16", keep=("out",))
    edge("export", "q.rnn", "mixed.rnn", "--precision", DYNAMIC)
    assert edgernn.load("mixed.rnn").precision == f"{DYNAMIC}+fp16"


def test_a_runtime_is_chosen_by_its_package(folder):
    edge("export", "kws.rnn", "q.tflite", "--precision", DYNAMIC, "--runtime", "tflite-runtime")
    export(quantize(KWS), "wanted.tflite", runtime="tflite-runtime")
    assert (folder / "q.tflite").read_bytes() == (folder / "wanted.tflite").read_bytes()


def test_a_factory_is_quantized_too(folder):
    edge("export", "mynet:pair", "q.rnn", "--precision", DYNAMIC)
    assert edgernn.load("q.rnn").precision == DYNAMIC


WRONG_EXPORTS = {
    "suffix": (("kws.rnn", "a.h5"), "no target writes 'a.h5'; there are .c, .dll, .dylib, .onnx, .so, .tflite"),
    "missing": (("none.rnn", "a.onnx"), "'none.rnn' cannot be read: No such file"),
    "model": (("kws.so", "a.onnx"), "'kws.so' is not a model; there are .rnn, .onnx"),
    "module": (("nonet:pair", "a.onnx"), "'nonet:pair' cannot be imported: No module named 'nonet'"),
    "attribute": (("mynet:nothing", "a.onnx"), "cannot be imported: module 'mynet' has no attribute"),
    "no function": (("mynet:number", "a.onnx"), "'mynet:number' is of type int; expected a function"),
    "no example": (("mynet:alone", "a.onnx"), "returns no example; return (module, example) or give --example"),
    "failing": (("mynet:fails", "a.onnx"), "'mynet:fails' fails: RuntimeError: no luck; it is called without arguments"),
    "needy": (("mynet:needs", "a.onnx"), "'mynet:needs' fails: TypeError"),
    "no module": (("mynet:text", "a.onnx"), "'mynet:text' returns a tuple; expected a torch module"),
    "broken file": (("broken:pair", "a.onnx"), "'broken:pair' cannot be imported: invalid syntax"),
    "odd digit": (("mynet:alone", "a.onnx", "--example", "1x²x4"), "is not a shape"),
    "huge": (("mynet:alone", "a.onnx", "--example", "1x99999999999x4"), "is not a shape"),
    "one folder": (("kws.rnn", "good.onnx", "nowhere/a.onnx"), "'nowhere/a.onnx' cannot be written"),
    "shape": (("mynet:alone", "a.onnx", "--example", "1,10,6"), "--example 1,10,6 is not a shape; expected numbers"),
    "wrong example": (("mynet:alone", "a.onnx", "--example", "1x10x7"), "Net does not run on the example"),
    "weights": (("mynet:pair", "a.onnx", "--weights", "w.pt"), "'w.pt' cannot be read"),
    "weights suffix": (("mynet:pair", "a.onnx", "--weights", "w.h5"), "no weights can be read from 'w.h5'; expected one of .pt, .pth, .safe"),
    "weights twice": (("kws.rnn", "a.onnx", "--weights", "w.pt"), "--weights needs a factory"),
    "folder": (("kws.rnn", "nowhere/a.onnx"), "'nowhere/a.onnx' cannot be written"),
    "option": (("kws.rnn", "a.onnx", "--weigths", "w"), "--weights"),
    "time axis twice": (("kws.rnn", "a.onnx", "--time-axis", "1"), "--time-axis needs a factory"),
    "zero": (("mynet:alone", "a.onnx", "--example", "1x0x6"), "is not a shape"),
    "precision": (("kws.rnn", "a.onnx", "--precision", "int8"), "'int8' is not one of 'fp16', 'weight_only_wi8_afp32', 'weight_only_wi4_afp32', 'dynamic_wi8_afp32'"),
    "keep": (("kws.rnn", "a.onnx", "--precision", "fp16", "--keep", "grru"), "there is no layer 'grru' to keep; did you mean 'gru'? there are gru, out"),
    "keep alone": (("kws.rnn", "a.onnx", "--keep", "out"), "--keep out needs --precision, which is missing"),
    "keep all": (("kws.rnn", "a.onnx", "--precision", "fp16", "--keep", "gru", "--keep", "out"), "no layer is left to quantize as fp16: the model stays fp32"),
    "runtime": (("kws.rnn", "a.tflite", "--runtime", "tflite"), "'tflite' does not run 'a.tflite'; did you mean 'tflite-runtime'?"),
    "runtime of another": (("kws.rnn", "a.tflite", "b.rnn", "--runtime", "tflite-runtime"), "'tflite-runtime' does not run 'b.rnn'; there are numpy"),
    "nothing": (("kws.rnn",), "Missing argument 'OUT...'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_EXPORTS)
def test_a_wrong_export_is_one_line_and_no_file(folder, name):
    arguments, words = WRONG_EXPORTS[name]
    before = sorted(folder.iterdir())
    assert words in edge("export", *arguments, code=2)
    assert [p for p in sorted(folder.iterdir()) if p not in before and p.name != "__pycache__"] == []


def test_one_wrong_name_stops_all_files(folder):
    edge("export", "kws.rnn", "good.onnx", "bad.h5", code=2)
    assert not (folder / "good.onnx").exists()


BAD_WEIGHTS = {
    "text": (lambda: atomic.write("w.pt", b"hello"), "w.pt", "holds no state dict of tensors"),
    "code": (lambda: torch.save(print, "w.pt"), "w.pt", "holds no state dict of tensors"),
    "other": (
        lambda: torch.save(torch.nn.Linear(2, 2).state_dict(), "w.pt"),
        "w.pt",
        "does not fit Net: Error(s) in loading",
    ),
    "tensors": (lambda: atomic.write("w.safetensors", b"hello"), "w.safetensors", "holds no state dict of tensors"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights_that_cannot_be_loaded_are_refused(folder, name):
    make, path, words = BAD_WEIGHTS[name]
    make()
    assert words in edge("export", "mynet:pair", "a.onnx", "--weights", path, code=2)


@pytest.mark.parametrize("suffix", ["rnn", "onnx", "tflite"])
def test_info_prints_what_a_file_contains(folder, suffix):
    result = json.loads(edge("info", f"kws.{suffix}", "--json"))
    assert (result["inputs"], result["outputs"], result["states"], result["labels"]) == (
        10,
        4,
        {"gru.h": 16},
        list(KWS.labels),
    )
    text = edge("info", f"kws.{suffix}")
    assert "gru.h (16)" in text
    assert "period_ms      10.0" in text
    if suffix == "rnn":
        assert result["macs"] == 3 * 16 * 26 + 64
        assert "gru" in text.splitlines()[-2]


def test_info_of_a_wrong_file(folder):
    (folder / "x.onnx").write_bytes(b"no")
    assert "'x.onnx' is no ONNX file" in edge("info", "x.onnx", code=2)
    assert "no backend opens 'x.txt'" in edge("info", "x.txt", code=2)


def test_a_file_under_another_suffix_is_recognized_by_its_contents(folder):
    for suffix in ("onnx", "tflite", "so"):
        (folder / f"as.{suffix}").write_bytes((folder / "kws.rnn").read_bytes())
        assert f"'as.{suffix}' has the content of a .rnn file" in edge("info", f"as.{suffix}", code=2)
    for suffix in ("onnx", "tflite"):
        (folder / "as.rnn").write_bytes((folder / f"kws.{suffix}").read_bytes())
        assert "'as.rnn' is an artifact of edgernn, not a .rnn file: give the .rnn file" in edge(
            "info", "as.rnn", code=2
        )
    (folder / "as.so").write_bytes((folder / "kws.onnx").read_bytes())
    assert "'as.so' is an artifact of another runtime" in edge("bench", "as.so", code=2)


def test_info_prints_the_values_that_integer_inputs_and_outputs_stand_for(folder):
    edgernn.save(quantize(calibrate(KWS, [frames(KWS, 50)], growing="accept"), "static_wi8_ai8"), "whole.rnn")
    lines = edge("info", "whole.rnn").splitlines()
    assert "same_bits      outputs and states, in numpy and compiled code" in lines
    line = next(line for line in lines if line.startswith("quantization"))
    quantization = json.loads(edge("info", "whole.rnn", "--json"))["quantization"]
    formulas = dict(each.split(" = ") for each in line.removeprefix("quantization").strip().split(", "))
    assert formulas.keys() == quantization.keys()
    for name, qparams in quantization.items():
        for whole in (-100, 7):
            text = formulas[name].replace(f"int{qparams['bits']}", str(whole))
            assert eval(text) == pytest.approx((whole - qparams["zero"]) * qparams["scale"], rel=1e-6)


@pytest.mark.parametrize("suffix", ["rnn", "onnx", "tflite"])
def test_run_streams_a_file(folder, suffix):
    expected = edgernn.open(f"kws.{suffix}").stream().run(frames(KWS, 12))
    printed = edge("run", f"kws.{suffix}", "--frames", "frames.npy")
    np.testing.assert_array_equal(np.array([line.split(",") for line in printed.splitlines()], np.float32), expected)
    edge("run", f"kws.{suffix}", "--frames", "frames.npy", "--out", "out.npy")
    np.testing.assert_array_equal(np.load("out.npy"), expected)
    np.savetxt("frames.csv", frames(KWS, 12), delimiter=",", fmt="%.9g")
    edge("run", f"kws.{suffix}", "--frames", "frames.csv", "--out", "out.csv")
    np.testing.assert_array_equal(np.loadtxt("out.csv", delimiter=",", dtype=np.float32), expected)
    result = json.loads(edge("run", f"kws.{suffix}", "--frames", "frames.npy", "--json"))
    np.testing.assert_array_equal(np.float32(result["outputs"]), expected)
    assert result["labels"] == list(KWS.labels)


def test_run_answers_a_pipe_line_by_line(folder):
    """Each answer must come before the next frame is sent."""
    command = [sys.executable, "-m", "edgernn", "run", "kws.rnn", "--frames", "-"]
    expected = edgernn.open("kws.rnn").stream().run(frames(KWS, 3))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pipe:
        for frame, answer in zip(frames(KWS, 3), expected, strict=True):
            pipe.stdin.write(",".join(map(str, frame)) + "\n")
            pipe.stdin.flush()
            np.testing.assert_array_equal(np.float32(pipe.stdout.readline().split(",")), answer)
        pipe.stdin.close()
        assert pipe.wait() == 0


def test_a_pipe_of_bytes_is_refused_with_its_line(folder):
    command = [sys.executable, "-m", "edgernn", "run", "kws.rnn", "--frames", "-"]
    done = subprocess.run(
        command,
        input=b"1,2,3,4,5,6,7,8,9,10\n1,\xff2\n",
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)
    assert b"the pipe, line" in done.stderr


def test_symbols_beyond_the_integer_are_refused(folder):
    edgernn.save(GRAPHS["Embedding"], "symbols.rnn")
    np.save("x.npy", np.array([[2**32 + 1]]))
    assert "expected int32 of shape (time, inputs)" in edge("run", "symbols.rnn", "--frames", "x.npy", code=2)


def test_nan_and_infinity_are_null_in_json(folder):
    from edgernn.cells import Activation
    from edgernn.model.graph import Graph
    from edgernn.model.layer import Layer

    edgernn.save(Graph((Layer("relu", Activation("relu")), Layer("log", Activation("log"))), 1), "log.rnn")
    (folder / "x.csv").write_text("-1\n1\n")
    assert json.loads(edge("run", "log.rnn", "--frames", "x.csv", "--json"))["outputs"] == [[None], [0.0]]


def test_a_full_screen_is_no_traceback(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgernn", "info", "kws.rnn"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr


def test_labels_and_period_travel(folder):
    edge("export", "mynet:pair", "l.tflite", "--labels", "a,b,c", "--period", "10ms")
    result = json.loads(edge("info", "l.tflite", "--json"))
    assert (result["labels"], result["period_ms"]) == (["a", "b", "c"], 10.0)


def test_run_reads_symbols(folder):
    graph = GRAPHS["Embedding"]
    edgernn.save(graph, "symbols.rnn")
    (folder / "text.csv").write_text("3\n0\n\n8\n")
    expected = edgernn.open("symbols.rnn").stream().run(np.array([[3], [0], [8]], np.int32))
    edge("run", "symbols.rnn", "--frames", "text.csv", "--out", "out.npy")
    np.testing.assert_array_equal(np.load("out.npy"), expected)
    np.save("text.npy", np.array([[3], [0], [8]]))
    edge("run", "symbols.rnn", "--frames", "text.npy", "--out", "out.npy")
    np.testing.assert_array_equal(np.load("out.npy"), expected)


WRONG_RUNS = {
    "suffix": ("frames.txt", b"", "no frames can be read from 'frames.txt'"),
    "missing": ("none.npy", None, "'none.npy' cannot be read"),
    "no array": ("x.npy", b"hello", "'x.npy' is not a .npy array"),
    "empty array": ("x.npy", b"", "'x.npy' is not a .npy array"),
    "text": ("x.csv", b"1,2,three", "'x.csv', line 1: could not convert string to float"),
    "width": ("x.csv", b"1,2,3\n", "frame 0: a frame of float32 of shape (3,) arrived"),
    "ragged": ("x.csv", b"1,2,3,4,5,6,7,8,9,10\n1,2\n", "frame 1: a frame of float32 of shape (2,) arrived"),
    "nan": ("x.csv", b"1,2,3,4,5,6,7,8,9,nan\n", "frame 0: element 9 of the frame is nan"),
    "bytes": ("x.csv", b"\xff\xfe", "'x.csv' is not text"),
    "zip": ("x.npy", b"PK\x03\x04 and then nothing", "'x.npy' is not a .npy array"),
    "torn": ("x.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr", "'x.npy' is not a .npy array"),
}


@pytest.mark.parametrize("name", WRONG_RUNS)
def test_a_wrong_input_is_refused_with_its_place(folder, name):
    source, data, words = WRONG_RUNS[name]
    if data is not None:
        (folder / source).write_bytes(data)
    assert words in edge("run", "kws.rnn", "--frames", source, "--out", "out.npy", code=2)
    assert not (folder / "out.npy").exists()


def test_arrays_of_another_shape_or_kind_are_refused(folder):
    for array in (np.zeros(10), np.zeros((2, 10), complex)):
        np.save("x.npy", array)
        assert "expected float32 of shape (time, inputs)" in edge("run", "kws.rnn", "--frames", "x.npy", code=2)


def test_an_output_of_another_kind_is_refused(folder):
    assert "no results can be written to 'o.txt'" in edge(
        "run", "kws.rnn", "--frames", "frames.npy", "--out", "o.txt", code=2
    )


def test_a_bad_frame_can_be_held(folder):
    (folder / "x.csv").write_text("1,2,3,4,5,6,7,8,9,nan\n")
    assert len(edge("run", "kws.rnn", "--frames", "x.csv", "--on-bad-input", "hold").splitlines()) == 1


def test_a_reader_that_leaves_is_no_error(folder):
    np.save("long.npy", np.zeros((20000, 10), np.float32))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m edgernn run kws.onnx --frames long.npy | head -1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_bench_prints_time_size_and_error(folder):
    rows = json.loads(
        edge("bench", "kws.onnx", "kws.tflite", "kws.rnn", "--reference", "kws.rnn", "--steps", "100", "--json")
    )
    assert [row["artifact"] for row in rows] == ["kws.onnx", "kws.tflite", "kws.rnn"]
    for row in rows:
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["worst_us"]
        assert row["period_us"] == 10_000
        assert all(0 < row[way]["p50_us"] <= row[way]["p99_us"] for way in ("paced", "primed"))
        assert row["error"] < 1e-5
        assert row["bytes"] == (folder / row["artifact"]).stat().st_size
    ways, heads, line = edge("bench", "kws.tflite", "--steps", "100", "--period", "1ms").splitlines()
    assert ways.split() == ["us", "back", "to", "back", "paced", "primed"]
    assert heads.split()[:3] == ["artifact", "backend", "bytes"]
    assert line.startswith("kws.tflite")


def test_bench_against_another_model_is_refused(folder):
    edgernn.save(GRAPHS["Gru"], "other.rnn")
    text = edge("bench", "kws.onnx", "--reference", "other.rnn", "--steps", "100", code=2)
    assert "'kws.onnx' was not exported from the reference" in text


def test_a_typo_is_answered(folder):
    assert "No such command 'exprot'" in edge("exprot", code=2)
    assert "No such option" in edge("--verison", code=2)


def test_a_model_that_differs_is_code_one(folder, monkeypatch):
    from edgernn_export.targets.onnx.operations import OnnxOps

    monkeypatch.setattr(OnnxOps, "subtract", OnnxOps.add)
    assert "differs from numpy at step 0" in edge("export", "kws.rnn", "bad.onnx", code=1)
    assert not (folder / "bad.onnx").exists()


@pytest.mark.slow
def test_the_demo_trains_exports_and_streams(folder, monkeypatch):
    """And once more into the same folder, with fewer recordings, as JSON."""
    done = subprocess.run([sys.executable, "-m", "edgernn", "demo"], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("edgernn-demo/motor.")]
    assert [row[0] for row in rows] == [f"edgernn-demo/motor.{suffix}" for suffix in ("rnn", "onnx", "tflite")]
    for row in rows:
        assert float(row[3].rstrip("%")) >= 95
        assert float(row[4]) < 1e-4
    assert edgernn.load("edgernn-demo/motor.rnn").labels[3] == "bearing"
    monkeypatch.setattr(sys.modules["edgernn.commands.demo"], "TRAIN", 10)
    again = json.loads(edge("demo", "--json"))
    assert [[row["file"], *row["backend"].split()] for row in again] == [row[:3] for row in rows]


def test_a_demo_refuses_a_file_as_its_folder(folder):
    (folder / "taken").write_text("")
    assert "the folder 'taken' cannot be made" in edge("demo", "--out", "taken", code=2)
