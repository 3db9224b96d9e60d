"""Sharing: a program is shared by threads and processes, a stream by none."""

import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

import edgernn
from edgernn import Budget, Monitor, Stage, Window
from edgernn.cells import RunningMean
from edgernn.device.runtimes import suffixes
from edgernn.errors import FrameError, StateError, UnsupportedError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn_export import export
from zoo import GRAPHS

# Every output for the same frame differs from all before, so that a lost or repeated step is visible.
COUNTS = Graph((Layer("mean", RunningMean(6, 3.0, 5000.0)),), 6)
X = np.arange(1, 7, dtype=np.float32)
BUDGET = Budget(period_us=1000, deadline_us=100)


@pytest.fixture(scope="module", params=suffixes())
def program(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / f"m{request.param}"
    edgernn.save(COUNTS, path) if request.param == ".rnn" else export(COUNTS, path)
    return edgernn.open(path, threads=2)


CALLS = {
    "step": lambda stream: stream.step(X),
    "run": lambda stream: stream.run(X[None]),
    "prime": lambda stream: stream.prime(),
    "reset": lambda stream: stream.reset(),
    "read the state": lambda stream: stream.state,
    "set the state": lambda stream: setattr(stream, "state", {}),
}


@pytest.mark.parametrize("use", CALLS)
@pytest.mark.parametrize("long", ["step", "run"])
def test_a_stream_in_use_is_refused_to_another_thread(program, use, long):
    inside, leave = threading.Event(), threading.Event()

    def clock():  # the monitor reads the clock in the middle of a step
        inside.set()
        assert leave.wait(60)
        return 0

    stream, alone = program.stream(monitor=Monitor(BUDGET, clock=clock)), program.stream()
    expected = [alone.step(X), alone.step(X)]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(CALLS[long], stream)
        try:
            assert inside.wait(60)
            with pytest.raises(StateError, match=r"is being used by another thread.* one thread at a time"):
                CALLS[use](stream)
        finally:
            leave.set()
        np.testing.assert_array_equal(answer.result().ravel(), expected[0])
    np.testing.assert_array_equal(stream.step(X), expected[1])
    np.testing.assert_array_equal(stream.state["mean.mean"], alone.state["mean.mean"])


def test_what_threads_are_given_of_one_stream_are_the_answers_of_one_thread(program):
    """For any order of the threads, the accepted steps are exactly those of one thread, each once."""
    stream, n = program.stream(), 100

    def steps(_):
        answers = []
        while len(answers) < n:  # a refused step is tried again: how often it is refused is up to the scheduler
            with suppress(StateError):
                answers.append(stream.step(X))
        return answers

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as pool:
            answers = [answer for each in pool.map(steps, range(3)) for answer in each]
    finally:
        sys.setswitchinterval(before)
    expected = program.stream().run(np.tile(X, (len(answers), 1)))
    assert len(np.unique(expected[:, 0])) == len(answers) == 3 * n
    np.testing.assert_array_equal(np.sort([answer[0] for answer in answers]), np.sort(expected[:, 0]))


def test_a_stream_is_free_again_after_whatever_went_wrong(program):
    def hook(_miss):
        raise KeyboardInterrupt

    ticks = iter(range(0, 10**9, 200_000))
    stream = program.stream(monitor=Monitor(BUDGET, hook, clock=lambda: next(ticks)))
    for wrong, error in (
        (lambda: stream.step(np.full(6, np.nan, np.float32)), FrameError),
        (lambda: stream.step(X[:3]), FrameError),
        (lambda: stream.step(X, out=X[:3]), FrameError),
        (lambda: stream.run(np.full((2, 6), np.inf, np.float32)), FrameError),
        (lambda: stream.run(np.zeros((2, 6))), FrameError),
        (lambda: stream.step(X), KeyboardInterrupt),
        (lambda: stream.run(X[None]), KeyboardInterrupt),
    ):
        with pytest.raises(error):
            wrong()
        assert stream.reset().state["mean.seen"] == 0


def test_a_hook_may_look_at_the_state_and_reset_it_and_may_not_step(program):
    seen = []

    def hook(_miss):
        seen.append(stream.state["mean.seen"][0])
        with pytest.raises(StateError, match="or by a hook"):
            stream.step(X)
        stream.reset()

    ticks = iter(range(0, 10**9, 200_000))
    stream = program.stream(monitor=Monitor(BUDGET, hook, clock=lambda: next(ticks)))
    np.testing.assert_array_equal(stream.step(X), program.stream().step(X))
    np.testing.assert_array_equal(stream.step(X), program.stream().step(X))
    assert seen == [1, 1]


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
def test_a_program_is_pickled_as_the_bytes_of_its_file(program, protocol):
    data = pickle.dumps(program, protocol)
    again = pickle.loads(data)
    assert (again, again.manifest, again.backend, again.size) == (
        program,
        program.manifest,
        program.backend,
        program.size,
    )
    assert not protocol or len(data) < program.size + 500  # protocol 0 has no bytes, and no limit
    np.testing.assert_array_equal(again.stream().step(X), program.stream().step(X))


def test_a_program_answers_the_same_in_another_process(program):
    code = """
import pickle, sys
program = pickle.load(sys.stdin.buffer)
import numpy
sys.stdout.buffer.write(program.stream().run(numpy.tile(numpy.arange(1, 7, dtype="f4"), (5, 1))).tobytes())
"""
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(program), capture_output=True, check=True)
    np.testing.assert_array_equal(
        np.frombuffer(done.stdout, np.float32).reshape(5, 6), program.stream().run(np.tile(X, (5, 1)))
    )


def test_a_program_of_windows_is_pickled_too(tmp_path):
    both = Window((Stage(GRAPHS["Gru"], GRAPHS["Gru"]),), pooled=True)
    export(both, tmp_path / "m.onnx")
    program = edgernn.open(tmp_path / "m.onnx")
    xs = np.ones((5, program.manifest.inputs), np.float32)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(program)).run(xs), program.run(xs))


def test_a_damaged_pickle_is_refused_as_the_file_would_be(tmp_path):
    edgernn.save(COUNTS, tmp_path / "m.rnn")
    data = pickle.dumps(edgernn.open(tmp_path / "m.rnn"))
    at = data.index(b"edgernn.format")
    with pytest.raises(edgernn.EdgernnError, match="altered"):
        pickle.loads(data[:at] + b"E" + data[at + 1 :])


def test_a_program_is_its_own_copy(program):
    assert copy.copy(program) is program
    assert copy.deepcopy([program])[0] is program


@pytest.mark.parametrize("use", [copy.copy, copy.deepcopy, lambda s: pickle.dumps(s, 0), pickle.dumps])
def test_a_stream_is_neither_pickled_nor_copied(program, use):
    with pytest.raises(
        UnsupportedError, match=r"a Stream of .*m\.\w+' cannot be pickled or copied.*stream.state = state"
    ):
        use(program.stream())


def test_what_is_advised_in_the_place_of_a_copy_does_it(program):
    stream = program.stream()
    stream.step(X)
    source, state = pickle.loads(pickle.dumps((stream.program, stream.state)))
    other = source.stream()
    other.state = state
    np.testing.assert_array_equal(other.step(X), stream.step(X))
