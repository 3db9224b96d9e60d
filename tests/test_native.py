"""The shared library: the same step for this machine and for boards, and how it is refused where it cannot run."""

import re
import subprocess
import sys
from array import array
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.artifact import checksum
from edgernn.artifact.manifest import parse_manifest
from edgernn.cells import Conv1d, Dense, Gru, Standardize
from edgernn.device import board as boards, isa
from edgernn.errors import CompilerError, FileError, ParityError, UnsupportedError, UsageError
from edgernn.files import temporary
from edgernn.integer.plan import integer_plan
from edgernn.interpreters.numpy import SameOps, Stepper, random_frames
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, SCHEMES, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from edgernn_export import export
from edgernn_export.proof.floats import Bounds
from edgernn_export.targets.c import compiler, library
from edgernn_export.targets.c.selftest import STEPS, self_test
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.naming import named_trace
from edgernn_export.translate import render
from precompiled import CHECKED, Headers
from primed import check_prime
from ways import HERE, needs
from zoo import GRAPHS, frames, keyword_spotter

KWS = keyword_spotter()
BOARDS = [name for name in boards.names() if name != boards.THIS and ".so" in boards.load(name).formats]
ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40}
IN_NUMPYS_ORDER = {"softmax", "log", "rfft", "irfft"}  # what C computes in another order than numpy


def opened(graph, folder, **options):
    export(graph, folder / "m.so", **options)
    return edgernn.open(folder / "m.so")


