"""A stream carries its state, refuses what would poison it, and keeps to itself."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.cells import Rnn
from edgernn.device.runtimes import suffixes
from edgernn.errors import FrameError, StateError, UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.runtime.backends import onnxruntime as ort_backend, tflite as tflite_backend
from edgernn_export import export
from zoo import GRAPHS, frames, keyword_spotter, t

SUFFIXES = suffixes()
KWS = keyword_spotter()
XS = frames(KWS, 30)


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    opened = {}
    for name, graph in {
        "kws": KWS,
        "symbols": GRAPHS["Embedding"],
        "rest": GRAPHS["Gru rest"],
        "stack": GRAPHS["stack"],
    }.items():
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
            opened[name, suffix] = edgernn.open(path)
    return opened


@pytest.fixture(params=SUFFIXES)
def suffix(request):
    return request.param


@pytest.fixture
def program(programs, suffix):
    return programs["kws", suffix]


def test_a_saved_state_resumes_bit_for_bit(program):
    stream = program.stream()
    stream.run(XS[:10])
    saved = stream.state
    expected = stream.run(XS[10:])
    other = program.stream()
    other.run(XS[5:8])
    other.state = saved
    np.testing.assert_array_equal(other.run(XS[10:]), expected)


def test_reset_is_a_fresh_start(program):
    stream = program.stream()
    expected = stream.run(XS)
    np.testing.assert_array_equal(stream.reset().run(XS), expected)


def test_reset_restores_the_learned_rest(programs, suffix):
    graph = GRAPHS["Gru rest"]
    stream = programs["rest", suffix].stream()
    np.testing.assert_array_equal(stream.state["layer.h"], graph.initial_state["layer.h"].stored)
    stream.run(frames(graph, 3))
    np.testing.assert_array_equal(stream.reset().state["layer.h"], graph.initial_state["layer.h"].stored)


def test_the_state_is_a_copy(program):
    stream = program.stream()
    stream.step(XS[0])
    before = stream.state
    stream.state["gru.h"][:] = 9
    stream.step(XS[1])
    assert not np.array_equal(before["gru.h"], stream.state["gru.h"])
    stream.state = before
    before["gru.h"][:] = 9
    assert stream.state["gru.h"].max() < 9


def test_a_result_is_the_callers_own(program):
    stream = program.stream()
    first = stream.step(XS[0])
    copy = first.copy()
    stream.step(XS[1])
    np.testing.assert_array_equal(first, copy)
    out = np.empty(4, np.float32)
    assert stream.step(XS[2], out) is out
    assert (first.dtype, first.shape) == (np.float32, (4,))


def test_a_block_is_its_steps(program):
    one = program.stream()
    np.testing.assert_array_equal(program.stream().run(XS), [one.step(x) for x in XS])
    assert program.stream().run(XS[:0]).shape == (0, 4)


def test_streams_keep_to_themselves(program):
    alone = [program.stream().run(np.roll(XS, i, 0)) for i in range(3)]
    streams = [program.stream() for _ in range(3)]
    for t_ in range(len(XS)):
        for i, stream in enumerate(streams):
            np.testing.assert_array_equal(stream.step(np.roll(XS, i, 0)[t_]), alone[i][t_])


def test_streams_run_on_their_own_threads(program):
    expected = [program.stream().run(np.roll(XS, i, 0)) for i in range(4)]
    actual = [None] * 4

    def work(i):
        stream = program.stream()
        for _ in range(20):
            actual[i] = stream.reset().run(np.roll(XS, i, 0))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b)


BAD = {"nan": np.nan, "inf": np.inf, "minus inf": -np.inf}


@pytest.mark.parametrize("kind", BAD)
def test_a_frame_that_is_not_finite_is_refused_and_the_state_is_as_it_was(program, kind):
    stream = program.stream()
    stream.run(XS[:5])
    before = stream.state
    bad = XS[5].copy()
    bad[7] = BAD[kind]
    with pytest.raises(FrameError, match=r"element 7 of the frame is -?(nan|inf)"):
        stream.step(bad)
    np.testing.assert_array_equal(stream.state["gru.h"], before["gru.h"])
    clean = program.stream()
    clean.run(XS[:5])
    np.testing.assert_array_equal(stream.step(XS[6]), clean.step(XS[6]))


def test_a_bad_frame_can_be_held_or_zeroed(program):
    bad = XS[1].copy()
    bad[0] = np.nan
    for choice, instead in {"hold": XS[0], "zero": np.zeros_like(XS[0])}.items():
        stream, clean = program.stream(on_bad_input=choice), program.stream()
        np.testing.assert_array_equal(stream.step(XS[0]), clean.step(XS[0]))
        np.testing.assert_array_equal(stream.step(bad), clean.step(instead))
        np.testing.assert_array_equal(stream.step(bad), clean.step(instead))
        np.testing.assert_array_equal(stream.step(XS[2]), clean.step(XS[2]))


def test_holding_before_any_frame_takes_zeros(program):
    bad = np.full(10, np.nan, np.float32)
    stream, clean = program.stream(on_bad_input="hold"), program.stream()
    np.testing.assert_array_equal(stream.step(bad), clean.step(np.zeros(10, np.float32)))


@pytest.mark.parametrize("name", ["kws", "stack"])
def test_frames_up_to_the_limit_enter_and_what_they_leave_is_finite(programs, suffix, name):
    """Sums of them would overflow float32 beyond it, and LiteRT's sigmoid be NaN, which a state would keep for ever."""
    program = programs[name, suffix]
    limit, inputs = np.float32(program.manifest.limit), program.manifest.inputs
    stream, signs = program.stream(), np.random.default_rng(0).choice(np.float32([-1, 1]), (20, inputs))
    answers = stream.run(signs * limit)
    assert np.isfinite(answers).all()
    assert all(np.isfinite(state).all() for state in stream.state.values())
    saved, usual = stream.state, np.zeros((3, inputs), np.float32)
    expected = stream.run(usual)
    assert np.isfinite(expected).all()
    stream.state = saved  # whatever a limit leaves may be given back
    np.testing.assert_array_equal(stream.run(usual), expected)


