"""Static precisions have the same bits in numpy and in compiled code, on every instruction set: states and answers."""

import math
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import test_static
from hypothesis import example, given, settings, strategies as st
from test_static_c import FLOATS, WHOLE, loud

from edgernn.artifact.manifest import graph_manifest
from edgernn.cells import Activation, LayerNorm
from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import inverse_root
from edgernn.integer.forms import MAKE
from edgernn.integer.normalize import WIDEST
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, integer_plan
from edgernn.integer.reproducible import differing
from edgernn.interpreters.integer import IntegerStepper
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.range import Range
from edgernn.model.tensor import SCHEMES, STATIC, Tensor
from edgernn.passes.quantize import quantize
from edgernn_export.targets.c.target import write
from edgernn_export.targets.naming import named_trace
from static_zoo import program
from ways import WAYS
from zoo import GRAPHS, one, t

EVERY = (
    {name: GRAPHS[name] for name in test_static.STATICS}
    | WHOLE
    | {"every kind of layer": FLOATS}
    | {f"LayerNorm of {width}": one(LayerNorm(t(width), t(width), 1e-3), width) for width in (1, 33, 400)}
)
STREAMS, STEPS = 5, 24
SOME = (
    "gru",
    "lstm",
    "every operation",
    "every kind of layer",
    "LogMel before a net",
    "Positions",
    "Mask of a spectrum",
)
SOME += ("Maximum", "Gru shared later", "Deadband")
SETS = dict.fromkeys(("gcc x86-64-v3", "sanitized portable"), tuple(EVERY))
SETS |= dict.fromkeys(("gcc x86-64-v4-vnni", "wasm32", "rows", "cortex-m4", "cortex-m55"), SOME)
"""Ways that differ in how they write integers -> graphs; the others write them as the portable one does. Between its calls
of kernels a step is the same portable C everywhere: every graph runs with and without vectors, and every kernel in each way.
Some graphs call every kernel that any calls, and take a tenth of the time to compile."""


@cache
def quantized(name, scheme):
    return test_static.quantized(EVERY[name], scheme)


@cache
def cases(names):
    """Graphs in every scheme, the input of their program, and (y, states) of each step of the definition."""
    graphs = {(name, scheme): quantized(name, scheme) for name in names for scheme in STATIC}
    data, expected = [], {}
    for key, graph in graphs.items():
        stepper, manifest = IntegerStepper(graph), graph_manifest(graph)
        xs = loud(graph, STREAMS, STEPS)
        xs = manifest.quantization[INPUT].integers(xs) if INPUT in manifest.quantization else xs
        states = {
            name: manifest.quantization[name].integers(v) if name in manifest.quantization else v
            for name, v in stepper.initial_state(STREAMS).items()
        }
        results = []
        for x in xs.swapaxes(0, 1):
            y, states = stepper.step_integers(x, states)
            results.append((y, *states.values()))
        kinds = [manifest.dtype(name) for name in ("y", *manifest.states)]
        expected[key] = [
            np.stack(all_of, axis=1).astype(kind)
            for all_of, kind in zip(zip(*results, strict=True), kinds, strict=True)
        ]
        data.append(np.uint32(STREAMS * STEPS).tobytes())
        data += [
            bytes([step == 0]) + x.tobytes()
            for stream in xs.astype(manifest.dtype(INPUT))
            for step, x in enumerate(stream)
        ]
    return graphs, b"".join(data), expected


@cache
def source(names):
    return program(list(cases(names)[0].values()))


@cache
def plan_of(name, scheme):
    return integer_plan(quantized(name, scheme))