@pytest.mark.parametrize("name", GRAPHS)
def test_each_float_step_is_within_two_millionths_of_numpy(name, tmp_path):
    graph = GRAPHS[name]
    reference, stream = Stepper(graph, "float32"), opened(graph, tmp_path).stream()
    states = reference.initial_state()
    for x in frames(graph, 64):
        stream.state = states
        y = flat_answer(stream.step(x))
        expected, states = reference.step(x, states)
        np.testing.assert_allclose(y, expected, atol=2e-6, rtol=2e-6)
        for key, state in stream.state.items():
            np.testing.assert_allclose(state, states[key], atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_int8_running_free_gives_the_bits_of_numpy(name, tmp_path):
    graph = quantize(GRAPHS[name])
    xs = frames(graph, 1000)
    expected, states = Stepper(graph, "float32").run(xs)
    stream = opened(graph, tmp_path).stream()
    actual = flat_answer(stream.run(xs))
    if IN_NUMPYS_ORDER & {op.name for op in graph.trace.operations} or graph.precision != DYNAMIC:
        np.testing.assert_allclose(actual, expected, atol=2e-3)
        assert np.mean(actual.argmax(-1) == expected.argmax(-1)) >= 0.999
        return
    np.testing.assert_array_equal(actual, expected)
    for key, state in stream.state.items():
        np.testing.assert_array_equal(state, states[key])


@pytest.mark.slow
def test_a_million_steps_drift_nowhere(tmp_path):
    """numpy steps eight streams at once; each compiled stream is one of them."""
    streams, steps = 8, 125_000
    program, reference = opened(KWS, tmp_path), Stepper(KWS, "float32")
    xs = np.random.default_rng(5).standard_normal((streams, steps, KWS.inputs)).astype(np.float32)
    expected, _ = reference.run(xs)
    for frames_of_one, answers in zip(xs, expected, strict=True):
        error = np.abs(program.stream().run(frames_of_one) - answers)
        assert error.max() < 5e-6
        assert error[-1000:].max() < 2 * error[:1000].max() + 1e-6


@pytest.mark.slow
def test_int8_gives_the_bits_of_numpy_for_a_hundred_thousand_steps(tmp_path):
    """numpy steps eight streams at once; each compiled stream is one of them."""
    graph = quantize(keyword_spotter(24, 10, 5))
    program, xs = opened(graph, tmp_path), frames(graph, 100_000).reshape(8, -1, graph.inputs)
    expected, _ = Stepper(graph, "float32").run(xs)
    for frames_of_one, answers in zip(xs, expected, strict=True):
        np.testing.assert_array_equal(program.stream().run(frames_of_one), answers)


@pytest.mark.parametrize("board", BOARDS)
def test_a_library_is_compiled_for_a_board(board, tmp_path):
    profile = boards.load(board)
    data = render_for(KWS, board)["m.so"]
    level = isa.LEVELS[profile.level]
    assert parse_manifest(data, "m.so").cpu == profile.level
    assert int.from_bytes(data[18:20], "little") == ELF_MACHINES[level.machine]
    (tmp_path / "m.so").write_bytes(data)
    if isa.missing(profile.level):
        with pytest.raises(UnsupportedError, match=rf"'.*m.so' was compiled for {profile.level}, and needs a "):
            edgernn.open(tmp_path / "m.so")
    else:
        xs = frames(KWS, 20)
        actual = edgernn.open(tmp_path / "m.so").stream().run(xs)
        np.testing.assert_allclose(actual, Stepper(KWS).run(xs)[0], atol=2e-6)


@pytest.mark.usefixtures("real_compiler")
def test_a_board_is_compiled_for_where_no_home_is_set(monkeypatch):
    """To the same bytes."""
    expected = render_for(KWS, "raspberrypi4")
    monkeypatch.delenv("HOME", raising=False)
    assert render_for(KWS, "raspberrypi4") == expected


def render_for(graph, board):
    return render(graph, "m.so", destination_of("m.so", device=board))


@pytest.mark.usefixtures("real_compiler")
def test_the_same_graph_and_compiler_give_the_same_bytes():
    assert render(KWS, "m.so") == render(KWS, "m.so")
    assert render(KWS, "m.so")["m.so"] != render(quantize(KWS), "m.so")["m.so"]


@needs("gcc")
@pytest.mark.usefixtures("real_compiler")
@pytest.mark.parametrize("level", [name for name in HERE if name.startswith("x86-64-v")])
@pytest.mark.parametrize("kind", [compiler.LIBRARY, compiler.OBJECT])
def test_what_tests_compile_with_a_precompiled_header_has_the_same_bytes(kind, level):
    sources = render(KWS, "m.c")
    plain = compiler.Compiler(("gcc",), isa.LEVELS[level].options)
    with temporary.directory() as folder:
        checked = Headers(folder).before(replace(plain, options=(*plain.options, *CHECKED)), kind)
        assert checked.options[-2] == "-include"
        actual = compiler._compiled(sources, checked, kind)
    assert actual == compiler._compiled(sources, plain, kind)


def test_without_a_system_compiler_zig_is_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ziglang" in compiler.for_this_machine(isa.LEVELS[isa.best()]).command
    xs = frames(KWS, 20)
    actual = opened(quantize(KWS), tmp_path).stream().run(xs)
    np.testing.assert_array_equal(actual, Stepper(quantize(KWS), "float32").run(xs)[0])


def test_no_compiler_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiler, "find_spec", lambda _: None)
    with pytest.raises(CompilerError, match=r"no C compiler .*pip install 'edgernn\[native\]'"):
        export(KWS, tmp_path / "m.so")
    with pytest.raises(CompilerError, match=r"compiling for 'raspberrypi4' needs .*pip install 'edgernn\[native\]'"):
        export(KWS, tmp_path / "m.so", device="raspberrypi4")
    monkeypatch.setenv("CC", "nobody")
    with pytest.raises(CompilerError, match=r"the compiler 'nobody' cannot be run: No such file"):
        export(KWS, tmp_path / "m.c")
    assert list(tmp_path.iterdir()) == []


