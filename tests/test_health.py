"""Health: what the guards promise of frames and states, and what they count."""

import math
import sys
import threading
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn import Budget, Health, StateGuard, StateReset
from edgernn.cells import Rnn
from edgernn.device.runtimes import suffixes
from edgernn.errors import FrameError, StateError, UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from zoo import GRAPHS, frames, keyword_spotter, t

SUFFIXES = suffixes()
KWS = keyword_spotter()
MEMORY = Graph((Layer("rnn", Rnn(t(4, 3), Tensor(0.95 * np.eye(4, dtype=np.float32)), None, "relu")),), 3)
FORMS = {
    "fp32": lambda: KWS,
    "static": lambda: quantize(calibrate(KWS, [frames(KWS, 48)]), "static_wi8_ai8"),
    "learned": lambda: GRAPHS["Gru rest"],
    "memory": lambda: MEMORY,
}
POLICIES = ("raise", "hold", "zero")
POISON = {
    "nan": math.nan,
    "inf": math.inf,
    "minus inf": -math.inf,
    "1e30": 1e30,
    "minus 1e30": -1e30,
    "denormal": -1e-40,
    "the least": 2.0**-149,
}
LARGEST_STATE, TINY = 2.0**106, 2.0**-126


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder, programs = tmp_path_factory.mktemp("health"), {}

    def program(form, suffix):
        if (form, suffix) not in programs:
            path, graph = folder / f"{form}{suffix}", FORMS[form]()
            edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
            programs[form, suffix] = edgernn.open(path)
        return programs[form, suffix]

    return program


def memory(stream):
    return {name: state.tobytes() for name, state in stream.state.items()}


def enters(x, limit):
    return all(math.isfinite(value) and abs(value) <= limit for value in x.tolist())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("form", "kind"),
    [*(("fp32", kind) for kind in POISON), *(("static", kind) for kind in ("nan", "1e30", "denormal"))],
)
def test_what_a_policy_promises_at_a_thousand_positions(form, suffix, policy, kind, opened):
    """Another stream gets by hand what should enter; both have the same bits after each frame."""
    program = opened(form, suffix)
    stream, clean, xs = program.stream(on_bad_input=policy), program.stream(), frames(KWS, 100)
    bad = 0
    for good in xs:
        for k in range(10):
            x = good.copy()
            x[k] = POISON[kind]
            before = x.tobytes()
            instead = {"raise": None, "hold": good, "zero": np.zeros_like(x)}[policy]
            assert stream.step(good).tobytes() == clean.step(good).tobytes()
            if enters(x, program.manifest.limit):
                assert stream.step(x).tobytes() == clean.step(x).tobytes()
                assert stream._x.tobytes() == before  # what the backend reads
            elif instead is None:
                bad += 1
                with pytest.raises(FrameError):
                    stream.step(x)
            else:
                bad += 1
                assert stream.step(x).tobytes() == clean.step(instead).tobytes()
            assert x.tobytes() == before
            assert memory(stream) == memory(clean)
    assert bad == (0 if "e-" in str(POISON[kind]) or (form == "static" and "1e30" in kind) else 1000)
    assert stream.health == Health(**{{"raise": "refused", "hold": "held", "zero": "zeroed"}[policy]: bad})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_finite_frames_enter_whole_under_every_policy_and_guard(suffix, opened):
    program, xs = opened("fp32", suffix), frames(KWS, 40)
    xs[::3] *= np.float32(1e-30)
    xs[1::3, 0], xs[2::3, 1] = -0.0, np.float32(program.manifest.limit)
    expected = program.stream().run(xs)
    for policy in POLICIES:
        stream = program.stream(on_bad_input=policy, state_guard=3)
        assert [stream.step(x).tobytes() for x in xs] == [y.tobytes() for y in expected]
        assert stream.health == Health(looks=13, flushed=stream.health.flushed)


def rest(program):
    manifest = program.manifest
    return {
        name: np.array(manifest.initial_state.get(name, (0.0,) * width), np.float32)
        for name, width in manifest.states.items()
    }


class Guarded:
    """The law by hand: a stream without a guard, whose states Python looks at after every so many steps."""

    def __init__(self, program, every, policy):
        self.stream, self.every, self.policy = program.stream(), every, policy
        self.rest, self.limit, self.left = rest(program), program.manifest.limit, every
        self.good = np.zeros(program.manifest.inputs, np.float32)
        self.health = Health()

    def step(self, x, *, counts=True):
        if enters(x, self.limit):
            self.good = x
        elif self.policy == "raise":
            self.health |= Health(refused=1)
            return
        else:
            self.health |= Health(held=1) if self.policy == "hold" else Health(zeroed=1)
            x = self.good if self.policy == "hold" else np.zeros_like(x)
        self.stream.step(x)
        self.left -= counts
        if not self.left:
            self.left = self.every
            self.look()

    def look(self):
        self.health |= Health(looks=1)
        states = self.stream.state
        values = [value for state in states.values() for value in state.tolist()]
        if not all(abs(value) <= LARGEST_STATE for value in values):
            self.health |= Health(resets=1)
            self.stream._bound.set_states(tuple(self.rest.values()))
            return
        small = [value for value in values if value and abs(value) < TINY]
        if small:
            self.health |= Health(flushed=len(small))
            for state in states.values():
                state[:] = [0.0 if 0 < abs(value) < TINY else value for value in state.tolist()]
            self.stream._bound.set_states(tuple(states.values()))


