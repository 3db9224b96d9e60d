"""The WebAssembly module in node: the graph's answers, the bits of compiled code, and how JavaScript is refused."""

import json
import re
import subprocess
from dataclasses import asdict, replace
from importlib.util import find_spec
from shutil import which

import numpy as np
import pytest

import document
import edgernn
from edge import called
from edgernn.artifact.checksum import verify
from edgernn.artifact.manifest import graph_manifest, parse_manifest
from edgernn.cells import Dense, Embedding, LogMel
from edgernn.errors import CompilerError, ParityError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from edgernn_export import export, translate
from edgernn_export.projects import demo
from edgernn_export.proof import node
from edgernn_export.targets.c import compiler
from edgernn_export.targets.wasm import target
from ways import needs
from zoo import GRAPHS, frames, keyword_spotter, one, t

pytestmark = [
    needs("node"),
    pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed"),
]

KWS = keyword_spotter()
SAME = (*STATIC, DYNAMIC)


def covering(graphs):
    """Few graphs that have every operation of all of them."""
    names, seen = [], set()
    for name, graph in sorted(graphs.items(), key=lambda each: -len({op.name for op in each[1].trace.operations})):
        operations = {op.name for op in graph.trace.operations}
        if not operations <= seen:
            names.append(name)
            seen |= operations
    return names


def integers(name, scheme):
    """A graph in a scheme."""
    graph = GRAPHS[name]
    return quantize(calibrate(graph, [frames(graph, 100)]) if scheme in STATIC else graph, scheme)


def in_node(folder, code, *options):
    """Run JavaScript beside m.wasm and m.mjs; return what it gives to `answer`."""
    head = """
import { readFileSync, writeFileSync } from "node:fs";
import { instantiate } from "./m.mjs";
const bytes = readFileSync("m.wasm");
const answer = (value) => writeFileSync("answer.json", JSON.stringify(value));
const plain = (state) => Object.fromEntries(Object.entries(state).map(([name, values]) => [name, [...values]]));
const message = (call) => { try { call(); return ""; } catch (error) { return error.name + ": " + error.message; } };
"""
    (folder / "main.mjs").write_text(head + code)
    done = subprocess.run(["node", *options, "main.mjs"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "answer.json").read_text())


RUN = """
const frames = JSON.parse(readFileSync("frames.json", "utf8"));
const stream = instantiate(bytes).stream();
answer({ ys: [...stream.run(frames.flat())], state: plain(stream.state) });
"""


def run(graph, folder, xs):
    export(graph, folder / "m.wasm")
    (folder / "frames.json").write_text(json.dumps(xs.tolist()))
    result = in_node(folder, RUN)
    ys = np.array(result["ys"], np.float32).reshape(len(xs), -1)
    return ys, {name: np.array(values) for name, values in result["state"].items()}