def test_a_board_that_cannot_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"no board 'raspberypi4'; did you mean 'raspberrypi4'\?"):
        export(KWS, tmp_path / "m.so", device="raspberypi4")
    with pytest.raises(
        UnsupportedError, match=r"board 'raspberrypi4-32bit' has no wheel of onnxruntime; it can run .so"
    ):
        export(KWS, tmp_path / "m.onnx", device="raspberrypi4-32bit")
    with pytest.raises(
        UnsupportedError, match=r"board 'raspberrypi5' has no wheel of tflite-runtime; it has ai-edge-li"
    ):
        export(KWS, tmp_path / "m.tflite", device="raspberrypi5", runtime="tflite-runtime")
    (tmp_path / "odd.toml").write_text('title = "odd"\n')
    with pytest.raises(UnsupportedError, match=r"board 'odd' has no known target for a compiler; it can run \.c"):
        export(KWS, tmp_path / "m.so", device=tmp_path / "odd.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["odd.toml"]


def test_a_library_that_computes_something_else_here_is_refused(tmp_path, monkeypatch):
    """An answer of the self-test is altered before the code is compiled, as if the machine computed something else."""
    from edgernn_export.targets.c import target

    self_test, other = target.self_test, target.initializer(np.full(16, 0.25, np.float32))
    monkeypatch.setattr(target, "self_test", lambda *arguments: self_test(*arguments) | {"test_y": other})
    (first, *_), _ = Stepper(KWS, "float32").run(np.abs(random_frames(KWS.inputs, 0, STEPS, seed=1)))
    shown = f"{first[0]:.9g}"[:6]
    at = rf"at frame 0 y\[0\] is {shown}\d*, and 0.25 was expected: they are {abs(first[0] - 0.25):.2g}\d* apart"
    with pytest.raises(ParityError, match=rf"fails its own test on this machine: {at}, and may be \S+; export it"):
        export(KWS, tmp_path / "m.so")
    assert list(tmp_path.iterdir()) == []
    for file, data in library.render(KWS, "m", destination_of("m.so")).items():
        (tmp_path / file).write_bytes(data)
    done = subprocess.run([sys.executable, tmp_path / "m_stream.py"], capture_output=True, text=True, check=False)
    assert re.search(rf"frame 0, element 0: {shown}\d*, expected 0.25, at most \S+ apart", done.stderr)


def large(seed):
    """A step whose weights are as large as halves almost allow, of either sign."""
    random = np.random.default_rng(seed)

    def tensor(*shape):
        return Tensor((5.7e4 * random.choice([-1, 1], shape)).astype(np.float32))

    gru = Layer("gru", Gru(tensor(12, 3), tensor(12, 4), tensor(12), tensor(12)))
    return quantize(Graph((gru, Layer("out", Dense(tensor(2, 4)))), 3), "fp16")


@pytest.mark.parametrize("seed", range(16))
def test_large_weights_are_given_room_for_where_a_curve_ends(seed):
    """In compiled code tanh ends at 1 - 3e-7; two that cancel in numpy leave 5.7e4 times that."""
    graph, xs = large(seed), np.abs(random_frames(3, 0, STEPS, seed=1))
    reference, compiled = Stepper(graph, "float32"), Stepper(graph, "float32", SameOps())
    room = float(self_test(named_trace(graph, SCHEMES), integer_plan(graph))["test_error"].removesuffix("f"))
    assert np.abs(compiled.run(xs)[0] - reference.run(xs)[0]).max() <= room
    bounds, states = Bounds(graph, "native"), reference.initial_state()
    for x in xs:
        expected, after = reference.step(x, states)
        actual, _ = compiled.step(x, states)
        assert np.abs(actual - expected).max() <= bounds.of(x, states, {"y": expected, **after})["y"]
        states = after


@pytest.mark.parametrize("seed", [6, 7])
def test_a_library_of_large_weights_is_kept(seed, tmp_path):
    opened(large(seed), tmp_path)


def test_a_description_that_disagrees_is_refused(tmp_path):
    data = render(KWS, "m.so")["m.so"]
    blank = data.replace(checksum.verify(data, "m").encode(), checksum.BLANK.encode())
    other = blank.replace(b'"edgernn.inputs":10,', b'"edgernn.inputs":11,')
    assert other != blank
    (tmp_path / "m.so").write_bytes(checksum.fill(other))
    with pytest.raises(FileError, match=r"states and outputs of \(10, 16, 4\) values; it should have \(11, 16, 4\)"):
        edgernn.open(tmp_path / "m.so")


LOADED = """
import sys
assert "site-packages" not in "".join(sys.path)
from my_model_stream import Stream
stream = Stream()
frames = [[float(field) for field in line.split(",")] for line in sys.stdin]
whole = stream.run(frames)
stream.reset()
stream.prime()
half = [stream.step(frame) for frame in frames[:5]]
saved = stream.state
stream.step(frames[0])
stream.state = saved
stream.prime()
assert stream.state == saved
half += stream.run(frames[5:])
assert half == whole
for bad in ([float("nan")] * stream.inputs, [0.0]):
    try:
        stream.step(bad)
    except ValueError as error:
        print(error, file=sys.stderr)
    else:
        raise AssertionError(bad)
for answer in whole:
    print(*answer)
"""


def bare(folder, *arguments, text=""):
    """A Python without any package, in this folder."""
    return subprocess.run(
        [sys.executable, "-S", "-W", "error", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("scheme", [None, *SCHEMES])
def test_the_loader_needs_nothing_but_python(scheme, tmp_path):
    graph = KWS if scheme is None else quantize(calibrate(KWS, [frames(KWS, 48)], growing="accept"), scheme)
    export(graph, tmp_path / "my-model.so")
    xs = frames(graph, 12)
    lines = "\n".join(",".join(map(str, x.tolist())) for x in xs)
    expected = edgernn.open(tmp_path / "my-model.so").stream().run(xs)
    done = bare(tmp_path, "-c", LOADED, text=lines)
    assert done.returncode == 0, done.stderr
    assert "frame 0 must not enter the state (not finite, or beyond" in done.stderr
    assert "frame 0 has 1 numbers; expected 10" in done.stderr
    np.testing.assert_array_equal(np.loadtxt(done.stdout.splitlines()).astype(np.float32), expected)
    piped = bare(tmp_path, "my_model_stream.py", text=lines)
    np.testing.assert_array_equal(np.loadtxt(piped.stdout.splitlines(), delimiter=",").astype(np.float32), expected)


GIVEN_BACK = """
import sys
from m_stream import Stream
stream, limit = Stream(), float(sys.argv[1])
for sign in (1, -1, 1):
    stream.step([sign * limit] * stream.inputs)
saved = stream.state
assert max(map(abs, saved["conv.past"])) > limit
stream.state = saved
assert stream.state == saved
for far in (float("nan"), 1e33):
    try:
        stream.state = {"conv.past": [far] * len(saved["conv.past"])}
    except ValueError:
        continue
    raise AssertionError(far)
"""


def test_a_state_that_frames_at_the_limit_lead_to_is_taken_back(tmp_path):
    """What is carried may be larger than a frame: it is divided by a deviation below 1 first."""
    width = 6
    layers = (
        Layer("scaled", Standardize(Tensor(np.zeros(width, np.float32)), Tensor(np.full(width, 0.1, np.float32)))),
        Layer("conv", Conv1d(3, Tensor(np.ones((4, 3 * width), np.float32)))),
    )
    export(Graph(layers, width), tmp_path / "m.so")
    program = edgernn.open(tmp_path / "m.so")
    limit = program.manifest.limit
    done = bare(tmp_path, "-c", GIVEN_BACK, repr(limit))
    assert done.returncode == 0, done.stderr
    stream = program.stream()
    stream.run(np.full((3, width), limit, np.float32))
    saved = stream.state
    assert saved["conv.past"].max() > limit
    stream.state = saved
    np.testing.assert_array_equal(stream.state["conv.past"], saved["conv.past"])


def test_the_loader_takes_symbols_for_an_embedding(tmp_path):
    graph = GRAPHS["Embedding"]
    export(graph, tmp_path / "m.so")
    xs = frames(graph, 8)
    done = bare(tmp_path, "m_stream.py", text="\n".join(str(x[0]) for x in xs))
    expected = edgernn.open(tmp_path / "m.so").stream().run(xs)
    np.testing.assert_array_equal(np.loadtxt(done.stdout.splitlines(), delimiter=",").astype(np.float32), expected)
    refused = bare(tmp_path, "m_stream.py", text="9")
    assert refused.stderr.startswith("Error: line 1: frame 0 must not enter the state (an index outside the table)")


def test_the_loader_tells_the_line_that_is_wrong_and_no_traceback(tmp_path):
    export(KWS, tmp_path / "m.so")
    good = ",".join(map(str, frames(KWS, 1)[0].tolist()))
    for bad, meant in (
        ("a,b", "could not convert string to float: 'a'"),
        ("1,2", "frame 0 has 2 numbers; expected 10"),
    ):
        done = bare(tmp_path, "m_stream.py", text=f"{good}\n\n{bad}\n{good}\n")
        assert (done.returncode, done.stderr) == (1, f"Error: line 3: {meant}\n")
        assert len(done.stdout.splitlines()) == 1


def test_the_loader_refuses_another_library(tmp_path):
    export(KWS, tmp_path / "m.so")
    data = bytearray((tmp_path / "m.so").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "m.so").write_bytes(data)
    assert "is not the library that this file was written for" in bare(tmp_path, "m_stream.py").stderr
    (tmp_path / "m.so").unlink()
    message = bare(tmp_path, "m_stream.py").stderr
    assert message.startswith("Error: ")
    assert "No such file" in message


def test_the_loader_refuses_another_processor(tmp_path):
    export(KWS, tmp_path / "m.so", device="raspberrypi4")
    if isa.missing("aarch64"):
        assert "was compiled for aarch64; this is" in bare(tmp_path, "m_stream.py").stderr


def test_a_frame_may_be_any_buffer_of_the_right_kind(tmp_path):
    stream = opened(KWS, tmp_path).stream()
    x = frames(KWS, 1)[0]
    expected = stream.step(x)
    np.testing.assert_array_equal(stream.reset().step(array("f", x)), expected)


def test_libraries_written_one_after_another_are_each_their_own(tmp_path):
    """The system knows a library by its name; a descriptor's number that is used again must not bring the old one back."""
    for name in ("Rnn", "Dense", "Rnn relu"):
        export(GRAPHS[name], tmp_path / "m.so")
        edgernn.save(GRAPHS[name], tmp_path / "m.rnn")
        xs = frames(GRAPHS[name], 5)
        actual, expected = (edgernn.open(tmp_path / f"m.{suffix}").stream().run(xs) for suffix in ("so", "rnn"))
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_block_stops_at_the_frame_that_is_refused(tmp_path):
    export(KWS, tmp_path / "m.so")
    xs = frames(KWS, 6)
    xs[4, 0] = np.nan
    stream = edgernn.open(tmp_path / "m.so").stream()
    with pytest.raises(edgernn.EdgernnError, match="element 0 of the frame is nan"):
        stream.run(xs)
    clean = edgernn.open(tmp_path / "m.so").stream()
    clean.run(xs[:4])
    np.testing.assert_array_equal(stream.state["gru.h"], clean.state["gru.h"])
    zeroed = edgernn.open(tmp_path / "m.so").stream(on_bad_input="zero")
    np.testing.assert_array_equal(zeroed.run(xs)[:4], edgernn.open(tmp_path / "m.so").stream().run(xs[:4]))


def test_a_library_for_another_processor_is_refused_by_name(tmp_path, monkeypatch):
    export(KWS, tmp_path / "m.so")
    machine, flags = isa.here()
    monkeypatch.setattr(isa, "here", lambda: (machine, flags - {"fma"}))
    with pytest.raises(
        UnsupportedError, match=r"m.so' was compiled for x86-64-v\d.*needs a processor with fma; export it"
    ):
        edgernn.open(tmp_path / "m.so")
    monkeypatch.setattr(isa, "here", lambda: ("riscv64", frozenset()))
    with pytest.raises(UnsupportedError, match=r"needs a machine of kind x86_64; this is riscv64"):
        edgernn.open(tmp_path / "m.so")


def test_a_machine_without_a_level_compiles_for_its_own_kind(tmp_path, monkeypatch):
    """As on a RISC-V board: no options, portable C, and the library says which kind of machine it is for."""
    monkeypatch.setattr(isa, "here", lambda: ("riscv64", frozenset()))
    export(KWS, tmp_path / "m.c")
    xs = frames(KWS, 5)
    np.testing.assert_allclose(opened(KWS, tmp_path).stream().run(xs), Stepper(KWS).run(xs)[0], atol=2e-6)
    monkeypatch.undo()
    with pytest.raises(UnsupportedError, match="compiled for any-riscv64, and needs a machine of kind riscv64"):
        edgernn.open(tmp_path / "m.so")


def test_a_file_with_its_checksum_that_is_no_library_is_refused(tmp_path):
    data = render(KWS, "m.so")["m.so"]
    blank = data.replace(checksum.verify(data, "m").encode(), checksum.BLANK.encode())
    (tmp_path / "m.so").write_bytes(checksum.fill(b"\x7fELX" + blank[4:]))
    with pytest.raises(FileError, match="cannot be loaded here"):
        edgernn.open(tmp_path / "m.so")


@needs("gcc")
def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc -fno-such-option")
    with pytest.raises(CompilerError, match=r"(?s)failed with code 1:.*no-such-option"):
        export(KWS, tmp_path / "m.so")
    assert list(tmp_path.iterdir()) == []


LIBRARY = render(KWS, "m.so")["m.so"]


@settings(max_examples=50, deadline=None)
@given(at=st.integers(0, len(LIBRARY) - 1))
def test_any_altered_byte_of_a_library_is_found_before_it_is_loaded(at):
    altered = bytearray(LIBRARY)
    altered[at] ^= 0x10
    with pytest.raises(FileError):
        checksum.verify(bytes(altered), "m.so")


def test_where_python_lacks_what_a_function_needs_ctypes_calls_the_step(tmp_path, monkeypatch):
    """As in an interpreter that does not show its own symbols: the same answers, by the slower way."""
    from edgernn.runtime.backends import native

    xs = frames(KWS, 5)
    program = opened(KWS, tmp_path)
    expected, quick = program.stream().run(xs), program.stream()
    assert type(quick._run).__name__ == "builtin_function_or_method"
    monkeypatch.setattr(program.engine.library, "edgernn_in_python", lambda: 0)
    slow = program.stream()
    assert isinstance(slow._run, native.partial)
    check_prime(program, xs)
    for x, y in zip(xs, expected, strict=True):
        np.testing.assert_array_equal(slow.step(x), y)
        np.testing.assert_array_equal(quick.step(x), y)
    for stream in (slow, quick):
        with pytest.raises(edgernn.EdgernnError, match="is nan"):
            stream.step(np.full(10, np.nan, np.float32))


ENDINGS = {
    "a thread that still steps": """
begun, frames = threading.Event(), np.zeros((100_000, 10), np.float32)
def steps():
    while True:
        stream.run(frames)
        begun.set()
threading.Thread(target=steps, daemon=True).start()
begun.wait()
""",
    "a last frame when Python ends": "atexit.register(lambda: stream.step(np.zeros(10, np.float32)))",
    "a last frame when an object goes": """
class Closing:
    def __del__(self):
        stream.step(np.zeros(10, np.float32))
closing = Closing()
closing.again = closing
""",
    "a step that outlives its stream": """
step, y = stream._run, stream._y
del stream
gc.collect()
before = [bytes(1000) for _ in range(1000)]
assert step() is False
del step
gc.collect()
""",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_python_ends_in_peace(ending, tmp_path):
    export(KWS, tmp_path / "m.so")
    code = f"""
import atexit, gc, threading
import numpy as np, edgernn
stream = edgernn.open("m.so").stream()
stream.step(np.zeros(10, np.float32))
{ENDINGS[ending]}
"""
    surroundings = {"PATH": "/usr/bin", "PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "255"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_profile_cannot_pass_for_this_machine(tmp_path):
    (tmp_path / "this.toml").write_text('title = "a board"\n')
    with pytest.raises(UsageError, match="cannot be the profile of a board: 'this' is this machine"):
        export(KWS, tmp_path / "m.so", device=tmp_path / "this.toml")


@pytest.mark.parametrize("stem", ['a"b', "a\\b", "a\nb"])
def test_a_name_that_code_cannot_say_is_refused(stem, tmp_path):
    with pytest.raises(UsageError, match="cannot be the name of a file that generated code refers to"):
        export(KWS, tmp_path / f"{stem}.so")
    assert list(tmp_path.iterdir()) == []


def test_the_errors_of_a_long_message_are_shown(monkeypatch):
    with pytest.raises(CompilerError, match="unknown CPU: 'cortex_z9'"):
        compiler.shared_library("int f(void) { return 1; }", compiler.for_board("b", "aarch64-linux-gnu", "cortex_z9"))
