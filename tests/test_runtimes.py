"""A new runtime is one file and one entry of a table, and so is a new target: both are added here, and taken out again."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_float_io import quantized

import edgernn
from edge import edge
from edgernn.artifact.manifest import graph_manifest
from edgernn.artifact.rnn import dumps, loads
from edgernn.cells import Dense
from edgernn.device import board as boards
from edgernn.device.runtimes import RUNTIMES, Runtime, Tolerance, named, opening, packages, running, suffixes
from edgernn.errors import ParityError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC
from edgernn.passes.quantize import quantize
from edgernn.train.compare.race import race as run_race, raced
from edgernn.tune import tuning
from edgernn.tune.evaluate import by_frames
from edgernn_export import export
from edgernn_export.proof.floats import prove, sides
from edgernn_export.targets import TARGETS
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.target import Target
from zoo import GRAPHS, frames, keyword_spotter

ROOT = Path(__file__).parent.parent
KWS = keyword_spotter()
TOY = Runtime(
    name="toy",
    title="Toy",
    suffix=".toy",
    backend="throwaway",
    tolerance=Tolerance(dynamic=1, steps=0, static=0),
    package="numpy",
    module="numpy",
)


class Bound:
    """One carried state, stepped by the definition."""

    guards, run, float_step = False, None, None

    def __init__(self, graph):
        self.stepper = Stepper(graph, "float32")
        self.states = self.stepper.initial_state()
        self.x = np.zeros(graph.inputs, np.int32 if graph.vocabulary_size else np.float32)
        self.y = np.zeros(graph.outputs, np.float32)

    def step(self):
        self.y[:], self.states = self.stepper.step(self.x.copy(), self.states)

    def prime(self):
        self.stepper.step(self.x.copy(), self.states)

    def get_states(self):
        return tuple(self.states.values())

    def set_states(self, states):
        self.states = {name: state.copy() for name, state in zip(self.states, states, strict=True)}


class Engine:
    """A graph, and what its file says of itself."""

    backend = "toy 1.0"

    def __init__(self, graph):
        self.graph, self.manifest = graph, graph_manifest(graph)

    def bind(self):
        return Bound(self.graph)


def throwaway(harm=lambda graph: graph):
    """The one file of a runtime and of a target."""
    module = ModuleType("throwaway")
    module.load = lambda data, name, threads: Engine(loads(data, name).astype("float32"))
    module.render = lambda graph, stem, destination: {f"{stem}.toy": dumps(harm(graph.astype("float32")))}
    return module


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(sys.modules, "throwaway", throwaway())
    monkeypatch.setitem(RUNTIMES, "toy", TOY)
    monkeypatch.setitem(TARGETS, ".toy", Target(".toy", "throwaway"))


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("name", ["stack", "Embedding", "Sum"])
@pytest.mark.parametrize("scheme", [None, DYNAMIC])
def test_a_new_target_is_proved_and_a_new_runtime_opens_it(name, scheme, tmp_path):
    graph = quantize(GRAPHS[name], scheme) if scheme else GRAPHS[name]
    export(graph, tmp_path / "m.toy")
    program = edgernn.open(tmp_path / "m.toy")
    assert (program.backend, program.module) == ("toy 1.0", "throwaway")
    assert (opening("m.toy"), running(".toy"), named("toy 1.0")) == (TOY, (TOY,), TOY)
    xs = frames(graph, 20)
    expected, _ = Stepper(graph.astype("float32"), "float32").run(xs)
    np.testing.assert_allclose(program.stream().run(xs), expected, atol=1e-6)


@pytest.mark.usefixtures("toy")
def test_a_new_target_that_writes_another_model_is_refused(tmp_path, monkeypatch):
    def halved(graph):
        gru, *rest = graph.layers
        weights = replace(gru.cell, w=replace(gru.cell.w, stored=gru.cell.w.stored / 2))
        return replace(graph, layers=(replace(gru, cell=weights), *rest))

    monkeypatch.setitem(sys.modules, "throwaway", throwaway(halved))
    with pytest.raises(ParityError, match=r"'.*m.toy' on toy 1.0 differs from numpy at step 0"):
        export(KWS, tmp_path / "m.toy")
    assert not (tmp_path / "m.toy").exists()


@pytest.mark.usefixtures("toy")
def test_a_new_runtime_is_listed(tmp_path):
    assert ".toy" in suffixes()
    with pytest.raises(UsageError, match=r"no backend opens 'm.h5'; there are .onnx, .rnn, .so, .tflite, .toy"):
        edgernn.open("m.h5")
    with pytest.raises(
        UsageError, match=r"no target writes 'm.h5'; there are .c, .dll, .dylib, .onnx, .so, .tflite, .toy"
    ):
        export(KWS, "m.h5")
    board = boards.load("raspberrypi4")
    assert (board.formats[-1], board.runtime(".toy")) == (".toy", TOY)
    for line in edge("devices").splitlines()[1:]:  # wherever numpy is
        assert (".toy" in line) == (".rnn" in line)
    edgernn.save(KWS, tmp_path / "m.rnn")
    report = json.loads(edge("export", tmp_path / "m.rnn", tmp_path / "m.toy", "--board", "raspberrypi4", "--json"))
    assert list(report["files"]) == [str(tmp_path / "m.toy")]
    assert "toy 1.0" in edge("bench", tmp_path / "m.toy", "--reference", tmp_path / "m.rnn", "--steps", 100)


@pytest.mark.usefixtures("toy")
def test_a_new_runtime_is_raced_and_tuned(tmp_path):
    assert list(raced()) == ["compiled", "ONNX Runtime", "LiteRT", "Toy"]
    race = run_race(KWS, quantize(KWS), rounds=2, turn=2)[-1]
    assert (race.runtime, race.backend, race.before_us is not None) == ("Toy", "toy 1.0", True)
    evaluator = by_frames(KWS, frames(KWS, 200), "frames")
    clock, board = count(0, 1000).__next__, boards.load("this")
    result = tuning.tune(KWS, evaluator, tmp_path, bound=100, board=board, schemes=("fp32",), clock=clock)
    (tuned,) = (each for each in result.candidates if each.runtime == "Toy")
    assert tuned.metric == 1
    written = tuning.files(replace(result, best=tuned), str(tmp_path / "best"))
    assert {Path(path).name for path in written} == {"best.rnn", "best.toy"}


def test_a_package_that_is_new_is_probed_stated_and_listed():
    """In an interpreter of its own: the entry stands in the table before anything else is imported."""
    code = """
