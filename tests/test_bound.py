"""The bound step of numpy is the definition, bit for bit, for every cell, precision and random program."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_trace import PROGRAMS, Formula, interpret

from edgernn.cells import Activation, Conv1d, Dense
from edgernn.device import isa
from edgernn.integer.fixedpoint import exact_float
from edgernn.interpreters.bound.memory import planned
from edgernn.interpreters.bound.operations import FloatCalls, SameCalls
from edgernn.interpreters.bound.recorded import Recorded
from edgernn.interpreters.bound.recorder import NumpyRecorder
from edgernn.interpreters.bound.siblings import scheduled
from edgernn.interpreters.bound.step import BoundStep, _squashed, record
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import NumpyOps, SameOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.positions import entries
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.backends.numpy import NumpyEngine
from edgernn_export.targets.c.compiler import for_this_machine, shared_library
from zoo import GRAPHS, frames, keyword_spotter, one, t

STEPS = 8
SCHEMES = ("fp32", "fp16", FOUR_BITS, DYNAMIC, *STATIC)
KWS = keyword_spotter()
SIGNALLING_NAN = 0x7FA00001


def quantized(graph, scheme):
    if scheme == "fp32":
        return graph.astype("float32")
    if scheme in STATIC:
        graph = calibrate(graph, [frames(graph, 32)], growing="accept")
    return quantize(graph, scheme).astype("float32")


def definition(graph):
    """A step as it is defined, from the frame and the states of an artifact to the answer and the states."""
    static = any(layer.scheme for layer in graph.layers)
    stepper = IntegerStepper(graph) if static else Stepper(graph, "float32")
    defined = stepper.step_integers if static else stepper.step

    def step(x, states):
        wide = {
            name: each.astype(np.int64) if static and each.dtype.kind == "i" else each for name, each in states.items()
        }
        y, after = defined(x.astype(np.int64) if x.dtype.kind == "i" else x, wide)
        return [y, *after.values()]

    return step


def follow(graph, xs):
    """Step the bound step and its definition from the same states, and compare all their bytes."""
    engine, step = NumpyEngine(graph), definition(graph)
    bound, names = engine.bind(), list(engine.manifest.states)
    initial = Stepper(graph, "float32").initial_state()
    params = engine.manifest.quantization
    bound.set_states(tuple(params[n].integers(s) if n in params else s for n, s in initial.items()))
    for x in xs:
        bound.x[...] = params["x"].integers(x) if "x" in params else x
        before = {n: s.copy() for n, s in zip(names, bound.get_states(), strict=True)}
        expected = step(bound.x.copy(), before)
        bound.step()
        for actual, each in zip((bound.y, *bound.get_states()), expected, strict=True):
            assert actual.tobytes() == each.astype(actual.dtype).tobytes()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", GRAPHS)
def test_a_step_has_the_bits_of_the_definition(name, scheme):
    follow(quantized(GRAPHS[name], scheme), frames(GRAPHS[name], STEPS))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_so_it_has_where_vectors_are_long(scheme):
    follow(quantized(keyword_spotter(96, 40, 12), scheme), frames(keyword_spotter(96, 40, 12), STEPS))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=60)
@given(program=PROGRAMS, ops=st.sampled_from([(FloatCalls("float32"), NumpyOps("float32")), (SameCalls(), SameOps())]))
def test_any_program_has_the_bits_of_the_definition(program, ops):
    graph = Graph((Layer("l", Formula(lambda ops, x: interpret(program, ops, x))),), 4)
    bound = BoundStep(record(graph.trace, ops[0], *np.zeros((2, 4), np.float32), {}))
    for x in (*frames(graph, 2), np.array([0.0, -0.0, 1e38, 1e-39], np.float32)):
        bound.x[...] = x
        bound.step()
        assert bound.y.tobytes() == Stepper(graph, "float32", ops[1]).step(x, {})[0].tobytes()


ODD = np.array([0.0, -0.0, 1e-38, -1e-42, 3e38, -3e38, np.inf, -np.inf, np.nan, 1e-31, 1.0, -65504.0], np.float32)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["Gru", "Lstm", "LayerNorm", "Activation log", "Activation exp", "Quotient", "stack"])
def test_numbers_that_a_guard_would_refuse_are_computed_as_defined(name, scheme):
    random = np.random.default_rng(0)
    follow(quantized(GRAPHS[name], scheme), random.choice(ODD, (STEPS, 6)))


def test_an_interrupted_step_leaves_the_state(monkeypatch):
    bound = NumpyEngine(quantized(GRAPHS["Lstm"], "fp32")).bind()
    bound.x[...] = 1
    bound.step()
    before = [state.copy() for state in bound.get_states()]

    def interrupt():
        raise KeyboardInterrupt

    step = bound.step.__self__
    calls = step._calls
    monkeypatch.setattr(step, "_calls", tuple((*each[:-1], interrupt) for each in calls))
    with pytest.raises(KeyboardInterrupt):
        bound.step()
    for state, expected in zip(bound.get_states(), before, strict=True):
        np.testing.assert_array_equal(state, expected)


def test_streams_share_weights_and_nothing_else():
    engine = NumpyEngine(quantized(KWS, "fp32"))
    one_stream, other = engine.bind(), engine.bind()
    assert engine._recording is engine._recording
    one_stream.x[...] = 1
    one_stream.step()
    assert not any(state.any() for state in other.get_states())
    assert not other.y.any()


def test_a_step_calls_what_a_person_would_write():
    """Two products, two biases, three calls of sums and products for r and z at once, ...: 17 for a GRU with a head."""
    (calls, _) = NumpyEngine(quantized(KWS, "fp32")).bind().step.__self__._calls
    assert [call.func.__name__ for call in calls].count("tanh") == 2
    assert len(calls) == 17


def test_siblings_are_computed_together():
    together = [
        tuple(op.name for op in siblings) for siblings, _ in scheduled(GRAPHS["Lstm"].trace.operations, lambda _: True)
    ]
    assert ("sigmoid", "sigmoid", "tanh", "sigmoid") in together
    apart = [siblings for siblings, _ in scheduled(GRAPHS["Lstm"].trace.operations, lambda _: False)]
    assert {len(siblings) for siblings in apart} == {1}


def test_only_what_reads_neighbours_everywhere_is_computed_together():
    def crossed(ops, x):
        (a, b), (c, d) = ops.split(ops.tanh(x), 2), ops.split(ops.relu(x), 2)
        return ops.concat(a + d, b + c)

    graph = Graph((Layer("l", Formula(crossed)),), 4)
    assert all(len(siblings) == 1 for siblings, _ in scheduled(graph.trace.operations, lambda _: True))


def test_a_negative_zero_beside_a_sigmoid_keeps_its_sign():
    zeros = np.full(2, -0.0, np.float32)
    result = _squashed(np.tanh, zeros, [("sigmoid", 1), ("tanh", 1)])
    assert (result.tolist(), np.signbit(result).tolist()) == ([0.5, 0.0], [False, True])


def test_errors_that_the_definition_ignores_are_ignored():
    """A warning would fail this test."""
    bound = NumpyEngine(one(Activation("log")).astype("float32")).bind()
    bound.step()
    assert np.isneginf(bound.y).all()


# Memory


@pytest.fixture(scope="module")
def leave(tmp_path_factory):
    """A function of C that leaves a number on the stack and in the registers of vectors."""
    source = (Path(__file__).parent / "leave_numbers.c").read_text()
    path = tmp_path_factory.mktemp("leave") / "leave.so"
    path.write_bytes(shared_library(source, for_this_machine(isa.level(isa.best()))))
    return ctypes.CDLL(path).leave


@pytest.mark.parametrize("inputs", [4, 5, 6, 10])
def test_numbers_that_other_code_left_behind_raise_no_warning(inputs, leave):
    """A signalling NaN in a register is part of no product: with five inputs OpenBLAS computes on it all the same."""
    graph = one(Dense(t(7, inputs), t(7)), inputs).astype("float32")
    bound, stepper, x = NumpyEngine(graph).bind(), Stepper(graph, "float32"), np.ones(inputs, np.float32)
    bound.x[...] = x
    for step in (bound.step, lambda: stepper.step(x, {})):
        leave(SIGNALLING_NAN)
        step()
    assert np.isfinite(bound.y).all()


def test_values_that_are_not_in_use_at_once_share_memory():
    tape = NumpyRecorder()
    x, y = np.zeros(64, np.float32), np.zeros(64, np.float32)
    value = Recorded(x, tape)
    for _ in range(20):
        value = np.tanh(value) * value
    tape.copy(y, value.array)
    plan = planned(tape.calls, (x, y))
    assert len(tape.calls) == 41
    assert plan.arena <= 3 * y.nbytes


def test_what_is_copied_is_computed_in_its_place_unless_that_is_in_use():
    tape = NumpyRecorder()
    x, y = np.zeros(4, np.float32), np.zeros(8, np.float32)
    value = Recorded(x, tape)
    filled = np.zeros_like(value, shape=(8,))
    late = np.tanh(value)
    filled[2:6] = late  # was filled with zeros before
    tape.copy(y, filled.array)
    early = [call.function for call in tape.calls]
    plan = planned(tape.calls, (x, y))
    arena = np.zeros(plan.arena, np.uint8)
    x[...] = 1
    for call in plan.bind((x, y), arena):
        call()
    np.testing.assert_array_equal(y, np.r_[0, 0, np.full(4, np.tanh(np.float32(1))), 0, 0].astype(np.float32))
    assert len(plan.calls) < len(early)


def test_a_state_that_moves_along_is_copied_as_it_was():
    follow(one(Conv1d(3, t(4, 18), t(4))).astype("float32"), frames(GRAPHS["Conv1d"], STEPS))
    follow(GRAPHS["Delay exchange"].astype("float32"), frames(GRAPHS["Delay exchange"], STEPS))


# Recording


def recorded(*shape, dtype=np.float32):
    tape = NumpyRecorder()
    return Recorded(np.zeros(shape, dtype), tape), tape


def replayed(tape, x, result, numbers):
    """The result of the calls on a tape for these numbers in x."""
    y = np.zeros_like(result.array)
    tape.copy(y, result.array)
    plan = planned(tape.calls, (x.start, y))
    x.start[...] = numbers
    for call in plan.bind((x.start, y), np.zeros(plan.arena, np.uint8)):
        call()
    return y


def test_equal_calls_are_noted_once_unless_their_arguments_were_written():
    x, tape = recorded(4)
    np.tanh(x) + np.tanh(x)
    assert [call.function for call in tape.calls] == [np.tanh, np.add]
    x += np.float32(1)
    np.tanh(x)
    assert [call.function for call in tape.calls] == [np.tanh, np.add, np.add, np.tanh]


INTEGER_STEPS = st.lists(
    st.tuples(st.sampled_from(["+", "-", "*", "max", "min", ">>", "self", "table"]), st.integers(-9, 9)), max_size=9
)


@settings(max_examples=100)
@given(steps=INTEGER_STEPS)
def test_constants_that_are_added_late_change_no_integer(steps):
    table = np.arange(100, 356)

    def compute(x):
        y = x
        for name, c in steps:
            if name == "table":
                y = entries((y & 255) - 3 - -3, table)
            elif name == "self":
                y = y + x - c
            else:
                y = {"+": lambda y=y, c=c: y + c, "-": lambda y=y, c=c: y - c, "*": lambda y=y, c=c: y * c,
                     "max": lambda y=y, c=c: np.maximum(y, c), "min": lambda y=y, c=c: np.minimum(y, c),
                     ">>": lambda y=y, c=c: y >> abs(c)}[name]()  # fmt: skip
        return y

    x, tape = recorded(7, dtype=np.int64)
    numbers = np.array([-100, -3, 0, 1, 2, 50, 10**6])
    np.testing.assert_array_equal(replayed(tape, x, compute(x), numbers), compute(numbers))


def written(x):
    y = np.zeros_like(x)
    y += x
    y[1:3] = x[:2]
    y[[0]] = 5
    return y


def shared(x):
    a, b = x + x, x + x
    a[0] = 7
    a *= np.float32(2)
    return np.concatenate([a, b, x + x])


def changed(x):
    a = x + x
    a[0] = 7
    return np.concatenate([a, x + x])


def parted(x):
    index = np.array([2, 0])
    y = x + x[::-1]
    y[..., index] = x[index] * np.float32(3)
    return y


OTHERS = {
    "a transform": lambda x: np.concatenate([(each := np.fft.rfft(x * np.float32(2))).real, each.imag]),
    "a transform back": lambda x: np.fft.irfft(x[:2] + 1j * x[2:], 4),
    "a function of no table": lambda x: np.cumsum(x, axis=-1),
    "several results": lambda x: np.split(np.gradient(x), 2)[1],
    "an index of integers": lambda x: x[[3, 0, 1, 1]],
    "a mean": lambda x: x - x.mean(axis=-1, keepdims=True),
    "a mask": lambda x: np.where(x > 0, x, -x),
    "a reshape of a view": lambda x: x[::2].reshape(1, 2),
    "an array in place": written,
    "what was shared and then changes": shared,
    "what changed is not the same call": changed,
    "parts by an index": parted,
    "backwards": lambda x: np.stack([x[::-1], x * x], axis=-2).reshape(8)[::-2],
    "a copy": lambda x: x.copy() * x,
    "least": lambda x: x.min(axis=-1, keepdims=True),
}


@pytest.mark.parametrize("name", OTHERS)
def test_functions_that_the_definition_may_use_one_day_are_recorded_as_well(name):
    x, tape = recorded(4)
    numbers = np.array([3.0, -1.0, 2.5, -7.0], np.float32)
    np.testing.assert_array_equal(replayed(tape, x, OTHERS[name](x), numbers), OTHERS[name](numbers))


def overwritten(x):
    part = (x + x)[:2]
    _ = x + x
    part[0] = 1


@pytest.mark.parametrize(
    "misuse", [bool, np.asarray, float, np.add.accumulate, lambda x: x if x > 0 else -x, overwritten]
)
def test_what_needs_numbers_is_refused_while_it_is_recorded(misuse):
    with pytest.raises(TypeError):
        misuse(recorded(4)[0])


# Sums of integers in float


@given(rows=st.integers(1, 3), inputs=st.integers(1, 1100), seed=st.integers(0, 9))
def test_float32_is_chosen_where_no_sum_can_leave_its_integers(rows, inputs, seed):
    random = np.random.default_rng(seed)
    w = random.integers(-127, 128, (rows, inputs))
    x = random.integers(-127, 128, inputs)
    kind = exact_float(w, 127)
    assert (127 * np.abs(w).sum(axis=1).max() <= 2**24) == (kind is np.float32)
    loud = np.where(w[0] < 0, -127, 127)
    for each in (x, loud):
        np.testing.assert_array_equal((each.astype(kind) @ w.T.astype(kind)).astype(np.int64), w @ each)


def test_1040_inputs_of_8_bits_fit_whatever_they_are():
    assert exact_float(np.full((1, 1040), 127), 127) is np.float32
    assert exact_float(np.full((1, 1041), 127), 127) is np.float64
    wide = one(Dense(Tensor(np.ones((2, 1100), np.float32))), 1100)
    follow(quantized(wide, DYNAMIC), frames(wide, 2))