@pytest.mark.parametrize("way", [way for way in SETS if way in WAYS])
def test_compiled_code_has_the_bits_of_numpy(way, tmp_path):
    """Every cell in both schemes, in one program: each step of several streams, some frames far beyond their ranges.

    An answer that ends in float is as close as its contract says; all else is equal.
    """
    graphs, data, expected = cases(SETS[way])
    quick = replace(WAYS[way], optimize=min("-O1", WAYS[way].optimize))
    output, at = quick.output(tmp_path, source(SETS[way]), data), 0
    for key, graph in graphs.items():
        plan, manifest, results = plan_of(*key), graph_manifest(graph), expected[key]
        row = np.dtype([(str(i), each.dtype, each.shape[2:]) for i, each in enumerate(results)])
        rows = np.frombuffer(output, row, STREAMS * STEPS, at).reshape(STREAMS, STEPS)
        at += rows.nbytes
        befores = {state.name: state.before for state in plan.trace.states}
        refs = (plan.trace.y, *(befores[name] for name in manifest.states))
        for i, (ref, each) in enumerate(zip(refs, results, strict=True)):
            if ref.name not in differing(plan):
                np.testing.assert_array_equal(rows[str(i)], each, err_msg=f"{key}: {ref}")
            elif manifest.same_bits == "states":
                assert np.abs(rows["0"] - each).max() <= 1e-5 * np.abs(each).max(), key
    assert at == len(output)


def kernels_of(names):
    """The functions of c_runtime that the steps of graphs call in integers."""
    named = (named_trace(quantized(name, scheme), SCHEMES) for name in names for scheme in STATIC)
    calls = {call for each in named for call in write(each, "m", "{}", include="").sizes.calls}
    return {call for call in calls if not call.startswith("f32")}


def test_some_graphs_call_every_kernel():
    assert kernels_of(SOME) == kernels_of(EVERY)


NOT_ALL = {
    "BandMask": "",
    "LogMel before a net": "",
    "Mask of a spectrum": "",
    "Dense softmax": "states",
    "Activation log": "states",
    "stack": "states",
    "Positions": "states",
    "Over time": "states",
}


@pytest.mark.parametrize("name", EVERY)
def test_a_contract_says_where_the_same_bits_end(name):
    """At a float affine before integers, as features have; and at a softmax or a logarithm that makes the answer."""
    for scheme in STATIC:
        assert graph_manifest(quantized(name, scheme)).same_bits == NOT_ALL.get(name, "all")


# The operations, against real numbers and against Python's integers


@given(
    v=st.one_of(st.integers(1, 2**62 - 1), st.integers(0, 61).flatmap(lambda k: st.integers(2**k, 2 ** (k + 1) - 1)))
)
@example(v=1)
@example(v=2**62 - 1)
def test_the_inverse_root_is_right_to_28_bits(v):
    (x,), (e,) = inverse_root(np.array([v]))
    assert abs(Fraction(int(x), 1) ** 2 * v / Fraction(2) ** (90 + 2 * int(e)) - 1) < Fraction(1, 2**27)
    assert 2**29 - 2 <= x <= 2**30 + 2
    assert -15 <= e <= 15


def form(cell, width, x: QuantizationParameters, to: QuantizationParameters):
    """The integer form of the one operation of a cell."""
    op = one(cell, width).trace.operations[0]
    quantization = {ref.name: each for ref, each in ((op.inputs[0], x), (op.outputs[0], to))}
    return MAKE[op.name](op, IntegerPlan(one(cell, width).trace, frozenset(quantization), quantization, {}))


def of_normalize(form, q):
    """The definition in Python's integers, which have no end; each is held against the end that its docstring proves."""
    n, total, squares = len(q), sum(q), sum(each * each for each in q)
    spread = n * squares - total * total
    v = max((spread << form.bits if form.bits >= 0 else spread >> -form.bits) + form.eps, form.least)
    assert abs(total) < 2**30
    assert n * squares < 2**62
    assert 0 < v < 2**62
    (x,), (e,) = (each.tolist() for each in inverse_root(np.array([v])))
    results, shift = [], form.point + e
    assert 1 <= shift <= 40
    for each, gain, plus in zip(q, form.gain.tolist(), form.plus.tolist(), strict=True):
        assert abs(n * each - total) < 2**31
        z = ((n * each - total) * x + 2 ** (shift - 1)) >> shift
        assert abs(z) <= 2**29
        assert abs(z * gain) + abs(plus) + 2 ** (form.shift - 1) < 2**63
        results.append(
            min(
                max(((z * gain + plus + 2 ** (form.shift - 1)) >> form.shift) + form.to.zero, form.to.low), form.to.high
            )
        )
    return results


