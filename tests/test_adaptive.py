"""Streams that go on with another program: at a frame boundary by hand, and by the misses of a budget on a virtual clock."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.budget.binomial import FAIL, PASS
from edgernn.errors import FrameError, StateError, UsageError
from edgernn.runtime.adaptive import BURST, AdaptiveStream, Levels
from edgernn_export import export
from zoo import GRAPHS, begin, frames, keyword_spotter

SUFFIXES = (".rnn", ".onnx", ".tflite", ".so")
BUDGET = edgernn.Budget(10_000.0, percentile=99.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The keyword spotter in float32 for each runtime, opened twice, and in integers: name -> program."""
    begin(6)
    folder, graph = tmp_path_factory.mktemp("swapped"), keyword_spotter()
    ranged = edgernn.calibrate(graph, [frames(graph, 200)])
    forms = {
        "fp32": graph,
        "dynamic": edgernn.quantize(graph, "dynamic_wi8_afp32"),
        "static": edgernn.quantize(ranged, "static_wi8_ai8"),
    }
    programs = {}
    for name, form in forms.items():
        for suffix in SUFFIXES if name == "fp32" else (".so",):
            path = folder / f"{name}{suffix}"
            edgernn.save(form, path) if suffix == ".rnn" else export(form, path)
            programs[f"{name}{suffix}"] = edgernn.open(path)
            programs[f"{name}{suffix} again"] = edgernn.open(path)
    return programs


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_however_a_stream_is_cut_its_bits_are_the_same(suffix, files, data, tmp_path_factory):
    programs = [files[f"fp32{suffix}"], files[f"fp32{suffix} again"]]
    xs, path = frames(keyword_spotter(), 24), tmp_path_factory.getbasetemp() / f"cut{suffix}.state"
    whole = programs[0].stream().run(xs)
    cuts = sorted(data.draw(st.sets(st.integers(0, 24), max_size=6)) | {0, 24})
    stream, answers = programs[0].stream(), []
    for start, stop in pairwise(cuts):
        way = data.draw(st.sampled_from(["run", "steps", "snapshot", "save", "swap", "swap back"]))
        if way == "snapshot":
            state = stream.state
            stream.run(xs[::-1])
            stream.state = state
        elif way == "save":
            stream.save(path)
            stream = programs[1].restore(path)
        elif way.startswith("swap"):
            for program in (programs[1], programs[0]) if way == "swap back" else (programs[1],):
                assert stream.swap(program)
                assert stream.program is program
        block = xs[start:stop]
        answers += [stream.step(x) for x in block] if way == "steps" else [*stream.run(block)]
    np.testing.assert_array_equal(np.array(answers), whole)


def test_a_swap_hands_the_state_to_another_precision_and_keeps_what_the_stream_was_asked_for(files):
    xs, bad = frames(keyword_spotter(), 20), np.full(10, np.inf, np.float32)
    monitor = edgernn.Monitor(BUDGET)
    stream = files["fp32.so"].stream(on_bad_input="hold", monitor=monitor, state_guard=4)
    stream.run(xs[:10])
    assert stream.swap(files["dynamic.so"])

    first, by_hand = files["fp32.so"].stream(), files["dynamic.so"].stream()
    first.run(xs[:10])
    by_hand.state = first.state
    np.testing.assert_array_equal(stream.step(bad), by_hand.step(xs[9]))  # the frame that was held before the swap
    np.testing.assert_array_equal(stream.run(xs[10:]), by_hand.run(xs[10:]))
    assert (stream.health.held, monitor.snapshot().steps) == (1, 21)
    assert stream.health.looks >= 4


def test_states_of_other_sizes_begin_at_rest(files, tmp_path):
    edgernn.save(keyword_spotter(hidden=12), tmp_path / "smaller.rnn")
    smaller, xs = edgernn.open(tmp_path / "smaller.rnn"), frames(keyword_spotter(), 12)
    stream = files["fp32.rnn"].stream()
    stream.run(xs)
    assert not stream.swap(smaller)
    np.testing.assert_array_equal(stream.run(xs), smaller.stream().run(xs))


def test_a_program_of_other_frames_is_refused_and_nothing_changes(files, tmp_path):
    xs, stream = frames(keyword_spotter(), 12), files["fp32.rnn"].stream()
    for k, (graph, field) in enumerate(
        [(keyword_spotter(inputs=9), "inputs"), (keyword_spotter(outputs=3), "outputs")]
    ):
        edgernn.save(graph, tmp_path / f"{k}.rnn")
        stream.run(xs[:5])
        state = stream.state
        with pytest.raises(StateError, match=rf"to go on with has {field} \d+; this stream has \d+"):
            stream.swap(edgernn.open(tmp_path / f"{k}.rnn"))
        np.testing.assert_array_equal(stream.state["gru.h"], state["gru.h"])
    raw = files["static.so"].stream(raw=True)
    with pytest.raises(StateError, match="to go on with has quantization"):
        raw.swap(files["fp32.so"])