VALUES = (math.nan, math.inf, -math.inf, 1e35, 2.0**106, -(2.0**107), 1e-40, -(2.0**-149), 2.0**-126, 0.5)
CALLS = st.lists(
    st.tuples(st.sampled_from(["step", "bad", "run", "break", "prime"]), st.integers(0, 7), st.sampled_from(VALUES)),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(
    suffix=st.sampled_from(SUFFIXES),
    form=st.sampled_from(["fp32", "learned", "memory"]),
    policy=st.sampled_from(POLICIES),
    every=st.integers(1, 5),
    monitored=st.booleans(),
    calls=CALLS,
)
def test_a_state_guard_does_what_python_does_by_hand(opened, suffix, form, policy, every, monitored, calls):
    """Whatever is stepped and however states are broken, in any order."""
    program = opened(form, suffix)
    monitor = Budget(10_000) if monitored else None
    stream = program.stream(on_bad_input=policy, state_guard=every, monitor=monitor)
    hand, xs, steps = Guarded(program, every, policy), frames(program.manifest, 8), 0
    with np.errstate(all="ignore"):
        for call, k, value in calls:
            if call in ("step", "bad"):
                x = xs[k].copy()
                x[-1] = math.nan if call == "bad" else x[-1]
                steps += call == "step" or policy != "raise"
                try:
                    stream.step(x)
                except FrameError:
                    assert (call, policy) == ("bad", "raise")
                hand.step(x)
            elif call == "run":
                stream.run(xs[:k])
                steps += k
                whole = suffix == ".so" and policy != "hold" and not monitored
                for x in xs[:k]:
                    hand.step(x, counts=not whole)  # a block in one call is looked at when it ends
                hand.look()
            elif call == "break":
                broken = {name: state.copy() for name, state in stream.state.items()}
                next(iter(broken.values()))[k % 4] = value
                for each in (stream, hand.stream):
                    each._bound.set_states(tuple(broken.values()))
            else:
                stream.prime()
            assert memory(stream) == memory(hand.stream)
            assert stream.health == hand.health
    if monitored:
        assert stream.monitor.snapshot().steps == steps


@pytest.mark.parametrize("value", [*VALUES, 2.0**106 * (1 + 2.0**-23), 0.0, -0.0, -(2.0**106), 2.0**126])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exactly_the_values_that_cannot_be_reset_the_states(suffix, value, opened):
    """An empty block is a look and nothing else."""
    program = opened("memory", suffix)
    stream = program.stream(state_guard=10)
    state = np.float32([0.25, value, -0.0, 4])
    stream._bound.set_states((state,))
    stream.run(np.zeros((0, 3), np.float32))
    good, small = abs(value) <= LARGEST_STATE, 0 < abs(value) < TINY
    assert stream.health == Health(looks=1, resets=not good, flushed=small)
    expected = np.float32([0.25, 0, -0.0, 4]) if small else state
    assert stream.state["rnn.h"].tobytes() == (expected if good else np.zeros(4, np.float32)).tobytes()


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("policy", ["hold", "zero"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bad_frame_beside_a_look_is_mended(suffix, policy, every, opened):
    """A look falls on the step of a good frame, and on that of one in the place of a bad one."""
    program, xs = opened("fp32", suffix), frames(KWS, 24)
    xs[1::2, 3] = math.nan
    xs[[6, 12, 18]] = math.inf
    stream, hand = program.stream(on_bad_input=policy, state_guard=every), Guarded(program, every, policy)
    for x in xs:
        stream.step(x)
        hand.step(x)
        assert memory(stream) == memory(hand.stream)
        assert stream.health == hand.health


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_saturated_integers_are_those_at_the_ends(suffix, raw, opened):
    program = opened("static", suffix)
    stream, other = program.stream(raw=raw, state_guard=1), program.stream(raw=True)
    xs = np.random.default_rng(0).integers(-128, 128, (40, 10)).astype(np.int8)
    count = 0
    for x in xs:
        stream.step(x if raw else program.manifest.quantization["x"].numbers(x.astype(np.int64)))
        y = other.step(x)
        count += sum(q in (-128, 127) for each in (y, *other.state.values()) for q in each.tolist())
    assert stream.health == Health(looks=40, saturated=count)
    assert count > 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_memory_that_decays_ends_at_zero_under_a_guard(suffix, opened):
    program = opened("memory", suffix)
    stream, plain, silence = program.stream(state_guard=100), program.stream(), np.zeros(3, np.float32)
    for each in (stream, plain):
        each.step(np.ones(3, np.float32))
        for _ in range(2500):
            each.step(silence)
    assert not any(stream.state["rnn.h"])
    left = plain.state["rnn.h"]
    if suffix in (".rnn", ".onnx"):  # 0.95 of the 10th multiple of the least number rounds to the 10th
        assert 0 < left.max() < TINY
        assert stream.health.flushed
    elif suffix == ".so":
        assert not left.any()
        assert not stream.health.flushed


def broken(stream, value=math.nan):
    states = stream._bound.get_states()
    stream._bound.set_states(tuple(np.full_like(state, value) for state in states))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_hook_hears_of_a_reset_and_may_restore_a_state(suffix, opened):
    program, x = opened("learned", suffix), frames(GRAPHS["Gru rest"], 1)[0]
    resets = []

    def hook(reset):
        resets.append(reset)
        assert memory(stream) == {name: state.tobytes() for name, state in rest(program).items()}
        with pytest.raises(StateError, match="or by a hook"):
            stream.step(x)
        stream.state = saved

    stream = program.stream(state_guard=StateGuard(2, hook))
    stream.step(x)
    saved = stream.state
    broken(stream, 1e36)
    stream.step(x)
    assert stream.health == Health(looks=1, resets=1)
    ((state, element, value),) = ((each.state, each.element, each.value) for each in resets)
    assert (state, element) == ("layer.h", 0)
    assert not abs(value) <= LARGEST_STATE
    for name, array in stream.state.items():
        np.testing.assert_array_equal(array, saved[name])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_exception_of_a_hook_leaves_a_stream_at_rest(suffix, opened):
    class StoppedError(Exception):
        pass

    def stop(_reset):
        raise StoppedError

    program, xs = opened("fp32", suffix), frames(KWS, 3)
    stream = program.stream(state_guard=StateGuard(1, stop), on_bad_input="hold")
    stream.step(xs[0])
    broken(stream)
    with np.errstate(all="ignore"), pytest.raises(StoppedError):
        stream.step(xs[1])
    assert stream.health == Health(looks=2, resets=1)
    assert stream.step(xs[2]).tobytes() == program.stream().step(xs[2]).tobytes()


@pytest.mark.parametrize("suffix", [".rnn", ".so", ".onnx"])
@pytest.mark.parametrize("form", ["fp32", "static"])
def test_slots_have_the_same_guards(suffix, form, opened):
    program, xs = opened(form, suffix), frames(KWS, 4)
    resets = []
    streams = program.streams(4, on_bad_input="zero", state_guard=StateGuard(2, resets.append))
    slots = [streams.join() for _ in range(3)]
    bad = xs[:3].copy()
    bad[[0, 2], 5] = math.inf
    streams.step(bad, slots)
    assert streams.health == Health(zeroed=2)
    if form == "fp32":
        streams._bound.set_states(1, (np.full(16, math.nan, np.float32),))
    with np.errstate(all="ignore"):
        streams.step(xs[:2], slots[:2])
    assert streams.health == Health(zeroed=2, looks=3, resets=form == "fp32", saturated=streams.health.saturated)
    if form == "fp32":
        assert [(each.state, each.element, each.slot) for each in resets] == [("gru.h", 0, 1)]
        assert not streams.get_state(1)["gru.h"].any()
    plain = program.streams(1)
    with pytest.raises(FrameError):
        plain.step(bad[:1], [plain.join()])
    assert plain.health == Health(refused=1)


@pytest.mark.parametrize("guard", [0, -1, 1.5, "often", True, 2**32])
def test_a_guard_that_cannot_be_is_refused(guard, opened):
    with pytest.raises(UsageError, match=r"a state guard every .* steps arrived; expected 1 to 4294967295"):
        opened("fp32", ".rnn").stream(state_guard=guard)
    with pytest.raises(UsageError):
        opened("fp32", ".rnn").streams(2, state_guard=guard)


COUNTS = st.builds(Health, *[st.integers(0, 10**9)] * 7)


@given(a=COUNTS, b=COUNTS, c=COUNTS)
def test_counts_merge_in_any_order(a, b, c):
    assert (a | b) | c == a | (b | c) == (c | a) | b
    assert (a | Health(), (a | b).held) == (a, a.held + b.held)
    assert StateReset("gru.h", 0, math.inf).slot is None


def answered(stream, xs, steps):
    """The checksum of all answers, frame by frame."""
    total = 0
    for k in range(steps):
        total = crc32(stream.step(xs[k % len(xs)]).tobytes(), total)
    return total, memory(stream), stream.health


def check_threads(program, steps, count=8):
    """As many threads, each with a stream of its own, compute what one thread computes."""
    xs = [np.roll(frames(KWS, 97), i, 0) for i in range(count)]
    expected = [answered(program.stream(state_guard=50), each, steps) for each in xs]
    actual, start = [None] * count, threading.Barrier(count)

    def work(i):
        stream = program.stream(state_guard=50)
        start.wait()
        actual[i] = answered(stream, xs[i], steps)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert actual == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", ["fp32", "static"])
def test_threads_compute_what_one_thread_computes(form, suffix, opened):
    check_threads(opened(form, suffix), 300)
