"""Adopted files: a stream of one answers as a plain loop over its runtime, written here by hand, and its bytes stay."""

import json
import os
import pickle
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

import adoptable
import edgernn
from adoptable import ANSWER, CONTEXT, ENTERING, FRAME, HIDDEN, LEAVING, SAMPLES, model, random
from edge import edge
from edgernn.artifact import checksum
from edgernn.artifact.manifest import parse_manifest
from edgernn.device.runtimes import named
from edgernn.errors import FileError, FrameError, ParityError, StateError, UnsupportedError, UsageError
from edgernn.process import child
from edgernn.runtime.backends import onnxruntime as backend
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.program import load
from edgernn_export import adopt
from edgernn_export.adoption import contract
from edgernn_export.adoption.matching import matched
from edgernn_export.adoption.original import Endpoint, aliases
from primed import check_prime

ROOT = Path(__file__).parent.parent
RATE = {"sr": 16000}
STEPS = 20


@dataclass
class Case:
    """A file, how it is adopted, and what the loop by hand must know of it."""

    build: object
    suffix: str
    frames: tuple  # (name, shape) in the runtime
    answers: tuple
    states: dict  # name in the manifest -> (entering, shape, leaving)
    options: dict = field(default_factory=dict)
    constants: dict = field(default_factory=dict)
    context: int = 0


CASES = {
    "voice activity": Case(
        adoptable.voice_activity,
        ".onnx",
        (("input", (1, CONTEXT + SAMPLES)),),
        ("output",),
        {"state": ("state", (2, 1, HIDDEN), "stateN")},
        {"constants": RATE, "shapes": {"input": (1, CONTEXT + SAMPLES)}, "context": CONTEXT, "period_ms": 4.0},
        {"sr": np.array(16000)},
        CONTEXT,
    ),
    "denoiser": Case(
        adoptable.denoiser, ".onnx", (("bins", (1, 1, 20)),), ("0",), {"state": ("state", (1, 2, HIDDEN, 2), "1")}
    ),
    "denoiser in TFLite": Case(
        adoptable.tflite_denoiser,
        ".tflite",
        (("serving_default_bins:0", (1, 1, 20)),),
        ("Identity",),
        {"state": ("serving_default_state:0", (1, 2, HIDDEN, 2), "Identity_1")},
    ),
    "two inputs and a constant in TFLite": Case(
        adoptable.tflite_mixer,
        ".tflite",
        (("near", (1, 6)), ("far", (1, 6))),
        ("change",),
        {"h_in": ("h_in", (1, 6), "h_out")},
        {"constants": {"gain": 0.5}, "context": {"near": 2}},
        {"gain": np.full(1, 0.5, np.float32)},
        2,
    ),
    "a state that is the answer": Case(adoptable.cell, ".onnx", (("x", (1, 3)),), ("hn",), {"h": ("h", (1, 4), "hn")}),
    "one step of a sequence": Case(
        adoptable.sequences,
        ".onnx",
        (("x", (1, 1, 3)),),
        ("y",),
        {"h0": ("h0", (1, 1, 4), "hn"), "c0": ("c0", (1, 1, 4), "cn")},
        {"shapes": {"x": (1, 1, 3)}},
    ),
    "two inputs and states": Case(
        adoptable.echo,
        ".onnx",
        (("mic", (1, 5)), ("far", (1, 3))),
        ("voice", "gain"),
        {"c0": ("c0", (1, 4), "cn"), "h0": ("h0", (1, 4), "hn")},
    ),
}


def caller(data, suffix):
    """A function of arguments by name that returns results by name: the runtime itself."""
    if suffix == ".onnx":
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return lambda arguments: dict(zip(names, session.run(names, arguments), strict=True))
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    ins, outs = interpreter.get_input_details(), interpreter.get_output_details()

    def call(arguments):
        for each in ins:
            interpreter.set_tensor(each["index"], arguments[each["name"]])
        interpreter.invoke()
        return {each["name"]: interpreter.get_tensor(each["index"]).copy() for each in outs}

    return call