@pytest.mark.parametrize("name", ["kws", "stack"])
def test_the_first_number_beyond_the_limit_is_refused_alike(programs, suffix, name):
    program = programs[name, suffix]
    beyond = np.nextafter(np.float32(program.manifest.limit), np.float32(np.inf))
    good, bad = np.zeros(program.manifest.inputs, np.float32), np.zeros(program.manifest.inputs, np.float32)
    bad[1] = -beyond
    stream = program.stream()
    stream.step(good)
    before = stream.state
    with pytest.raises(FrameError, match=r"element 1 of the frame is -\d.*, beyond the limit of \d.*'hold' or"):
        stream.step(bad)
    with pytest.raises(FrameError, match="beyond the limit"):
        stream.run(np.stack([bad, good]))
    for choice in ("hold", "zero"):
        other, clean = program.stream(on_bad_input=choice), program.stream()
        np.testing.assert_array_equal(other.step(bad), clean.step(good))
    for state, array in stream.state.items():
        np.testing.assert_array_equal(array, before[state])
    first = next(iter(before))
    with pytest.raises(StateError, match=rf"element 0 of state '{first}' is .*, beyond the limit of"):
        stream.state = {**before, first: np.full_like(before[first], 2.0**107)}


def test_opening_a_program_leaves_arithmetic_as_it_was(program):
    program.stream().step(XS[0])
    assert np.float32(1e-40) * np.float32(1) != 0  # no flush-to-zero is left behind