def test_a_swap_within_a_step_is_refused(files):
    refused = []

    def hook(_):
        with pytest.raises(StateError, match="used by another thread, or by"):
            stream.swap(files["dynamic.so"])
        refused.append(True)

    stream = files["fp32.so"].stream(monitor=edgernn.Monitor(edgernn.Budget(1e-3), hook=hook))
    stream.step(frames(keyword_spotter(), 1)[0])
    assert refused


class Machine:
    """A virtual clock for one stream: a step takes the time of its program, times the load of the moment."""

    def __init__(self, costs, load):
        self.now, self.step, self.running, self.costs, self.load = 0, 0, False, costs, load
        self.times, self.programs = [], []

    def __call__(self):
        if self.running:
            taken = self.costs[self.stream.program.manifest.precision] * self.load(self.step) * 1000
            self.now += int(taken)
            self.times.append(taken / 1000)
            self.step += 1
        self.running = not self.running
        return self.now


def loaded(step):
    """Busy from frame 2,000 to 5,000 of 10,000: all takes 2.5 times as long."""
    return 2.5 if 2_000 <= step < 5_000 else 1.0


def test_under_load_a_stream_that_degrades_keeps_the_budget_that_the_fixed_model_misses_and_comes_back(files):
    costs = {"fp32": 6_000.0, "dynamic_wi8_afp32": 2_000.0}
    machine = Machine(costs, loaded)
    stream = machine.stream = AdaptiveStream([files["fp32.so"], files["dynamic.so"]], BUDGET, clock=machine)
    xs = frames(keyword_spotter(), 10_000)
    by_hand, present = files["fp32.so"].stream(), files["fp32.so"]
    for x in xs:
        if stream.program is not present:
            state, present = by_hand.state, stream.program
            by_hand = present.stream()
            by_hand.state = state
        np.testing.assert_array_equal(stream.step(x), by_hand.step(x))
    fixed = [costs["fp32"] * loaded(step) for step in range(10_000)]
    assert edgernn.evaluate(fixed, BUDGET).verdict == FAIL
    assert edgernn.evaluate(machine.times, BUDGET).verdict == PASS
    assert stream.program is files["fp32.so"]
    assert stream.switches >= 2
    back = max(step for step, time in enumerate(machine.times) if time == costs["dynamic_wi8_afp32"])
    assert back < 8_000, "it came back long after the load had ended"


@settings(max_examples=100, deadline=None)
@given(
    st.integers(2, 4),
    st.sampled_from([90.0, 99.0, 99.9]),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
def test_whatever_the_load_only_the_cheapest_program_may_miss_more_than_the_budget_allows(
    count, percentile, burst, seed, busy
):
    levels, random = Levels(count, edgernn.Budget(1.0, percentile=percentile), burst), np.random.default_rng(seed)
    late = [0] * count
    share = 1 - percentile / 100
    steps = 5_000
    for _ in range(steps):
        level = levels.level
        missed = bool(level < count - 1 and random.random() < busy)
        late[level] += missed
        taken = levels.count(missed=missed)
        assert abs(taken - level) <= 1
    # The first burst of each level is borne, and then one whole bucket for each time that earned it.
    assert sum(late[:-1]) <= (count - 1) * (burst + 1) + 2 * share * steps


def test_a_load_that_stays_is_tried_less_and_less_often():
    levels, waits = Levels(2, BUDGET), []
    for step in range(100 * 300):  # 300 steps earn three misses
        before = levels.level
        if levels.count(missed=before == 0) < before:
            waits.append(step - sum(waits))
    assert 5 <= len(waits) <= 8
    assert all(later > 1.8 * sooner for sooner, later in pairwise(waits[1:]))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"programs": ["fp32.so"]}, UsageError, "1 program arrived; expected at least two"),
        ({"budget": 10.0}, UsageError, "a float arrived; expected a Budget"),
        ({"burst": 0}, UsageError, "burst is 0; expected"),
        ({"on_bad_input": "ignore"}, UsageError, "on_bad_input='ignore' does not exist"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, match, files):
    names = arguments.pop("programs", ["fp32.so", "dynamic.so"])
    with pytest.raises(error, match=match):
        AdaptiveStream([files[name] for name in names], **{"budget": BUDGET, **arguments})


def test_programs_of_different_frames_are_refused_before_any_step(files, tmp_path):
    edgernn.save(GRAPHS["Gru"], tmp_path / "g.rnn")
    with pytest.raises(StateError, match="to go on with has inputs"):
        AdaptiveStream([files["fp32.so"], edgernn.open(tmp_path / "g.rnn")], BUDGET)


def test_a_refused_frame_is_not_counted(files):
    machine = Machine({"fp32": 1e9}, lambda _: 1.0)
    stream = machine.stream = AdaptiveStream([files["fp32.so"], files["dynamic.so"]], BUDGET, clock=machine)
    for _ in range(2 * BURST):
        with pytest.raises(FrameError):
            stream.step(np.full(10, np.nan, np.float32))
        machine.running = False
    assert stream.switches == 0
