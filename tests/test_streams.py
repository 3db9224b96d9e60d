"""Many streams in slots: each answers as a stream of its own, whatever is stepped beside it."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import edgernn
from edgernn.device.runtimes import named, suffixes
from edgernn.errors import FrameError, StateError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import random_frames
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from zoo import GRAPHS, frames, keyword_spotter

CAPACITY = 7
KWS = keyword_spotter()


def static(graph, scheme="static_wi8_ai8"):
    return quantize(calibrate(graph, [frames(graph, 40)]), scheme)


MODELS = {
    "fp32": lambda: KWS,
    "dynamic": lambda: quantize(KWS),
    "static": lambda: static(KWS),
    "static 16": lambda: static(GRAPHS["stack"], "static_wi8_ai16"),
    "learned state": lambda: GRAPHS["Gru rest"],
    "symbols": lambda: GRAPHS["Embedding"],
    "several inputs": lambda: GRAPHS["Slice of inputs"],
    "several outputs": lambda: GRAPHS["Concat of outputs"],
    "over time": lambda: GRAPHS["Over time"],
    "frames": lambda: Graph((Layer("gru", GRAPHS["Gru"].layers[0].cell, frames=3),), 18, frames_per_step=3),
}
BATCHING = (".rnn", ".so", ".onnx")
ALONE = (
    ("dynamic", ".onnx"),
    ("over time", ".onnx"),
    *(("fp32", suffix) for suffix in suffixes() if suffix not in BATCHING),
)
"""Models and formats that step one stream at a time."""
TOGETHER = [(name, suffix) for name in MODELS for suffix in BATCHING if (name, suffix) not in ALONE]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder, programs = tmp_path_factory.mktemp("streams"), {}

    def program(name, suffix):
        if (name, suffix) not in programs:
            path, graph = folder / f"{name.replace(' ', '_')}{suffix}", MODELS[name]()
            edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
            programs[name, suffix] = edgernn.open(path)
        return programs[name, suffix]

    return program


@pytest.fixture(params=BATCHING)
def kws(request, opened):
    return opened("fp32", request.param)


def drawn(program, count, seed, *, raw=False):
    manifest = program.manifest
    if raw and "x" in manifest.quantization:
        return np.random.default_rng(seed).integers(-128, 128, (count, manifest.inputs)).astype(manifest.dtype("x"))
    return random_frames(manifest.inputs, manifest.vocabulary_size, count, seed)


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def near(program, a, b):
    """Whether answers or states are equal, as far as the runtime computes a row as it computes one stream."""
    apart, quantization = named(program.backend).streams, program.manifest.quantization
    if not apart:
        return same(a, b)
    a, b = (each if isinstance(each, dict) else {"y": each} for each in (a, b))
    whole = {name for name, each in b.items() if each.dtype.kind == "i"}
    step = {name: 1 if name in whole else each.scale for name, each in quantization.items()}
    a, b = ({name: each.astype(float) for name, each in values.items()} for values in (a, b))
    return all(np.abs(a[name] - b[name]).max() <= apart * (1 + np.abs(b[name]).max()) + step.get(name, 0) for name in b)


def part(answer, row):
    return {name: each[row] for name, each in answer.items()} if isinstance(answer, dict) else answer[row]


def machine(program, raw):
    """Random joins, departures, steps and moves of states; beside each slot steps a stream of its own."""

    class Slots(RuleBasedStateMachine):
        @initialize()
        def begin(self):
            self.streams, self.alone, self.seed = program.streams(CAPACITY, raw=raw), {}, 0

        @precondition(lambda self: len(self.alone) < CAPACITY)
        @rule(count=st.integers(1, 3))
        def join(self, count):
            for _ in range(min(count, CAPACITY - len(self.alone))):
                slot = self.streams.join()
                assert slot not in self.alone
                self.alone[slot] = program.stream(raw=raw)

        @precondition(lambda self: self.alone)
        @rule(draw=st.data())
        def leave(self, draw):
            slot = draw.draw(st.sampled_from(sorted(self.alone)))
            self.streams.leave(slot)
            del self.alone[slot]

        @precondition(lambda self: self.alone)
        @rule(draw=st.data())
        def step(self, draw):
            slots = draw.draw(st.lists(st.sampled_from(sorted(self.alone)), unique=True))
            xs = drawn(program, len(slots), self.seed, raw=raw)
            self.seed += 1
            answer = self.streams.step(xs, slots)
            for row, slot in enumerate(slots):
                assert near(program, part(answer, row), self.alone[slot].step(xs[row])), (slots, row)

        @precondition(lambda self: self.alone)
        @rule(draw=st.data())
        def reset(self, draw):
            slot = draw.draw(st.sampled_from(sorted(self.alone)))
            self.streams.reset(slot)
            self.alone[slot].reset()

        @precondition(lambda self: self.alone)
        @rule(draw=st.data())
        def move(self, draw):
            a, b = (draw.draw(st.sampled_from(sorted(self.alone))) for _ in range(2))
            self.streams.set_state(b, self.streams.get_state(a))
            self.alone[b].state = self.alone[a].state

        @invariant()
        def states(self):
            for slot, stream in getattr(self, "alone", {}).items():
                assert near(program, self.streams.get_state(slot), stream.state)

    return Slots


@pytest.mark.parametrize(("name", "suffix"), TOGETHER)
def test_each_stream_answers_as_if_it_were_alone(opened, name, suffix):
    program = opened(name, suffix)
    few = settings(max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    for raw in (False, True) if program.manifest.quantization else (False,):
        run_state_machine_as_test(machine(program, raw), settings=few)


@pytest.mark.parametrize("name", GRAPHS)
def test_numpy_steps_every_cell_of_many(name, tmp_path):
    edgernn.save(GRAPHS[name].astype("float32"), tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    streams, alone = program.streams(3), [program.stream() for _ in range(3)]
    slots = [streams.join() for _ in alone]
    for t in range(4):
        xs = drawn(program, 3, t)
        answer = streams.step(xs, slots)
        assert all(same(part(answer, row), stream.step(xs[row])) for row, stream in enumerate(alone))
    assert all(same(streams.get_state(slot), alone[slot].state) for slot in slots)


def test_inputs_arrive_by_name_or_in_order_and_frames_of_a_step_one_by_one(opened):
    program = opened("several inputs", ".rnn")
    mic, far = drawn(program, 4, 1)[:, :2].copy(), drawn(program, 4, 2)[:, :4].copy()
    answers = []
    for xs in (np.hstack([mic, far]), {"far": far, "mic": mic}, (mic, far)):
        streams = program.streams(4)
        answers.append(streams.step(xs, [streams.join() for _ in range(4)]))
    assert same(answers[0], answers[1])
    assert same(answers[0], answers[2])
    program = opened("frames", ".rnn")
    several = drawn(program, 3, 3).reshape(3, 3, 6)
    streams, alone = program.streams(3), program.stream()
    assert same(streams.step(several, [streams.join() for _ in range(3)])[0], alone.step(several[0]))


BAD = {"infinite": np.inf, "not a number": np.nan, "beyond the limit": 3e38}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_frame_refuses_the_whole_step_and_says_which_stream(kws, bad):
    streams = kws.streams(3)
    slots = [streams.join() for _ in range(3)]
    xs = drawn(kws, 3, 0)
    streams.step(xs, slots)
    before = [streams.get_state(slot) for slot in slots]
    xs[1, 4] = BAD[bad]
    with pytest.raises(FrameError, match=r"element 4 of the frame of slot 0 is .* no stream was stepped"):
        streams.step(xs, [2, 0, 1])
    assert all(same(streams.get_state(slot), state) for slot, state in zip(slots, before, strict=True))


@pytest.mark.parametrize("suffix", BATCHING)
def test_a_symbol_outside_the_table_is_refused(opened, suffix):
    streams = opened("symbols", suffix).streams(2)
    slots = [streams.join() for _ in range(2)]
    before = streams.get_state(0)
    for bad in (-1, 9):
        with pytest.raises(FrameError, match=rf"index {bad} arrived for slot 1; expected 0 to 8"):
            streams.step(np.array([[3], [bad]], np.int32), slots)
    assert same(streams.get_state(0), before)


@pytest.mark.parametrize("suffix", BATCHING)
@pytest.mark.parametrize("name", ["fp32", "static"])
@pytest.mark.parametrize("how", ["hold", "zero"])
def test_a_bad_frame_is_replaced_as_in_a_stream(opened, name, suffix, how):
    program = opened(name, suffix)
    streams, alone = program.streams(3, on_bad_input=how), [program.stream(on_bad_input=how) for _ in range(3)]
    slots = [streams.join() for _ in alone]
    for t in range(5):
        xs = drawn(program, 3, t)
        xs[t % 3, 0] = np.nan
        if t == 3:
            xs[:, 1] = np.inf
        answer = streams.step(xs, slots)
        assert all(near(program, part(answer, row), stream.step(xs[row])) for row, stream in enumerate(alone)), t


SLOTS = {
    "not joined": ([0, 5], r"slot 5 is not joined; joined are 0, 1: join"),
    "left": ([0, 2], "slot 2 is not joined"),
    "negative": ([0, -1], "slot -1 is not joined"),
    "beyond the capacity": ([0, 9], "slot 9 is not joined"),
    "twice": ([1, 1], "slot 1 comes twice"),
    "no number": (["a", 1], "expected the numbers of joined slots"),
    "a fraction": ([0.0, 1.0], "expected the numbers of joined slots"),
    "of two axes": (np.array([[0], [1]]), "expected the numbers of joined slots"),
    "of several lengths": ([[0], [0, 1]], "expected the numbers of joined slots"),
    "whether each is joined": (np.array([True, True]), "expected the numbers of joined slots"),
    "one number": (1, "expected the numbers of joined slots"),
    "nothing": (None, "expected the numbers of joined slots"),
    "a text": ("01", "expected the numbers of joined slots"),
    "too large": ([0, 2**70], "expected the numbers of joined slots"),
}


@pytest.mark.parametrize("what", SLOTS)
def test_slots_that_cannot_be_stepped_are_refused_and_nothing_changes(kws, what):
    streams, (slots, message) = kws.streams(6), SLOTS[what]
    for _ in range(3):
        streams.join()
    streams.leave(2)
    xs = drawn(kws, 2, 0)
    streams.step(xs, [0, 1])
    before = [streams.get_state(slot) for slot in (0, 1)]
    with pytest.raises(StateError, match=message):
        streams.step(xs, slots)
    assert all(same(streams.get_state(slot), state) for slot, state in zip((0, 1), before, strict=True))


def test_a_slot_that_left_is_refused_everywhere_and_joins_in_its_initial_state(kws):
    streams, xs = kws.streams(2), drawn(kws, 1, 0)
    slot, fresh = streams.join(), kws.stream().state
    streams.step(xs, [slot])
    assert not same(streams.get_state(slot), fresh)
    streams.leave(slot)
    assert (len(streams), streams.slots) == (0, ())
    for call in (streams.leave, streams.reset, streams.get_state, lambda s: streams.set_state(s, fresh)):
        with pytest.raises(StateError, match="slot 0 is not joined; joined are none"):
            call(slot)
    with pytest.raises(StateError, match="slot 0 is not joined"):
        streams.step(xs, [slot])
    for odd in (True, "0", None):
        with pytest.raises(StateError, match="expected the number that join"):
            streams.reset(odd)
    assert streams.join() == slot
    assert same(streams.get_state(slot), fresh)
    assert streams.slots == (slot,)


def test_more_streams_than_capacity_are_refused(kws):
    streams = kws.streams(2)
    assert [streams.join(), streams.join()] == [0, 1]
    with pytest.raises(StateError, match=r"all 2 slots of .* are joined"):
        streams.join()
    assert len(streams) == 2


@pytest.mark.parametrize("capacity", [0, -3, 1.5, True, "4", None])
def test_a_capacity_that_is_no_number_of_streams_is_refused(kws, capacity):
    with pytest.raises(UsageError, match="expected a whole number of streams, at least 1"):
        kws.streams(capacity)


FRAMES = {
    "a list": (lambda x: x.tolist(), "list; expected float32 of shape"),
    "float64": (lambda x: x.astype(float), r"float64 of shape \(2, 10\)"),
    "one frame": (lambda x: x[0], r"float32 of shape \(10,\)"),
    "too wide": (lambda x: np.hstack([x, x]), r"float32 of shape \(2, 20\)"),
    "too few": (lambda x: x[:1], "1 frames arrived for 2 slots"),
}


@pytest.mark.parametrize("what", FRAMES)
def test_frames_of_another_shape_are_refused(kws, what):
    make, message = FRAMES[what]
    streams = kws.streams(2)
    slots = [streams.join(), streams.join()]
    before = streams.get_state(0)
    with pytest.raises(FrameError, match=message):
        streams.step(make(drawn(kws, 2, 0)), slots)
    assert same(streams.get_state(0), before)


NAMED = {
    "one missing": ({"mic": 2}, "inputs mic arrived; expected arrays of mic, far"),
    "another width": ({"mic": 3, "far": 4}, r"input 'mic' is float32 of shape \(2, 3\)"),
    "too few in order": ((2,), "inputs arrived as 1 of them; expected arrays of mic, far"),
    "no arrays": (7, "inputs arrived as int"),
}


@pytest.mark.parametrize("what", NAMED)
def test_several_inputs_that_do_not_fit_are_refused(opened, what):
    widths, message = NAMED[what]
    streams = opened("several inputs", ".rnn").streams(2)
    slots = [streams.join(), streams.join()]
    inputs = widths
    if isinstance(widths, dict):
        inputs = {name: np.zeros((2, width), np.float32) for name, width in widths.items()}
    elif isinstance(widths, tuple):
        inputs = tuple(np.zeros((2, width), np.float32) for width in widths)
    with pytest.raises(FrameError, match=message):
        streams.step(inputs, slots)
    with pytest.raises(FrameError, match="expected one row for each stream in every input"):
        streams.step((np.zeros((2, 2), np.float32), np.zeros((1, 4), np.float32)), slots)


@pytest.mark.parametrize(("name", "suffix"), ALONE)
def test_a_runtime_that_steps_one_stream_at_a_time_says_so(opened, name, suffix):
    with pytest.raises(UnsupportedError, match=r"one stream at a time: .* program.stream\(\) for each"):
        opened(name, suffix).streams(4)


def test_a_state_of_another_model_is_refused(opened, kws):
    streams = kws.streams(1)
    slot = streams.join()
    before = streams.get_state(slot)
    with pytest.raises(StateError, match="it belongs to another model"):
        streams.set_state(slot, opened("learned state", ".rnn").stream().state)
    worse = {name: np.full_like(state, np.nan) for name, state in before.items()}
    with pytest.raises(StateError, match="give one that was saved before"):
        streams.set_state(slot, worse)
    assert same(streams.get_state(slot), before)


def test_options_that_do_not_exist_are_refused(kws):
    with pytest.raises(UsageError, match="on_bad_input='skip' does not exist"):
        kws.streams(2, on_bad_input="skip")
    with pytest.raises(UnsupportedError, match="raw=True, but"):
        kws.streams(2, raw=True)


def test_streams_are_not_copied(kws):
    streams = kws.streams(1)
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UnsupportedError, match="cannot be pickled or copied"):
            call(streams)


CALLS = {
    "step": lambda streams, xs: streams.step(xs, [0]),
    "join": lambda streams, xs: streams.join(),
    "leave": lambda streams, xs: streams.leave(0),
    "reset": lambda streams, xs: streams.reset(0),
    "get_state": lambda streams, xs: streams.get_state(0),
    "set_state": lambda streams, xs: streams.set_state(0, {}),
}


@pytest.mark.parametrize("call", CALLS)
def test_streams_in_use_are_refused_to_another_thread(kws, call):
    inside, done = threading.Event(), threading.Event()

    class Slow(np.ndarray):
        """Slots that another thread waits for."""

        def tobytes(self):
            inside.set()
            done.wait(20)
            return b""

    streams, xs = kws.streams(2), drawn(kws, 1, 0)
    streams.join()
    failures = []

    def run():
        try:
            streams.step(xs[:0], np.zeros(0, np.intp).view(Slow))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    inside.wait(20)
    try:
        with pytest.raises(StateError, match="being used by another thread"):
            CALLS[call](streams, xs)
    finally:
        done.set()
        thread.join()
    assert not failures
    assert streams.step(xs, [0]).shape == (1, kws.manifest.outputs)