def by_hand(case, data, frames):
    """The answers to frames (time, inputs), and the states after the last."""
    call = caller(data, case.suffix)
    states = {name: np.zeros(shape, np.float32) for name, (_, shape, _) in case.states.items()}
    context, answers = np.zeros(case.context, np.float32), []
    for frame in frames:
        arguments, rest = dict(case.constants), np.concatenate([context, frame])  # a context is of the first input
        for name, shape in case.frames:
            full, rest = np.split(rest, [np.prod(shape)])
            arguments[name] = full.reshape(shape)
        first = arguments[case.frames[0][0]].ravel()
        context = first[len(first) - case.context :]
        results = call(arguments | {enters: states[name] for name, (enters, _, _) in case.states.items()})
        states = {name: results[leaves] for name, (_, _, leaves) in case.states.items()}
        answers.append(np.concatenate([results[name].ravel() for name in case.answers]))
    flat = {name: state.ravel() for name, state in states.items()}
    return np.stack(answers), flat | ({f"{case.frames[0][0]}.context": context} if case.context else {})


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """Each case, adopted: name -> (bytes of the file, path of the artifact)."""
    folder, files = tmp_path_factory.mktemp("adopted"), {}
    for k, (name, case) in enumerate(CASES.items()):
        data, path, out = case.build(), folder / f"m{k}{case.suffix}", folder / f"a{k}{case.suffix}"
        path.write_bytes(data)
        adopt(path, out, **case.options)
        files[name] = data, out
    return files


def noise(program, steps=STEPS, seed=0):
    return random(steps, program.manifest.inputs, seed=seed, size=1.0)


@pytest.mark.parametrize("name", CASES)
def test_a_stream_answers_as_a_loop_by_hand(name, adopted):
    data, path = adopted[name]
    program = edgernn.open(path)
    frames = noise(program)
    expected, states = by_hand(CASES[name], data, frames)
    stream = program.stream()
    np.testing.assert_array_equal([flat_answer(stream.step(frame)) for frame in frames], expected)
    np.testing.assert_array_equal(flat_answer(program.stream().run(frames)), expected)
    check_prime(program, frames[:4])
    assert stream.state.keys() == states.keys() == program.manifest.states.keys()
    for state, array in states.items():
        np.testing.assert_array_equal(stream.state[state], array)