@pytest.mark.parametrize("name", covering(GRAPHS))
def test_every_operation_answers_as_numpy_does(name, tmp_path):
    """The export replays it in node; here it runs free through the JavaScript that users call."""
    graph = GRAPHS[name]
    xs = frames(graph, 20)
    ys, states = run(graph, tmp_path, xs)
    expected, after = Stepper(graph, "float32").run(xs)
    np.testing.assert_allclose(ys, expected, atol=1e-5, rtol=1e-5)
    assert states.keys() == after.keys()
    for key, state in states.items():
        np.testing.assert_allclose(state, after[key], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scheme", SAME)
def test_integers_have_the_bits_of_native_code(scheme, tmp_path):
    """Graphs that promise the same bits, on frames far beyond those of the calibration too; every kernel is in test_static_bits.py."""
    for name in ("Gru factored", "Lstm", "Conv1d dilated", "Concat of outputs"):
        folder, graph = tmp_path / name, integers(name, scheme)
        folder.mkdir()
        assert graph_manifest(graph).same_bits == "all", name
        xs = frames(graph, 60)
        xs = (
            xs
            if graph.vocabulary_size
            else xs * np.where(np.arange(60) % 7 == 6, np.float32(50), np.float32(1))[:, None]
        )
        ys, states = run(graph, folder, xs)
        export(graph, folder / "m.so")
        program = edgernn.open(folder / "m.so")
        stream = program.stream(raw=bool(program.manifest.quantization))
        expected = program.stream().run(xs)
        np.testing.assert_array_equal(ys, flat_answer(expected), err_msg=name)
        quantization = program.manifest.quantization
        stream.run(quantization["x"].integers(xs).astype(program.manifest.dtype("x")) if "x" in quantization else xs)
        for key, state in stream.state.items():
            np.testing.assert_array_equal(states[key], state, err_msg=f"{name}: {key}")


@pytest.fixture(scope="module")
def kws(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kws")
    export(KWS, folder / "m.wasm")
    return folder


STREAMS = """
const model = instantiate(new WebAssembly.Module(bytes));
const frames = JSON.parse(readFileSync("frames.json", "utf8"));
const streams = frames.map(() => model.stream());
const ys = frames.map(() => []);
for (let t = 0; t < frames[0].length; ++t) streams.forEach((each, s) => ys[s].push(...each.step(frames[s][t])));
const room = new Float32Array(model.outputs);
const same = streams[0].step(frames[0][0], room) === room;
streams[1].reset();
const again = [...streams[1].run(frames[1].flat())];
const saved = streams[2].state;
const next = [...streams[2].step(frames[2][0])];
const resumed = model.stream();
resumed.state = saved;
for (let i = 0; i < 1000; ++i) { const each = model.stream(); each.step(frames[0][0]); each.close(); }
answer({ ys, same, again, next, resumed: [...resumed.step(frames[2][0])] });
"""


def test_many_streams_do_not_know_each_other(kws):
    """Enough of them that the memory grows while others are in use."""
    xs = np.random.default_rng(0).standard_normal((400, 5, KWS.inputs)).astype(np.float32)
    (kws / "frames.json").write_text(json.dumps(xs.tolist()))
    result = in_node(kws, STREAMS)
    expected = np.stack([Stepper(KWS, "float32").run(each)[0] for each in xs])
    np.testing.assert_allclose(np.array(result["ys"]).reshape(expected.shape), expected, atol=1e-5)
    assert result["same"]
    np.testing.assert_array_equal(result["again"], result["ys"][1])
    assert result["resumed"] == result["next"]


BAD = {
    "stream.step([1, 2])": "RangeError: a frame of 2 numbers arrived; expected 10",
    "stream.step()": "TypeError: a frame is an array of numbers; undefined arrived",
    "stream.step('0123456789')": "TypeError: a frame is an array of numbers; 0123456789 arrived",
    "stream.step(Array(10).fill('1'))": "TypeError: frame 0 must not enter .* element 0 is 1; expected a number",
    "stream.step(Array(10).fill(null))": "TypeError: .* element 0 is null; expected a number",
    "stream.step(new BigInt64Array(10))": "TypeError: .* element 0 is 0; expected a number",
    "stream.step(good.map((x, i) => i === 3 ? NaN : x))": "RangeError: frame 0 .* element 3 is NaN; expected a number of",
    "stream.step(good.map((x, i) => i === 9 ? -Infinity : x))": "RangeError: .* element 9 is -Infinity",
    "stream.step(good.map((x, i) => i === 9 ? 1e300 : x))": "RangeError: .* element 9 is 1e\\+300",
    "stream.step(good, new Float32Array(3))": "RangeError: room for 3 answers arrived; expected 4",
    "stream.step(good, [0, 0, 0, 0])": "TypeError: answers are written to a Float32Array",
    "stream.run([1, 2, 3])": "RangeError: 3 numbers arrived; expected a multiple of 10",
    "stream.state = {}": "RangeError: states  arrived; expected gru.h",
    "stream.state = { 'gru.h': [1] }": "RangeError: state gru.h has 1 numbers; expected 16",
    "stream.state = { 'gru.h': Array(16).fill(NaN) }": "RangeError: state gru.h must not hold NaN, as a Float32Array",
    "stream.state = { 'gru.h': Array(16).fill(1e39) }": "RangeError: state gru.h must not hold 1e\\+39",
    "stream.state = { 'gru.h': Array(16).fill('1') }": "RangeError: state gru.h must not hold 1",
    "closed.step(good)": "Error: this stream is closed",
    "closed.close()": "Error: this stream is closed",
    "closed.state": "Error: this stream is closed",
    "instantiate(new Uint8Array(8))": "CompileError",
    "instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))": "Error: this module is not m.wasm",
}


@pytest.fixture(scope="module")
def refusals(kws):
    calls = ", ".join(f"message(() => {{ {call}; }})" for call in BAD)
    code = f"""
const model = instantiate(bytes), stream = model.stream(), closed = model.stream(), good = Array(10).fill(0.5);
closed.close();
stream.step(good);
const before = plain(stream.state);
const messages = [{calls}];
answer({{ messages, before, after: plain(stream.state) }});
"""
    return in_node(kws, code)


@pytest.mark.parametrize("call", BAD)
def test_what_is_wrong_is_refused(call, refusals):
    assert refusals["before"] == refusals["after"]
    text = refusals["messages"][[*BAD].index(call)]
    assert re.match(BAD[call], text), text


def test_a_run_stops_before_the_frame_that_is_refused(kws):
    xs = np.full((3, KWS.inputs), 0.5, np.float32)
    code = """
const stream = instantiate(bytes).stream(), frames = Array(30).fill(0.5);
frames[25] = NaN;
const text = message(() => stream.run(frames));
answer({ text, state: plain(stream.state) });
"""
    result = in_node(kws, code)
    assert "frame 2 must not enter the state, which is that before it: element 5 is NaN" in result["text"]
    _, states = Stepper(KWS, "float32").run(xs[:2])
    np.testing.assert_allclose(result["state"]["gru.h"], states["gru.h"], atol=1e-5)


@pytest.mark.parametrize("symbol", ["-1", "7", "1.5", "NaN", "2 ** 32", "'1'"])
def test_a_symbol_outside_the_table_is_refused(symbol, tmp_path):
    export(one(Embedding(t(7, 4)), 1), tmp_path / "m.wasm")
    code = f"""
const stream = instantiate(bytes).stream();
answer([message(() => stream.step([6])), message(() => stream.step([{symbol}]))]);
"""
    good, bad = in_node(tmp_path, code)
    assert good == ""
    assert "frame 0 must not enter the state" in bad


def test_the_module_needs_nothing(kws):
    """No imports, and none of what an AudioWorklet lacks: fetch, decoders of text, timers, code made of strings."""
    code = """
import vm from "node:vm";
const module = new WebAssembly.Module(bytes);
const context = vm.createContext({ bytes: new Uint8Array(bytes) }, { codeGeneration: { strings: false, wasm: true } });
const script = new vm.SourceTextModule(readFileSync("m.mjs", "utf8"), { context });
await script.link(() => { throw new Error("it imports a module"); });
await script.evaluate();
context.instantiate = script.namespace.instantiate;
const source = "[typeof fetch, typeof TextDecoder, [...instantiate(bytes).stream().step(Array(10).fill(0.5))]]";
answer({ imports: WebAssembly.Module.imports(module), apart: vm.runInContext(source, context) });
"""
    result = in_node(kws, code, "--experimental-vm-modules", "--no-warnings")
    assert result["imports"] == []
    fetch, decoder, ys = result["apart"]
    assert fetch == decoder == "undefined"
    expected, _ = Stepper(KWS, "float32").run(np.full((1, KWS.inputs), 0.5, np.float32))
    np.testing.assert_allclose(ys, expected[0], atol=1e-5)


def spectral(hop, rate_hz):
    """A model that computes a spectrum of its samples."""
    return replace(one(LogMel(hop, rate_hz, window=4 * hop, bands=4), hop), period_ms=1000 * hop / rate_hz)


RATES = {
    "speech": (spectral(80, 8000), 8000),
    "wide speech": (spectral(160, 16_000), 16_000),
    "vibration": (spectral(32, 4000), None),
    "ultrasound": (spectral(512, 400_000), None),
    "an amplifier": (replace(one(Dense(t(1, 1), t(1)), 1), period_ms=1000 / 48_000), 48_000),
    "mel bands from elsewhere": (replace(one(Dense(t(3, 80), t(3)), 80), period_ms=10.0), None),
    "a rate that is not known": (one(Dense(t(1, 1), t(1)), 1), None),
    "symbols": (replace(one(Embedding(t(7, 4)), 1), period_ms=0.1), None),
}


@pytest.mark.parametrize("name", RATES)
def test_a_page_listens_where_the_model_takes_sound(name):
    graph, rate = RATES[name]
    assert demo.sample_rate(graph) == (None if rate is None else pytest.approx(rate))


TYPED = """
import { instantiate, type Model, type State, type Stream } from "./m.mjs";
const model: Model = instantiate(new Uint8Array(8));
const stream: Stream = model.stream();
const answer: Float32Array = stream.step([1, 2, 3], new Float32Array(model.outputs));
const answers: Float32Array = stream.run(new Float32Array(6));
const before: State = stream.state;
stream.state = before;
stream.state = { "gru.h": [1, 2] };
stream.reset();
stream.close();
instantiate(new WebAssembly.Module(new Uint8Array(8)));
const labels: unknown = model.manifest["edgernn.labels"];
// @ts-expect-error
stream.step("1, 2, 3");
// @ts-expect-error
stream.step([1], [0]);
// @ts-expect-error
stream.state = { "gru.h": "1" };
// @ts-expect-error
model.inputs = 3;
// @ts-expect-error
instantiate();
// @ts-expect-error
stream.length;
export { answer, answers, labels };
"""


@pytest.mark.skipif(not which("tsc"), reason="tsc is not installed: npm install --global typescript")
def test_typescript_knows_the_types(kws):
    (kws / "typed.mts").write_text(TYPED)
    options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom"]
    done = subprocess.run(["tsc", *options, "typed.mts"], cwd=kws, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (kws / "typed.mts").write_text(TYPED.replace("// @ts-expect-error", ""))
    done = subprocess.run(["tsc", *options, "typed.mts"], cwd=kws, capture_output=True, text=True, check=False)
    assert done.stdout.count("error TS") == TYPED.count("@ts-expect-error")


def test_the_guide_runs(tmp_path):
    document.run(document.ROOT / "docs/guides/browsers.md", tmp_path)
    printed = subprocess.check_output(["node", "main.mjs"], cwd=tmp_path, text=True)
    assert printed == "3 10\n"
    subprocess.run(["node", "--check", "processor.mjs"], cwd=tmp_path, check=True)


def test_the_manifest_is_inside(kws):
    data = (kws / "m.wasm").read_bytes()
    checksum, manifest = verify(data, "m.wasm"), parse_manifest(data, "m.wasm")
    assert manifest == replace(graph_manifest(KWS), cpu=target.CPU)
    about = in_node(kws, "answer(instantiate(bytes).manifest);")
    assert about["edgernn.sha256"] == checksum
    assert about["edgernn.labels"] == [*KWS.labels]


def test_info_shows_the_manifest_and_open_names_node(kws):
    path = kws / "m.wasm"
    code, printed, _ = called("info", path, "--json")
    assert code == 0
    entries, manifest = json.loads(printed), asdict(graph_manifest(KWS))
    assert entries["sha256"] == verify(path.read_bytes(), "m.wasm")
    assert {name: entries[name] for name in ("cpu", "inputs", "states")} == {
        "cpu": target.CPU,
        "inputs": manifest["inputs"],
        "states": dict(manifest["states"]),
    }
    assert re.search(r"^cpu +wasm32-simd128$", called("info", path)[1], re.MULTILINE)
    with pytest.raises(UsageError, match=r"m\.wasm' cannot be opened here: a \.wasm file runs in a browser or in node"):
        edgernn.open(path)
    damaged = kws / "damaged.wasm"
    damaged.write_bytes(path.read_bytes()[:-1])
    code, _, failed = called("info", damaged)
    assert (code != 0, "was truncated or altered" in failed) == (True, True)


def test_a_module_of_another_model_or_with_other_weights_is_refused(kws, tmp_path):
    other = keyword_spotter()
    export(other, tmp_path / "m.wasm")
    script = (kws / "m.mjs").read_bytes()
    data = (tmp_path / "m.wasm").read_bytes()
    (tmp_path / "m.mjs").write_bytes(script)
    code = "answer(message(() => instantiate(bytes)));"
    assert "was written for: export both again" in in_node(tmp_path, code)
    bias = next(tensor.stored for name, tensor in KWS.tensors.items() if tensor.stored.ndim == 1)
    data = (kws / "m.wasm").read_bytes()
    damaged = data.replace(bias[:4].tobytes(), (bias[:4] + 1).tobytes())
    assert damaged != data
    (tmp_path / "m.wasm").write_bytes(damaged)
    assert "m.wasm computes something else here than where it was written: frame 0" in in_node(tmp_path, code)


def test_a_module_that_differs_is_not_kept(tmp_path, monkeypatch):
    graph = one(Dense(t(3, 6), t(3)))
    others = one(Dense(t(3, 6), t(3)))
    named_trace = target.named_trace
    monkeypatch.setattr(target, "named_trace", lambda _graph, schemes: named_trace(others, schemes))
    with pytest.raises(ParityError, match=r"'m\.wasm' in node differs from numpy at step 0 in 'y' by"):
        export(graph, tmp_path / "m.wasm")
    assert [*tmp_path.iterdir()] == []


def test_a_node_that_fails_is_no_proof(tmp_path, monkeypatch):
    program = tmp_path / "bin/node"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'CompileError: no SIMD' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(node.shutil, "which", lambda _name: str(program))
    with pytest.raises(
        ParityError, match=r"does not run in node \(code 1\), CompileError: no SIMD; expected node 16\.4"
    ):
        export(KWS, tmp_path / "m.wasm")


def test_without_node_the_same_code_is_proved_as_a_library(tmp_path, monkeypatch):
    """It is compiled for this machine, and the module tests itself where it is instantiated."""
    monkeypatch.setattr(node.shutil, "which", lambda _name: None)
    proved = []
    prove = translate.prove_each_level
    monkeypatch.setattr(translate, "prove_each_level", lambda *args: proved.append(args[1].backend) or prove(*args))
    export(KWS, tmp_path / "m.wasm")
    assert [each.partition(" ")[0] for each in proved] == ["native"]
    assert {path.name for path in tmp_path.iterdir()} == {"m.wasm", "m.mjs", "m.d.mts"}


def test_it_needs_zig(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "find_spec", lambda _name: None)
    with pytest.raises(CompilerError, match=r"compiling for WebAssembly needs the package 'ziglang': pip install"):
        export(KWS, tmp_path / "m.wasm")


@pytest.mark.parametrize("option", [{"runtime": "onnxruntime"}, {"device": "raspberrypi4"}, {"levels": "all"}])
def test_it_takes_no_runtime_board_or_level(option, tmp_path):
    with pytest.raises(UsageError, match=r"arrived for '.*m\.wasm'; a \.wasm file has none: leave it out"):
        export(KWS, tmp_path / "m.wasm", **option)