def drawn(data, x: QuantizationParameters, width):
    """A vector of integers: any, all equal, one element apart, or as far apart as possible."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    q = random.integers(x.low, x.high + 1, width)
    kind = data.draw(st.sampled_from(("any", "near", "equal", "one apart", "ends")))
    if kind == "near":
        return np.clip(q[:1] + random.integers(-2, 3, width), x.low, x.high)
    if kind in {"equal", "one apart"}:
        q[:] = q[0]
        q[-1] = q[0] if kind == "equal" else min(q[0] + 1, x.high)
    if kind == "ends":
        q = np.where(random.random(width) < random.random(), x.low, x.high)
    return q


quantization = st.builds(
    lambda bits, zero, size: QuantizationParameters(float(np.float32(10.0**size)), zero if bits == 8 else 0, bits),
    st.sampled_from((8, 16)), st.integers(-128, 127), st.floats(-6, 3),
)  # fmt: skip
widths = st.one_of(st.integers(1, 80), st.sampled_from((1000, 4096, WIDEST)))


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(), x=quantization, to=quantization, width=widths, eps=st.sampled_from((1e-12, 1e-5, 1e-3, 1.0, 1e6))
)
def test_a_normalization_of_integers_is_that_of_real_numbers(data, x, to, width, eps):
    """Within 0.6 steps, and a little more where one step of what is computed inside is many of the result."""
    random = np.random.default_rng(width)
    size = data.draw(st.floats(0.01, 30)) * to.reach * to.scale / math.sqrt(width)
    gain, bias = (Tensor((size * random.standard_normal(width)).astype(np.float32)) for _ in range(2))
    normalized, q = form(LayerNorm(gain, bias, eps), width, x, to), drawn(data, x, width)
    actual = normalized(q)
    assert actual.tolist() == of_normalize(normalized, q.tolist())
    centred = (q - q.mean()) * x.scale
    exact = centred / np.sqrt(np.mean(centred**2) + eps) * gain.dense(np.float64) + bias.dense(np.float64)
    inside = 2.0**-27 * math.sqrt(width) * np.abs(gain.stored).max() / to.scale
    assert np.abs(actual - np.clip(exact / to.scale + to.zero, to.low, to.high)).max() <= 0.6 + inside


@settings(max_examples=100, deadline=None)
@given(data=st.data(), x=quantization, bits=st.sampled_from((8, 16)), width=st.integers(1, 400))
def test_a_softmax_of_integers_is_that_of_real_numbers(data, x, bits, width):
    to = QuantizationParameters(2.0**-8, -128, 8) if bits == 8 else QuantizationParameters(2.0**-15, 0, 16)
    q = drawn(data, x, width)
    raised = np.exp((q - q.max()) * np.float64(x.scale))
    exact = raised / raised.sum() / to.scale + to.zero
    assert np.abs(form(Activation("softmax"), width, x, to)(q) - np.clip(exact, to.low, to.high)).max() <= 0.6


@settings(max_examples=30, deadline=None)
@given(x=quantization, to=quantization)
def test_a_logarithm_of_integers_is_that_of_real_numbers(x, to):
    """And the lowest integer where there is none."""
    q = np.arange(x.low, x.high + 1)
    actual, real = form(Activation("log"), len(q), x, to)(q), (q - x.zero) * np.float64(x.scale)
    assert set(actual[real <= 0].tolist()) <= {to.low}
    exact = np.log(real[real > 0]) / to.scale + to.zero
    assert np.abs(actual[real > 0] - np.clip(exact, to.low, to.high)).max(initial=0) <= 0.51 + 3e-6 / to.scale


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (LayerNorm(), f" normalizes {WIDEST + 1} elements"),
        (Activation("softmax"), f": integers depend on a softmax of {WIDEST + 1} elements"),
    ],
)
def test_a_vector_that_integers_do_not_hold_is_refused(cell, message):
    layers = (Layer("wide", cell), Layer("tanh", Activation("tanh")))
    graph = Graph(layers, WIDEST + 1)
    ranges = dict.fromkeys(graph.values, Range(-1, 1))
    with pytest.raises(CalibrationError, match=rf"layer 'wide'{message}.* keep=\('wide',\)"):
        IntegerStepper(quantize(graph, "static_wi8_ai8", ranges=ranges))