import json, sys
from dataclasses import replace
from edgernn.device.runtimes import RUNTIMES
RUNTIMES["toy"] = replace(RUNTIMES["numpy"], name="toy", suffix=".toy", package="toystep")
from edgernn.cli import call, cli
from edgernn.device import board, profile
from edgernn.latency.conditions import machine
assert call(cli, ["--version"], "edgernn") == 0
data = b'title = "A board"\\n[sources]\\npage = "a page"\\n[runtimes]\\ntoystep = { value = true, source = "page" }\\n'
stated = profile.parse_profile(data, "x.toml")
assert profile.parse_profile(profile.dump_profile(stated), "y.toml") == stated
print(json.dumps([stated.figures["toystep"].value, board.this().wheels["toystep"], "toystep" in profile.COMPUTER]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *versions, last = done.stdout.splitlines()
    assert "  toystep not installed" in versions
    assert json.loads(last) == [True, False, True]


FLOAT, STATIC = quantize(KWS), quantized("kws", "static_wi8_ai8")

UNKNOWN = {
    "a name": (lambda: named("tvm"), "there is no runtime 'tvm'; there are native, onnxruntime, "),
    "a misspelt name": (lambda: named("onnxruntme 1.0"), "did you mean 'onnxruntime'?"),
    "no name": (lambda: named(""), "there is no runtime ''; there are native"),
    "bounds of floats": (lambda: sides(FLOAT, "tvm 0.1", 2), "there is no runtime 'tvm 0.1'"),
    "bounds of integers": (lambda: sides(STATIC, "tvm 0.1", 2), "there is no runtime 'tvm 0.1'"),
    "a destination": (lambda: destination_of("m.onnx", "tvm"), "'tvm' does not run 'm.onnx'; there are onnxruntime"),
    "a suffix": (lambda: destination_of("m.h5"), "no artifact ends in '.h5'; there are .so, .c, .onnx, .tflite, .rnn"),
    "no suffix": (lambda: destination_of("m"), "no artifact ends in ''; there are .so"),
    "a suffix of a board": (lambda: boards.load("this").runtime(".h5"), "no artifact ends in '.h5'; there are .so"),
    "a file": (lambda: edgernn.open("m.h5"), "no backend opens 'm.h5'; there are .onnx, .rnn, .so, .tflite"),
    "an export": (lambda: export(KWS, "m.onnx", runtime="tvm"), "'tvm' does not run 'm.onnx'"),
    "an option": (lambda: edge("export", "m.rnn", "m.onnx", "--runtime", "tvm", code=2), ""),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_runtime_is_refused_with_those_that_there_are(case):
    call, message = UNKNOWN[case]
    if case == "an option":
        assert "'tvm' does not run 'm.onnx'; there are onnxruntime" in call()
        return
    with pytest.raises(UsageError) as error:
        call()
    assert message in str(error.value)


def test_a_program_of_an_unknown_runtime_is_not_proved():
    """Its tolerance is nowhere; that of another runtime would prove nothing."""
    graph = quantize(Graph((Layer("out", Dense(KWS.layers[-1].cell.w, None)),), KWS.layers[-1].cell.w.shape[1]))
    with pytest.raises(UsageError, match=r"there is no runtime 'toy 1.0'; there are native"):
        prove(graph, edgernn.Program("m", "", b"", Engine(graph.astype("float32"))))


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_entry_says_what_pip_and_python_know(name):
    runtime = RUNTIMES[name]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"": project["dependencies"], **project["optional-dependencies"]}
    assert not runtime.package or any(line.startswith(f"{runtime.package}>=") for line in extras[runtime.extra])
    assert bool(runtime.package) == bool(runtime.module)
    assert runtime.module in {"", runtime.package.replace("-", "_")}
    assert (runtime.package in packages()) == bool(runtime.package)
    assert runtime.windows == any(target.window for target in TARGETS.values() if target.suffix == runtime.suffix)
    assert named(name) is runtime
    assert runtime in running(runtime.suffix)