@pytest.mark.parametrize("name", CASES)
def test_a_state_is_saved_restored_and_reset(name, adopted):
    program = edgernn.open(adopted[name][1])
    frames, stream = noise(program), program.stream()
    first = [flat_answer(stream.step(frame)) for frame in frames]
    stream.reset()
    for frame in frames[:7]:
        stream.step(frame)
    saved, other = stream.state, program.stream()
    stream.step(frames[0])
    for each in (stream, other):
        each.state = saved
        np.testing.assert_array_equal([flat_answer(each.step(frame)) for frame in frames[7:]], first[7:])
    with pytest.raises(StateError, match="belongs to another model"):
        stream.state = {"other": np.zeros(3, np.float32)}


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_of_the_file_stay_and_any_change_is_refused(name, adopted):
    data, path = adopted[name]
    whole = path.read_bytes()
    manifest = parse_manifest(whole, "m")
    assert whole.startswith(data)
    assert (manifest.adopted.size, manifest.graph) == (len(data), sha256(data).hexdigest())
    if path.suffix == ".onnx":
        ours, theirs = onnx.load_from_string(whole), onnx.load_from_string(data)
        assert [each.key for each in ours.metadata_props] == ["edgernn"]
        ours.ClearField("metadata_props")
        assert ours == theirs
    for at in np.random.default_rng(0).integers(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(FileError, match=r"altered|edgernn did not write"):
            load(bytes(damaged), f"m{path.suffix}", edgernn.open(path).module)


def test_a_frame_that_must_not_enter_is_refused_and_held(adopted):
    program = edgernn.open(adopted["voice activity"][1])
    frames = noise(program, 4)
    stream, bad = program.stream(), frames[0].copy()
    bad[3] = np.nan
    stream.step(frames[0])
    before = stream.state
    for wrong, message in ((bad, "element 3 of the frame is nan"), (frames[0][:-1], "of shape")):
        with pytest.raises(FrameError, match=message):
            stream.step(wrong)
    assert all(np.array_equal(before[name], array) for name, array in stream.state.items())
    held, holding = program.stream(), program.stream(on_bad_input="hold")
    expected = [held.step(frames[0]), held.step(frames[0])]
    np.testing.assert_array_equal([holding.step(frames[0]), holding.step(bad)], expected)


def test_several_inputs_and_outputs_have_names(adopted):
    program = edgernn.open(adopted["two inputs and states"][1])
    mic, far = random(5, seed=1), random(3, seed=2)
    answer = program.stream().step({"mic": mic, "far": far})
    assert {name: array.shape for name, array in answer.items()} == {"voice": (2,), "gain": (4,)}
    with pytest.raises(FrameError, match="'far' missing"):
        program.stream().step({"mic": mic})


def quantized(x, q):
    return np.clip(np.rint(np.float64(x) / np.float32(q.scale)) + q.zero, -128, 127).astype(np.int8)


def test_integers_become_float32_outside_and_a_state_is_requantized(tmp_path):
    data = adoptable.tflite_integers()
    (tmp_path / "m.tflite").write_bytes(data)
    adopt(tmp_path / "m.tflite", tmp_path / "a.tflite")
    program = edgernn.open(tmp_path / "a.tflite")
    call, state = caller(data, ".tflite"), quantized(np.zeros((1, 5)), ENTERING)
    frames, stream, raw = noise(program), program.stream(), program.stream(raw=True)
    for frame in frames:
        x = quantized(frame, FRAME)
        results = call({"x": x[None], "h": state})
        state = quantized((results["h_new"].astype(np.int64) - LEAVING.zero) * LEAVING.scale, ENTERING)
        answer = (results["y"][0].astype(np.int64) - ANSWER.zero) * np.float32(ANSWER.scale)
        np.testing.assert_array_equal(raw.step(x), results["y"][0])
        np.testing.assert_allclose(stream.step(frame), answer, rtol=1e-6)
        np.testing.assert_array_equal(raw.state["h"], state[0])


def test_initial_states_labels_delay_and_period_are_in_the_contract(tmp_path):
    (tmp_path / "m.onnx").write_bytes(adoptable.echo())
    start = {"h0": random(1, 4, seed=9)}
    labels = ("a", "b", "c", "d", "e", "f")
    adopt(tmp_path / "m.onnx", tmp_path / "a.onnx", initial_state=start, delay_frames=2, period_ms=16, labels=labels)
    program = edgernn.open(tmp_path / "a.onnx")
    np.testing.assert_array_equal(program.stream().state["h0"], start["h0"][0])
    manifest = program.manifest
    assert (manifest.delay_frames, manifest.warmup_frames, manifest.period_ms, manifest.labels) == (2, 2, 16, labels)


def test_a_state_of_many_numbers_has_a_short_contract(tmp_path):
    (tmp_path / "m.onnx").write_bytes(adoptable.wide())
    manifest = adopt(tmp_path / "m.onnx", tmp_path / "a.onnx")
    assert manifest.states == {"state": 150_000}
    assert (tmp_path / "a.onnx").stat().st_size < manifest.adopted.size + 10_000
    with pytest.raises(UsageError, match="it has initial states of too many numbers that are not zero"):
        adopt(tmp_path / "m.onnx", tmp_path / "b.onnx", initial_state={"state": np.full(150_000, 1 / 3)})
    assert not (tmp_path / "b.onnx").exists()


def test_another_model_behind_the_same_contract_is_told_by_its_answers(adopted):
    data, path = adopted["denoiser"]
    manifest, module = parse_manifest(path.read_bytes(), "m"), edgernn.open(path).module
    parsed = onnx.load_from_string(data)
    weights = next(each for each in parsed.graph.initializer if each.name == "v")
    values = np.frombuffer(weights.raw_data, np.float32) * np.float32(1.05)
    weights.raw_data = values.tobytes()
    other = contract.artifact(parsed.SerializeToString(), ".onnx", manifest)
    with pytest.raises(ParityError, match=r"from what it answered on onnxruntime .* when it was adopted"):
        load(other, "m.onnx", module)
    silent = replace(manifest, adopted=replace(manifest.adopted, answers=""))
    load(contract.artifact(parsed.SerializeToString(), ".onnx", silent), "m.onnx", module)


VALUES = (None, -1, 0, 3, 1 << 40, "x", [], [1, 72], [1 << 40], {}, 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_a_contract_that_contradicts_the_file_is_an_error_of_ours(seed, adopted):
    whole, choose = adopted["voice activity"][1].read_bytes(), Random(seed)
    original = whole[: parse_manifest(whole, "m").adopted.size]
    text = whole[whole.index(b'{"edgernn.sha256') :].decode("latin-1")
    for _ in range(40):
        fields = json.JSONDecoder().raw_decode(text)[0]
        parent, key = fields, "edgernn.adopted"
        while isinstance(parent[key], dict) and parent[key]:
            parent = parent[key]
            key = choose.choice(sorted(parent))
        parent[key] = choose.choice(VALUES)
        fields["edgernn.sha256"] = "0" * 64
        entry = contract._field(0x0A, b"edgernn") + contract._field(
            0x12, json.dumps(fields, separators=(",", ":")).encode()
        )
        changed = checksum.fill(original + contract._field(0x72, entry))
        with suppress(FileError, ParityError):
            load(changed, "m.onnx", named("onnxruntime").backend).stream().step(np.zeros(SAMPLES, np.float32))


CONTRADICTIONS = {
    "is no tensor of a step": lambda fields: fields["inputs"]["input"].update(shape=[1, 0]),
    "a state does not leave": lambda fields: fields["results"].clear(),
    r"state 'state' enters as .* and leaves as": lambda fields: fields["results"]["state"].update(shape=[2, 1, 15]),
    "a context is as long as its input": lambda fields: fields["context"].update(input=CONTEXT + SAMPLES),
    "names an input or a state that does not exist": lambda fields: fields["context"].update(other=1),
    "the sizes of its tensors are not those": lambda fields: fields["context"].update(input=CONTEXT + 1),
    "'x' is float32 and enters or leaves as": lambda fields: fields["inputs"]["input"].update(dtype="int8"),
    "tolerance of -1 is invalid": lambda fields: fields.update(tolerance=-1),
}
"""What a manifest says of a voice activity detector -> how it came to say so."""


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_a_contract_that_contradicts_itself_is_refused_before_the_runtime_sees_it(message, adopted):
    whole = adopted["voice activity"][1].read_bytes()
    fields = json.JSONDecoder().raw_decode(whole[whole.index(b'{"edgernn.sha256') :].decode("latin-1"))[0]
    CONTRADICTIONS[message](fields["edgernn.adopted"])
    with pytest.raises(FileError, match=message):
        parse_manifest(json.dumps(fields, separators=(",", ":")).encode(), "m.onnx")


def test_a_stream_that_is_not_the_loop_is_not_written(tmp_path, monkeypatch):
    (tmp_path / "m.onnx").write_bytes(adoptable.voice_activity())
    monkeypatch.setattr(backend, "copying", lambda call, before, after: call)  # and so loses the context
    with pytest.raises(ParityError, match=r"at step 0 in 'input.context'"):
        adopt(tmp_path / "m.onnx", tmp_path / "a.onnx", **CASES["voice activity"].options)
    assert not (tmp_path / "a.onnx").exists()


NODE = helper.make_node
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
X, S, Y = ("x", FLOAT, [1, 3]), ("s", FLOAT, [1, 3]), ("y", FLOAT, [1, 3])


def small(nodes, inputs=(X, S), outputs=(Y, ("s_out", FLOAT, [1, 3])), constants=None):
    return model(nodes, list(inputs), list(outputs), constants or {})


def external():
    parsed = onnx.load_from_string(adoptable.denoiser())
    tensor = next(each for each in parsed.graph.initializer if each.name == "v")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return parsed.SerializeToString()


SUM = NODE("Add", ["x", "s"], ["y"])
KEEP, HALF = NODE("Identity", ["s"], ["s_out"]), NODE("Tanh", ["s"], ["s_out"])
WRONG = {
    "a state that never changes": (small([SUM, KEEP]), ".onnx", {}, UnsupportedError, "state 's' never changes"),
    "a state that changes no answer": (
        small([NODE("Tanh", ["x"], ["y"]), HALF]), ".onnx", {}, UnsupportedError, "state 's' changes no answer"
    ),
    "a frame that changes nothing": (
        small([NODE("Tanh", ["s"], ["y"]), HALF]), ".onnx", {}, UnsupportedError, "input 'x' changes no answer"
    ),
    "the wrong output as a state": (
        adoptable.echo(), ".onnx", {"states": {"h0": "gain", "c0": "hn"}, "outputs": ("voice",)}, None, ""
    ),
    "a state of another shape": (
        adoptable.echo(), ".onnx", {"states": {"h0": "voice"}}, UsageError, r"'h0' .* by 'voice' .*; expected equal shapes"
    ),
    "a state that does not exist": (
        adoptable.echo(), ".onnx", {"states": {"h": "hn"}}, UsageError, r"--state names the input 'h'.*did you mean 'h0'"
    ),
    "a state that no output is": (
        small([SUM, NODE("Concat", ["s", "x"], ["s_out"], axis=1)], outputs=(Y, ("s_out", FLOAT, [1, 6]))),
        ".onnx", {"outputs": ("s_out",), "inputs": ("x",)}, None, "",
    ),
    "an LSTM that forgets": (adoptable.forgetting(), ".onnx", {"shapes": {"x": (1, 1, 3)}}, UnsupportedError, "begins anew"),
    "an LSTM of one step": (adoptable.forgetting(1), ".onnx", {}, UnsupportedError, "begins anew"),
    "an LSTM over frequency": (adoptable.forgetting(7), ".onnx", {}, None, ""),
    "a variable of the interpreter": (adoptable.tflite_hidden(), ".tflite", {}, UnsupportedError, "keeps a state inside"),
    "random numbers": (
        small([NODE("RandomNormalLike", ["x"], ["r"]), NODE("Add", ["r", "s"], ["y"]), NODE("Add", ["x", "s"], ["s_out"])]),
        ".onnx", {}, UnsupportedError, "draws random numbers",
    ),
    "an open size": (
        adoptable.voice_activity(), ".onnx", {"constants": RATE}, UsageError, r"--shape input=1x1"
    ),
    "a shape that does not fit": (
        adoptable.denoiser(), ".onnx", {"shapes": {"bins": (1, 20)}}, UsageError, r"\(1, 20\) does not fit input 'bins'"
    ),
    "a rate without its value": (
        adoptable.voice_activity(), ".onnx", {"shapes": {"input": (1, 72)}}, UsageError, "--constant sr=VALUE"
    ),
    "a constant that does not exist": (
        adoptable.denoiser(), ".onnx", {"constants": {"rate": 1}}, UsageError, "--constant names the input 'rate'"
    ),
    "a context as long as the frame": (
        adoptable.denoiser(), ".onnx", {"context": 20}, UsageError, "context of 20 does not fit input 'bins'"
    ),
    "a context of several inputs": (
        adoptable.echo(), ".onnx", {"context": 2}, UsageError, "--context mic=2 or --context far=2"
    ),
    "labels": (adoptable.echo(), ".onnx", {"labels": ("a", "b")}, UsageError, "2 labels for 6 outputs"),
    "a single string": (adoptable.echo(), ".onnx", {"outputs": "voice"}, UsageError, "is a single string"),
    "integers": (
        small([NODE("Cast", ["x"], ["f"], to=1), NODE("Add", ["f", "s"], ["y"]), HALF], (("x", INT64, [1, 3]), S)),
        ".onnx", {}, UnsupportedError, "input 'x' int64 .* cannot be streamed",
    ),
    "outputs of several dtypes": (
        small([SUM, HALF, NODE("Cast", ["y"], ["k"], to=7)], outputs=(Y, ("s_out", FLOAT, [1, 3]), ("k", INT64, [1, 3]))),
        ".onnx", {}, UnsupportedError, "output 'k' int64 .* choose others with --outputs",
    ),
    "answers that are not finite": (
        small([NODE("Div", ["s", "z"], ["y"]), NODE("Add", ["x", "s"], ["s_out"])],
              constants={"z": np.zeros((1, 3), np.float32)}),
        ".onnx", {}, UnsupportedError, "not finite",
    ),
    "an output without a size": (
        adoptable.tflite_dynamic(), ".tflite", {"constants": {"times": 2}}, UnsupportedError, "'y' has no size before a call"
    ),
    "an unknown operator": (small([SUM, HALF]).replace(b"Tanh", b"Frob"), ".onnx", {}, FileError, "Frob"),
    "weights in another file": (external(), ".onnx", {}, FileError, r"'v' of .* is in another file, '../../etc/passwd'"),
    "no ONNX": (b"\x08\x08no", ".onnx", {}, FileError, "no ONNX file|cut short"),
    "a part of a file": (adoptable.denoiser()[:900], ".onnx", {}, FileError, "is cut short at byte 900"),
    "no TFLite": (b"no", ".tflite", {}, FileError, "refuses"),
    "a part of a TFLite file": (adoptable.tflite_denoiser()[:2000], ".tflite", {}, FileError, "refuses|ends the process"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_adopted_is_one_line_and_leaves_nothing(name, tmp_path, monkeypatch):
    data, suffix, options, error, message = WRONG[name]
    if error is not FileError and "integers" not in name:  # a process of its own says the same, and takes a second
        monkeypatch.setattr("edgernn_export.adoption.adopt.attempt", lambda *_: None)
    (tmp_path / f"m{suffix}").write_bytes(data)
    if error is None:
        adopt(tmp_path / f"m{suffix}", tmp_path / f"a{suffix}", **options)
        return
    with pytest.raises(error, match=message) as caught:
        adopt(tmp_path / f"m{suffix}", tmp_path / f"a{suffix}", **options)
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == [f"m{suffix}"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGSEGV, r"ends the process of its runtime \(SIGSEGV\)"),
        (signal.SIGXCPU, "takes seconds to open or to run"),
    ],
)
def test_a_file_that_ends_its_process_is_an_error(number, message, tmp_path, monkeypatch):
    (tmp_path / "m.onnx").write_bytes(adoptable.denoiser())
    ended = subprocess.CompletedProcess([], -number, "", "")
    monkeypatch.setattr(child, "run", lambda call: ended)
    with pytest.raises(FileError, match=message):
        adopt(tmp_path / "m.onnx", tmp_path / "a.onnx")


DEVICE = """
import sys, numpy as np, edgernn
for path in sys.argv[1:]:
    try:
        stream = edgernn.open(path).stream()
        np.save(path + ".npy", stream.run(np.load(path + ".frames.npy")))
        print(stream.program.backend.partition(" ")[0])
    except edgernn.EdgernnError as error:
        print(type(error).__name__)
"""


def test_another_runtime_runs_it_or_is_found_to_be_wrong(tmp_path):
    """tflite-runtime 2.14 computes garbage, in silence, from rows of scales that are labelled as an old version."""
    python = ROOT / ".venv-tflite/bin/python"
    if not python.exists():
        pytest.skip("there is no bare environment .venv-tflite; `make devices` makes it")
    files = {
        "float": adoptable.tflite_denoiser(),
        "one": adoptable.tflite_hybrid(False, 3),
        "rows": adoptable.tflite_hybrid(True, 3),
    }
    for name, data in files.items():
        (tmp_path / f"{name}.tflite").write_bytes(data)
        adopt(tmp_path / f"{name}.tflite", tmp_path / f"a{name}.tflite")
        np.save(tmp_path / f"a{name}.tflite.frames.npy", noise(edgernn.open(tmp_path / f"a{name}.tflite")))
    paths = [str(tmp_path / f"a{name}.tflite") for name in files]
    done = subprocess.run(
        [python, "-P", "-c", DEVICE, *paths],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["tflite-runtime", "tflite-runtime", "ParityError"]
    for path, far in zip(paths[:2], (1e-5, 0.1), strict=True):
        expected = edgernn.open(path).run(np.load(f"{path}.frames.npy"))
        np.testing.assert_allclose(np.load(f"{path}.npy"), expected, atol=far)


def test_a_program_is_pickled_and_its_streams_are_apart(adopted):
    program = edgernn.open(adopted["voice activity"][1])
    frames, one, other = noise(program), program.stream(), pickle.loads(pickle.dumps(program)).stream()
    answers = [(one.step(frame), other.step(frame)) for frame in frames]
    assert all(np.array_equal(a, b) for a, b in answers)
    with pytest.raises(UnsupportedError, match=r"'.*' is adopted: none of its inputs, states and outputs is quantized"):
        program.stream(raw=True)


def test_suffixes_and_files_of_ours_are_refused(adopted, tmp_path):
    path = adopted["denoiser"][1]
    with pytest.raises(UsageError, match="was written by edgernn: open it as it is"):
        adopt(path, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=r"give it the suffix \.onnx"):
        adopt(path, tmp_path / "a.tflite")
    with pytest.raises(UsageError, match="`edgernn import` reads more"):
        adopt("m.keras", tmp_path / "a.keras")


NAMES = {
    "by suffixes": ("x h_in", "y h_out", "h_in=h_out"),
    "by a letter": ("input h c", "output hn cn", "h=hn c=cn"),
    "by a capital": ("input state", "output stateN", "state=stateN"),
    "by numbers": ("x h0 c0", "y hn cn", "h0=hn c0=cn"),
    "by words around": ("spec prev_cache", "cache_new enh", "prev_cache=cache_new"),
    "crossed": ("x c_in h_in", "h_out y c_out", "c_in=c_out h_in=h_out"),
    "in their order": (
        "input_1 input_2 input_3",
        "Identity Identity_1 Identity_2",
        "input_2=Identity_1 input_3=Identity_2",
    ),
    "a frame that an answer is called after": ("audio_in h", "audio_out h_next", "h=h_next"),
    "no state": ("x_in", "x_out", ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_states_are_matched_by_their_names(name):
    ins, outs, expected = NAMES[name]
    endpoints = [[Endpoint(each, each, (1, 4), "float32") for each in names.split()] for names in (ins, outs)]
    pairs = matched(*endpoints, frames=False, answers=False)
    assert pairs == dict(pair.split("=") for pair in expected.split())


@pytest.mark.parametrize(
    ("ins", "outs", "message"),
    [
        ("p 4 q 9", "r 9 s 4", "input 'p' .* could be output 's'"),
        ("p 4 q 4", "r 4 s 4 t 4", "input 'p' .* could be output 'r' .* or 's' .* or 't'"),
        ("x 4 h 9", "y 4 z 3", "input 'h' .* is called as a state, and no output has its shape; there are 'y'"),
    ],
)
def test_where_states_could_be_several_the_user_is_asked(ins, outs, message):
    sides = []
    for text in (ins, outs):
        names, sizes = text.split()[::2], text.split()[1::2]
        sides.append([Endpoint(n, n, (1, int(size)), "float32") for n, size in zip(names, sizes, strict=True)])
    with pytest.raises(UnsupportedError, match=message):
        matched(*sides, frames=False, answers=False)


def test_a_name_is_plain_and_its_own():
    assert aliases(["serving_default_x:0", "x", "a/b.c", ""]) == ["x", "x_2", "a_b_c", "value"]


def test_the_verbs_take_an_adopted_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(adoptable.voice_activity())
    asked = ["--constant", "sr=16000", "--shape", f"input=1x{CONTEXT + SAMPLES}", "--context", CONTEXT]
    text = edge("adopt", "m.onnx", "-o", "a.onnx", *asked, "--period", "4ms")
    assert "state (2, 1, 16) <- stateN float32 (2, 1, 16)" in text.replace("state float32", "state")
    assert "input float32 (1, 72), 8 of them from the frame before" in text
    assert "sr int64 () = 16000" in text
    again = json.loads(edge("adopt", "m.onnx", "-o", "b.onnx", *asked, "--period", "4ms", "--json"))
    assert (again["file"], again["context"], again["period_ms"]) == ("b.onnx", {"input": CONTEXT}, 4.0)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert "sr int64 () = 16000" in edge("info", "a.onnx")
    assert json.loads(edge("info", "a.onnx", "--json"))["adopted"]["constants"]["sr"]["value"] == 16000
    frames = random(6, SAMPLES, size=1.0)
    np.save("x.npy", frames)
    edge("run", "a.onnx", "--frames", "x.npy", "-o", "y.npy")
    np.testing.assert_array_equal(np.load("y.npy"), edgernn.open("a.onnx").run(frames))
    assert json.loads(edge("bench", "a.onnx", "--steps", "100", "--json"))[0]["p50_us"] > 0
    assert json.loads(edge("check", "a.onnx", "--seconds", "0.2", "--json", code=3))["verdict"] == "NO VERDICT"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--state", "h"], "--state h arrived; expected OUT=IN"),
        (["--constant", "sr=fast"], "--constant sr=fast arrived; expected a number"),
        (["--shape", "x=1xx"], "--shape x 1xx is not a shape"),
        (["--context", "-3"], "--context -3 is no whole number above 0"),
        (["--context", "x=3", "--context", "x=4"], "names an input twice"),
        (["--period", "soon"], "'soon' is not a time"),
    ],
)
def test_an_option_that_is_not_of_its_form_is_one_line(arguments, message, tmp_path):
    assert message in edge("adopt", tmp_path / "m.onnx", "-o", tmp_path / "a.onnx", *arguments, code=2)