@settings(max_examples=300, deadline=None)
@given(values=st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=10, max_size=10))
def test_exactly_the_frames_beyond_the_limit_are_refused(programs, values):
    frame = np.array(values, np.float32)
    stream = programs["kws", ".tflite"].stream()
    if (np.abs(frame) <= programs["kws", ".tflite"].manifest.limit).all():
        stream.step(frame)
    else:
        with pytest.raises(FrameError):
            stream.step(frame)


@pytest.mark.parametrize("index", [-1, 9, 2**31 - 1, -(2**31)])
def test_an_index_outside_the_table_is_refused(programs, suffix, index):
    stream = programs["symbols", suffix].stream()
    stream.step(np.array([8], np.int32))
    before = stream.state
    with pytest.raises(FrameError, match=rf"index {index} arrived; expected 0 to 8"):
        stream.step(np.array([index], np.int32))
    np.testing.assert_array_equal(stream.state["gru.h"], before["gru.h"])
    zero, clean = programs["symbols", suffix].stream(on_bad_input="zero"), programs["symbols", suffix].stream()
    np.testing.assert_array_equal(zero.step(np.array([index], np.int32)), clean.step(np.array([0], np.int32)))


def test_a_state_may_be_given_in_any_order(programs, suffix):
    stream, other = programs["stack", suffix].stream(), programs["stack", suffix].stream()
    stream.run(frames(GRAPHS["stack"], 5))
    other.state = dict(reversed(stream.state.items()))
    for name, state in stream.state.items():
        np.testing.assert_array_equal(other.state[name], state)


WRONG_FRAMES = {
    "shape": (
        np.zeros(11, np.float32),
        r"float32 of shape \(11,\) arrived; expected an array of float32 of shape \(10,\)",
    ),
    "batch": (np.zeros((1, 10), np.float32), r"shape \(1, 10\)"),
    "double": (np.zeros(10), r"float64 of shape \(10,\) arrived.*np.asarray\(frame, np.float32\)"),
    "integers": (np.zeros(10, np.int32), r"int32"),
    "list": ([0.0] * 10, r"a frame of list arrived"),
    "none": (None, r"a frame of NoneType arrived"),
}


@pytest.mark.parametrize("name", WRONG_FRAMES)
def test_a_frame_of_the_wrong_kind_is_refused(program, name):
    frame, message = WRONG_FRAMES[name]
    with pytest.raises(FrameError, match=message):
        program.stream().step(frame)


WRONG_OUTS = {
    "shape": np.zeros(5, np.float32),
    "wider": np.zeros((2, 4), np.float32),
    "integers": np.zeros(4, np.int32),
    "list": [0.0] * 4,
    "read only": np.frombuffer(bytes(16), np.float32),
}


@pytest.mark.parametrize("name", WRONG_OUTS)
def test_a_wrong_place_for_the_result_is_refused_before_the_state_moves(program, name):
    stream = program.stream()
    stream.step(XS[0])
    before = stream.state
    with pytest.raises(FrameError, match=r"out= cannot take the result"):
        stream.step(XS[1], WRONG_OUTS[name])
    np.testing.assert_array_equal(stream.state["gru.h"], before["gru.h"])


def test_a_block_of_the_wrong_shape_is_refused(program):
    with pytest.raises(FrameError, match=r"a block of shape \(10,\) arrived; expected an array \(time, 10\)"):
        program.stream().run(XS[0])
    with pytest.raises(FrameError, match=r"shape \(4, 9\)"):
        program.stream().run(np.zeros((4, 9), np.float32))
    with pytest.raises(FrameError, match=r"shape \(0, 7\)"):
        program.stream().run(np.zeros((0, 7), np.float32))
    with pytest.raises(FrameError, match=r"of type list"):
        program.stream().run([XS[0]])
    with pytest.raises(FrameError, match=r"float64"):
        program.stream().run(XS.astype(float))


def test_frames_may_lie_anyhow_in_memory(program):
    expected = program.stream().run(XS)
    fortran = np.asfortranarray(XS)
    np.testing.assert_array_equal(program.stream().run(fortran), expected)
    read_only = XS.copy()
    read_only.setflags(write=False)
    np.testing.assert_array_equal(program.stream().run(read_only), expected)


