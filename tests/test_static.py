"""Static precisions: integers that are exactly what the definition says, and answers that stay close to float."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.cells import Activation, Dense, Gru, LayerNorm, Standardize
from edgernn.errors import CalibrationError, GraphError, UsageError
from edgernn.integer import fixedpoint
from edgernn.integer.fixedpoint import multiplier, rescale, together
from edgernn.integer.forms import MAKE
from edgernn.integer.plan import QuantizationParameters, choose_qparams, integer_plan
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.operation import Ref
from edgernn.model.range import Range
from edgernn.model.replay import replay
from edgernn.model.tensor import STATIC, Tensor
from edgernn.passes import rounding
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from zoo import GRAPHS, apart, frames, keyword_spotter, one, t

STEPS = 48
KWS = keyword_spotter()

every_scheme = pytest.mark.parametrize("scheme", STATIC)


def sequences(graph, count=4, steps=STEPS):
    return [frames(graph, steps, seed) for seed in range(count)]


def quantized(graph, scheme, keep=()):
    return quantize(calibrate(graph, sequences(graph), growing="accept"), scheme, keep=keep)


STATICS = [name for name in GRAPHS if quantized(GRAPHS[name], "static_wi8_ai8").precision == "static_wi8_ai8"]
every_static = pytest.mark.parametrize("name", STATICS)


# Fixed point


@given(x=st.integers(-fixedpoint.MOST, fixedpoint.MOST), factor=st.floats(2**-80, 2**29), sign=st.sampled_from((1, -1)))
def test_a_product_is_rounded_once_and_halves_go_up(x, factor, sign):
    mantissa, shift = multiplier(sign * factor)
    actual = int(rescale(np.array(x), mantissa, shift))
    assert actual == math.floor(Fraction(x * int(mantissa), 2 ** int(shift)) + Fraction(1, 2))
    lost = abs(x) * max(Fraction(factor) / 2**31, Fraction(1, 2**63))
    assert abs(actual - x * sign * Fraction(factor)) <= Fraction(1, 2) + lost
    assert 1 <= shift <= 62
    assert abs(mantissa) <= fixedpoint.MOST


@given(
    factors=st.lists(st.floats(-(2.0**28), 2.0**28), min_size=1, max_size=5),
    offset=st.floats(-(2.0**40), 2.0**40),
)
def test_factors_of_one_shift_lose_half_of_its_last_bit_each(factors, offset):
    mantissas, offsets, shift = together(np.array(factors), offset)
    for factor, mantissa in zip(factors, mantissas.tolist(), strict=True):
        assert abs(Fraction(mantissa, 2**shift) - Fraction(factor)) <= Fraction(1, 2 ** (shift + 1))
        assert abs(mantissa) <= fixedpoint.MOST
    assert abs(Fraction(int(offsets), 2**shift) - Fraction(offset)) <= Fraction(1, 2 ** (shift + 1))
    assert abs(int(offsets)) + 2 * 2**17 * fixedpoint.MOST < 2**63


@pytest.mark.parametrize("make", [multiplier, together])
def test_a_factor_without_a_multiplier_is_refused(make):
    with pytest.raises(CalibrationError, match=r"a factor of 1.07e\+09 arrived; expected one below 2 \*\* 30"):
        make(np.array([1.0, 2.0**30]))


def test_the_curve_is_tanh_at_every_position():
    position = np.arange(-(9 << 15), (9 << 15) + 1)
    actual = fixedpoint.tanh(position)
    error = np.abs(actual - 32768 * np.tanh(position / 32768))
    assert 1.0 < error.max() < 1.6
    np.testing.assert_array_equal(actual, -actual[::-1])
    assert (np.diff(actual) >= 0).all()


@settings(deadline=None)
@given(low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6), bits=st.sampled_from((8, 16)))
def test_quantization_parameters_cover_their_range_and_every_integer_comes_back(low, high, bits):
    observed = Range(min(low, high), max(low, high))
    to = choose_qparams(observed, bits)
    q = np.arange(to.low, to.high + 1)
    np.testing.assert_array_equal(to.integers(to.numbers(q)), q)
    assert to.integers(np.zeros(1)) == to.zero
    ends = np.array([observed.low, observed.high])
    assert (np.abs((to.integers(ends) - to.zero) * to.scale - ends) <= to.scale * 1.001).all()


def test_what_is_no_number_is_never_an_arbitrary_integer():
    to = choose_qparams(Range(-1, 3), 8)
    assert to.integers(np.array([np.nan, np.inf, -np.inf, 1e300])).tolist() == [to.zero, 127, -128, 127]


# Operations

LSB = {"affine": 0.51, "sigmoid": 2.2, "tanh": 2.2, "normalize": 0.6, "softmax": 0.6, "log": 0.6}
"""The operation -> the largest error of its integers, in steps; 0.501 for all others."""


def exact_inputs(plan, op, values):
    def real(ref):
        to = plan.quantization.get(ref.name)
        if to is None:
            return values[ref.name]
        q = values[ref.name] if ref.name in plan.integer_values else to.integers(values[ref.name])
        return (q - to.zero) * np.float64(to.scale)

    return {ref.name: real(ref) for ref in op.inputs}


@every_static
@every_scheme
@pytest.mark.parametrize("loudness", [1.0, 1e3])
def test_an_operation_is_within_its_lsb_of_float_and_saturates(name, scheme, loudness):
    """Given the same integers, against float64; values outside saturate."""
    graph = GRAPHS[name]
    stepper, definition = IntegerStepper(quantized(graph, scheme)), NumpyOps("float64")
    plan, states, checked = stepper.plan, stepper.initial_state(), 0
    for x in frames(graph, 16, seed=9):
        loud = x if graph.vocabulary_size else x * np.float32(loudness)
        values = stepper.values(loud, states)
        _, states = stepper.step(loud, states)
        for op in filter(plan.narrow.is_integer, plan.trace.operations):  # tests/test_spectra_integers.py has wide ones
            expected = replay([op], definition, exact_inputs(plan, op, values))
            for ref in op.outputs:
                to = plan.quantization[ref.name]
                exact = np.clip(expected[ref.name] / to.scale + to.zero, to.low, to.high)
                assert np.abs(values[ref.name] - exact).max() <= LSB.get(op.name, 0.501) + 0.1 * plan.is_wide(op), op
                checked += 1
    assert checked


@every_static
@every_scheme
def test_answers_stay_close_to_float(name, scheme):
    graph, xs = GRAPHS[name], frames(GRAPHS[name], 64)
    expected, actual = Stepper(graph).run(xs)[0], IntegerStepper(quantized(graph, scheme)).run(xs)[0]
    if name == "Activation log":
        expected, actual = np.exp(expected), np.exp(actual)
    bound = {8: 0.04, 16: 0.015}[STATIC[scheme]]
    assert apart(name, actual, expected) < bound * max(1.0, float(np.abs(expected).max()))


def rounded(x, mantissa, shift, to):
    q = math.floor(Fraction(x * mantissa, 2**shift) + Fraction(1, 2)) + to.zero
    return min(max(q, to.low), to.high)


def of_affine(op, plan, form, xs):
    """From the weights as they are stored and the bias as it is, without the zero that `Affine` folds into it."""
    weight, ref, bias = op.args
    x, to = plan.quantization[ref.name], plan.quantization[op.outputs[0].name]
    results = []
    for r, row in enumerate(weight.stored.tolist()):
        step = Fraction(float(weight.scale[r])) * Fraction(x.scale)
        added = 0 if bias is None else round(Fraction(float(bias.stored[r])) / step)
        total = sum(w * (q - x.zero) for w, q in zip(row, xs[0].tolist(), strict=True)) + added
        assert abs(total) < 2**31
        results.append(rounded(total, int(form.mantissa[r]), int(form.shift[r]), to))
    return results


def of_sum(op, plan, form, xs):
    a, b = (plan.quantization[ref.name] for ref in op.inputs)
    pairs = zip(xs[0].tolist(), xs[1].tolist(), strict=True)
    return [rounded((p - a.zero) * form.by_a + (q - b.zero) * form.by_b, 1, form.shift, form.to) for p, q in pairs]


def of_product(op, plan, form, xs):
    a, b = (plan.quantization[ref.name] for ref in op.inputs)
    pairs = zip(xs[0].tolist(), xs[1].tolist(), strict=True)
    return [rounded((p - a.zero) * (q - b.zero), form.mantissa, form.shift, form.to) for p, q in pairs]


PYTHON = {"affine": of_affine, "add": of_sum, "subtract": of_sum, "multiply": of_product}


@every_scheme
@pytest.mark.parametrize("name", ["Gru", "Lstm", "Lstm projected", "Mgu", "Rnn relu", "stack"])
def test_an_operation_is_exact_in_pythons_integers(name, scheme):
    plan, random, tested = integer_plan(quantized(GRAPHS[name], scheme)), np.random.default_rng(2), set()
    for op in filter(plan.is_integer, plan.trace.operations):
        if op.name in PYTHON:
            form = MAKE[op.name](op, plan)
            for _ in range(8):
                sides = [plan.quantization[ref.name] for ref in op.inputs]
                xs = [random.integers(s.low, s.high + 1, r.width) for s, r in zip(sides, op.inputs, strict=True)]
                assert form(*xs).tolist() == PYTHON[op.name](op, plan, form, xs), op
            tested.add(op.name)
    assert {"affine", "add"} <= tested


def test_an_affine_never_leaves_32_bits():
    """4000 columns at their loudest would reach 5e11 in 16 bits; a tiny row with a large bias as much in steps of it."""
    weight = np.random.default_rng(0).uniform(0.5, 1.5, (3, 4000)).astype(np.float32)
    loudest = float(weight[0].sum())
    weight[1] = 1e-9
    weight[2] = 0
    bias = np.array([0.0, 100.0, -7.0], np.float32)
    graph = one(Dense(Tensor(weight), Tensor(bias)), inputs=4000)
    xs = [np.random.default_rng(i).uniform(-1, 1, (20, 4000)).astype(np.float32) for i in range(2)]
    smaller = quantize(calibrate(graph, [*xs, np.full((20, 4000), 1.0, np.float32)]), "static_wi8_ai16")
    form = MAKE["affine"](integer_plan(smaller).trace.operations[0], integer_plan(smaller))
    assert (np.abs(form.weight).sum(axis=1) * 32768 + np.abs(form.bias)).max() < 2**31
    y, _ = IntegerStepper(smaller).run(np.concatenate([np.ones((1, 4000), np.float32), xs[0]]))
    np.testing.assert_allclose(y[0], [loudest, 100, -7], rtol=2e-3, atol=0.2)


def test_what_was_made_for_another_range_is_refused():
    """Weights that were rounded for one range, and a range for which sums overflow."""
    graph = one(Dense(t(3, 6), Tensor(np.full(3, 1e4, np.float32))))  # steps of 8 bits are larger than what w makes
    graph = rounding.rounded(calibrate(graph, sequences(graph)), "static_wi8_ai8")
    tight = replace(graph, ranges={**graph.ranges, "x": Range(0, 1e-6)})
    with pytest.raises(
        CalibrationError, match=r"layer 'layer': the sums of an affine may reach .* quantize the float graph again"
    ):
        IntegerStepper(tight)


def test_a_matrix_that_no_step_can_make_fit_is_refused():
    graph = one(Dense(Tensor(np.ones((1, 140_000), np.float32))), inputs=140_000)
    calibrated = replace(graph, ranges={"x": Range(-1, 1), "layer/0": Range(-1, 1)})
    with pytest.raises(GraphError, match=r"layer 'layer' has 140000 columns, .* keep=\('layer',\)"):
        quantize(calibrated, "static_wi8_ai16")


# States


@dataclass(frozen=True)
class Integrator:
    """h = keep * h + gain * x."""

    keep: float
    gain: float
    states = {"h": 6}  # noqa: RUF012
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        h = ops.scale(state[0], self.keep) + ops.scale(x, self.gain)
        return h, (h,)


@dataclass(frozen=True)
class Mean:
    """h = h + by * (x - h): bounded, but moved by little at a time."""

    by: float
    states = {"h": 6}  # noqa: RUF012
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        h = state[0] + ops.scale(x - state[0], self.by)
        return h, (h,)


@dataclass(frozen=True)
class Gated:
    """h = h + z * (x - h): between x and itself, whatever the gate."""

    states = {"h": 6}  # noqa: RUF012
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        h = state[0] + ops.sigmoid(x) * (x - state[0])
        return h, (h,)


@dataclass(frozen=True)
class Overshoots:
    """h = h + n * (x - h) with n from -1 to 1: up to as far beyond itself as x is away."""

    states = {"h": 6}  # noqa: RUF012
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        h = state[0] + ops.tanh(x) * (x - state[0])
        return h, (h,)


@dataclass(frozen=True)
class SquaresItself:
    """A formula that is not of one degree in its state, and has no corners that bound it."""

    states = {"h": 6}  # noqa: RUF012
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        h = ops.scale(state[0] * state[0], 0.5) + ops.scale(x, 0.1)
        return h, (h,)


BITS = {
    "Gru": {"layer.h": 8},
    "Gru rest": {"layer.h": 8},
    "Mgu": {"layer.h": 8},
    "Rnn": {"layer.h": 8},
    "Rnn relu": {"layer.h": 16},
    "Lstm": {"layer.h": 8, "layer.c": 16},
    "Lstm projected": {"layer.h": 8, "layer.c": 16},
    "LayerNormLstm": {"layer.h": 8, "layer.c": 16},
    "FastGrnn": {"layer.h": 16},
    "Conv1d dilated": {"layer.past": 8},
    "stack": {"conv.past": 8, "lstm.h": 8, "lstm.c": 16, "gru.h": 8},
    "sum of all": {"layer.h": 16},
    "leaky": {"layer.h": 16},
    "mean": {"layer.h": 16},
    "gated": {"layer.h": 8},
    "overshoots": {"layer.h": 16},
    "squares": {"layer.h": 16},
}
CELLS = {
    "sum of all": one(Integrator(1.0, 1.0)),
    "leaky": one(Integrator(0.75, 0.25)),
    "mean": one(Mean(0.01)),
    "gated": one(Gated()),
    "overshoots": one(Overshoots()),
    "squares": one(SquaresItself()),
}


@pytest.mark.parametrize("name", BITS)
def test_a_state_that_can_grow_is_never_8_bits(name):
    plan = integer_plan(quantized((GRAPHS | CELLS)[name], "static_wi8_ai8"))
    assert {state: q.bits for state, q in plan.states.items()} == BITS[name]


def test_what_an_lstm_adds_to_its_cell_state_is_16_bits_too():
    graph = quantized(GRAPHS["Lstm"], "static_wi8_ai8")
    plan = integer_plan(graph)
    by_name = {}
    for op in plan.trace.operations:
        by_name.setdefault(op.name, []).append([plan.quantization[ref.name].bits for ref in op.outputs])
    assert by_name["multiply"] == [[16], [16], [8]]  # f * c, i * g, o * tanh(c)
    assert by_name["sigmoid"] == [[16], [16], [8]]
    assert by_name["affine"] == [[8], [8]]


@every_static
@every_scheme
def test_a_state_leaves_with_the_quantization_parameters_it_enters_with(name, scheme):
    """Also where tanh has fixed quantization parameters, and where the ranges differ."""
    graph = quantized(GRAPHS[name], scheme)
    wider = {
        value: Range(3 * each.low - 1, 3 * each.high) if value.endswith(".in") else each
        for value, each in graph.ranges.items()
    }
    for ranges in (graph.ranges, wider):
        plan = integer_plan(replace(graph, ranges=ranges))
        for state in plan.trace.states:
            if state.name in plan.states:
                assert (
                    plan.quantization[state.before.name]
                    == plan.quantization[state.after.name]
                    == plan.states[state.name]
                )


@every_static
@every_scheme
def test_a_state_comes_back_exactly(name, scheme, tmp_path):
    graph = quantized(GRAPHS[name], scheme)
    edgernn.save(graph, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    assert program.manifest.precision == scheme
    xs = frames(graph, 24, seed=5)
    through, first, second = (program.stream() for _ in range(3))
    expected = flat_answer(through.run(xs))
    first.run(xs[:11])
    second.state = first.state
    np.testing.assert_array_equal(flat_answer(second.run(xs[11:])), expected[11:])
    stepper = IntegerStepper(graph)
    for state, q in stepper.integers(second.state).items():
        np.testing.assert_array_equal(stepper.plan.states[state].numbers(q), second.state[state])


@pytest.mark.parametrize("name", [name for name in STATICS if not name.startswith("LogMel")])
@every_scheme
def test_sequences_side_by_side_give_the_same_integers(name, scheme):
    graph = quantized(GRAPHS[name], scheme)
    xs = np.stack(sequences(graph, 3, 12))
    beside, states = IntegerStepper(graph).run(xs)
    for i, each in enumerate(xs):
        alone, ends = IntegerStepper(graph).run(each)
        np.testing.assert_allclose(beside[i], alone, rtol=1e-6, atol=1e-6)  # but for softmax, exact
        for state, q in IntegerStepper(graph).integers(ends).items():
            np.testing.assert_array_equal(IntegerStepper(graph).integers(states)[state][i], q)


# Borders


@every_scheme
def test_layers_that_are_kept_and_features_stay_float(scheme):
    layers = (
        Layer("features", Standardize(t(6), Tensor(np.full(6, 2.0, np.float32)))),
        Layer("gru", Gru(t(12, 6), t(12, 4))),
        Layer("norm", LayerNorm(t(4))),
        Layer("square", Activation("tanh")),
        Layer("kept", Gru(t(12, 4), t(12, 4))),
        Layer("out", Dense(t(3, 4), t(3), "softmax")),
    )
    graph = quantized(Graph(layers, 6), scheme, keep=("kept", "square"))
    assert [layer.name for layer in graph.layers if layer.scheme] == ["gru", "norm", "out"]
    assert {name for name, tensor in graph.tensors.items() if tensor.scheme} == {"gru.w", "gru.u", "out.w"}
    plan = integer_plan(graph)
    assert {op.layer for op in plan.trace.operations if plan.is_integer(op)} == {"gru", "norm", "out"}
    assert [op.name for op in plan.trace.operations if op.layer == "out" and not plan.is_integer(op)] == ["softmax"]
    assert set(plan.states) == {"gru.h"}
    y, _ = IntegerStepper(graph).run(frames(graph, 8))
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-6)
    expected, _ = Stepper(Graph(layers, 6)).run(frames(graph, 8))
    np.testing.assert_allclose(y, expected, atol=0.03)


def test_two_static_schemes_meet_in_one_graph():
    graph = quantize(quantized(KWS, "static_wi8_ai8", keep=("out",)), "static_wi8_ai16")
    assert graph.precision == "static_wi8_ai16+static_wi8_ai8"
    plan = integer_plan(graph)
    assert (plan.quantization["gru.h.in"].bits, plan.quantization[plan.trace.y.name].bits) == (8, 16)
    xs = frames(graph, 32)
    np.testing.assert_allclose(IntegerStepper(graph).run(xs)[0], Stepper(KWS).run(xs)[0], atol=0.15)


def test_what_is_not_calibrated_is_refused():
    with pytest.raises(
        CalibrationError, match=r"value 'gru.h.in' of layer 'gru' has no range, .* calibrate\(graph, sequences\)"
    ):
        quantize(KWS, "static_wi8_ai8", ranges={name: Range(-1, 1) for name in KWS.values if name != "gru.h.in"})
    with pytest.raises(UsageError, match="no layer computes with integers: the graph is in fp32"):
        IntegerStepper(KWS)


def test_ranges_may_be_given_beside_the_graph():
    calibrated = calibrate(KWS, sequences(KWS))
    assert quantize(KWS, "static_wi8_ai8", ranges=calibrated.ranges) == quantize(calibrated, "static_wi8_ai8")


def test_quantization_parameters_are_those_of_tflite():
    plan = integer_plan(quantized(GRAPHS["Gru"], "static_wi8_ai8"))
    parameters = {op.name: plan.quantization[op.outputs[0].name] for op in plan.trace.operations}
    assert parameters["sigmoid"] == QuantizationParameters(1 / 256, -128, 8)
    assert parameters["tanh"] == QuantizationParameters(1 / 128, 0, 8)
    wide = integer_plan(quantized(GRAPHS["Gru"], "static_wi8_ai16"))
    assert {each.zero for each in wide.quantization.values()} == {0}
    assert {
        wide.quantization[ref.name].scale
        for op in wide.trace.operations
        if op.name in {"sigmoid", "tanh"}
        for ref in op.outputs
    } == {1 / 32768}
    for each in (plan, wide):
        for op in each.trace.operations:
            if op.name == "split":
                assert (
                    len({each.quantization[ref.name] for ref in (*op.inputs, *op.outputs) if isinstance(ref, Ref)}) == 1
                )
        (state,) = each.trace.states
        assert each.quantization[state.before.name] == each.quantization[state.after.name]