def test_a_subclass_of_array_is_an_array(program):
    held = XS[0].view(np.recarray)
    np.testing.assert_array_equal(program.stream().step(held), program.stream().step(XS[0]))


WRONG_STATES = {
    "names": {"lstm.h": np.zeros(16, np.float32)},
    "widths": {"gru.h": np.zeros(15, np.float32)},
    "missing": {},
    "too many": {"gru.h": np.zeros(16, np.float32), "gru.c": np.zeros(16, np.float32)},
    "dtype": {"gru.h": np.zeros(16)},
    "not finite": {"gru.h": np.full(16, np.nan, np.float32)},
    "nothing": None,
    "a list": [1],
    "a list inside": {"gru.h": [0.0] * 16},
}


@pytest.mark.parametrize("name", WRONG_STATES)
def test_a_state_of_another_model_is_refused(program, name):
    stream = program.stream()
    stream.step(XS[0])
    before = stream.state
    with pytest.raises(
        StateError,
        match=r"belongs to another model|is float64; expected float32|and would stay in the carried state; give one|expected arrays by name",
    ):
        stream.state = WRONG_STATES[name]
    np.testing.assert_array_equal(stream.state["gru.h"], before["gru.h"])


def test_an_unknown_policy_is_refused(program):
    with pytest.raises(UsageError, match="on_bad_input='ignore' does not exist"):
        program.stream(on_bad_input="ignore")


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_a_wrong_number_of_threads_is_refused(tmp_path, threads):
    edgernn.save(KWS, tmp_path / "m.rnn")
    with pytest.raises(UsageError, match="expected a number of at least 1"):
        edgernn.open(tmp_path / "m.rnn", threads=threads)


def test_a_program_outlives_the_file_that_it_came_from(tmp_path):
    for suffix in SUFFIXES:
        path = tmp_path / f"m{suffix}"
        edgernn.save(KWS, path) if suffix == ".rnn" else export(KWS, path)
        program = edgernn.open(path)
        path.write_bytes(b"gone")
        assert program.stream().run(XS).shape == (30, 4)


def test_a_program_says_what_it_is(program, suffix):
    manifest = program.manifest
    assert (manifest.inputs, manifest.outputs, dict(manifest.states), manifest.precision) == (
        10,
        4,
        {"gru.h": 16},
        "fp32",
    )
    assert (manifest.labels, manifest.period_ms, manifest.vocabulary_size) == (KWS.labels, 10.0, 0)
    assert (
        program.backend.split()[0]
        in {".rnn": "numpy", ".onnx": "onnxruntime", ".so": "native", ".tflite": "ai-edge-litert"}[suffix]
    )


def test_names_of_any_language_survive(programs, suffix):
    assert programs["stack", suffix].manifest.labels == GRAPHS["stack"].labels


def test_an_unstable_model_runs_as_far_as_numbers_go(tmp_path):
    """A state may grow without bound; the guard is on what comes in."""
    graph = Graph((Layer("rnn", Rnn(t(4, 6), Tensor(2 * np.eye(4)), None, "relu")),), 6)
    edgernn.save(graph.astype("float32"), tmp_path / "m.rnn")
    stream = edgernn.open(tmp_path / "m.rnn").stream()
    answers = stream.run(np.ones((100, 6), np.float32))
    assert np.isfinite(answers).all()
    assert answers.max() > edgernn.open(tmp_path / "m.rnn").manifest.limit


def test_a_package_without_the_inner_call_is_called_by_its_own_method():
    calls = []
    ort_backend._call(SimpleNamespace(run_with_iobinding=calls.append), "a binding")()
    tflite_backend._call(SimpleNamespace(invoke=lambda: calls.append("invoked")))()
    assert calls == ["a binding", "invoked"]
