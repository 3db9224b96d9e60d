"""Static graphs in C: the integers of the definition, bit for bit, and no float where there is none."""

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

import edgernn
from edgernn.cells import (
    Activation,
    Concat,
    Conv1d,
    Dense,
    FastGrnn,
    Gru,
    LayerNorm,
    Lstm,
    Mgu,
    Product,
    Rnn,
    Scale,
    Slice,
    Sum,
)
from edgernn.errors import FrameError, ParityError
from edgernn.integer.plan import integer_plan
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import NumpyOps
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.range import Range
from edgernn.model.replay import replay
from edgernn.model.tensor import STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from edgernn_export import export
from edgernn_export.proof.floats import prove
from edgernn_export.targets.c.casts import with_casts
from edgernn_export.targets.c.emitter import value_type
from edgernn_export.targets.c.fusion import fuse, hoist_splits
from edgernn_export.targets.c.layout import lay_out
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import destination_of
from ways import EVERY_WAY, WAYS, needs
from zoo import GRAPHS, block_sparse, frames, keyword_spotter, t

THIN = block_sparse(Graph((Layer("relu", Rnn(t(70, 5), t(70, 70), None, "relu")),), 5), 4, 0.4).layers[0].cell
THIN = replace(
    THIN, w=Tensor(t(70, 5).stored * np.float32([1, 1, 1, 1, 0]))
)  # its last group of inputs goes, in every block
EVERY_OPERATION = Graph(
    (
        Layer("a", Dense(t(8, 6), t(8), "tanh")),
        Layer("b", Conv1d(3, t(5, 18), t(5), 2), ("x",)),
        Layer("ab", Concat(), ("a", "b")),
        Layer("scale", Scale(t(13), t(13))),
        Layer("lstm", Lstm(t(20, 13), t(20, 5), t(20))),
        Layer("gru", Gru(t(54, 13), t(54, 18), t(54), t(54)), ("scale",)),
        Layer("slice", Slice(18, 3, 8)),
        Layer("sum", Sum(), ("slice", "lstm")),
        Layer("product", Product(), ("sum", "lstm")),
        Layer("relu", THIN),
        Layer("norm", LayerNorm(t(70), t(70))),
        Layer("fast", FastGrnn(t(5, 70), t(5, 5), t(5), t(5), t(5), t(5))),
        Layer("mgu", Mgu(t(10, 5), t(5, 5), t(5, 5), t(10))),
        Layer("p", Activation("softmax")),
        Layer("log", Activation("log")),
        Layer("out", Dense(t(33, 5), t(33), "sigmoid")),
    ),
    6,
    initial_state={"gru.h": t(18)},
)
"""Every operation with an integer form but lookup, widths that fill no block, and a matrix with blocks of zeros."""

WHOLE = {
    "gru": keyword_spotter(),
    "lstm": Graph((Layer("lstm", Lstm(t(48, 10), t(48, 12), t(48))), Layer("out", Dense(t(4, 12), t(4)))), 10),
    "every operation": EVERY_OPERATION,
    "symbols": GRAPHS["Embedding"],
}
SOFT = Graph((Layer("gru", Gru(t(24, 6), t(24, 8))), Layer("out", Dense(t(3, 8), t(3), "softmax"))), 6)
FLOATS = Graph(
    (
        Layer("gru", Gru(t(24, 6), t(24, 8))),
        Layer("lstm", Lstm(t(32, 8), t(32, 8))),
        Layer("join", Concat(), ("x", "lstm")),
        Layer("norm", LayerNorm(t(14), t(14))),
        Layer("taps", Conv1d(2, t(5, 28), t(5))),  # whose state is computed in float and read as integers
        Layer("out", Dense(t(3, 5), t(3), "tanh")),
    ),
    6,
)
MIXED = {
    "softmax": (SOFT, ()),
    "float in the middle": (FLOATS, ("lstm",)),
    "float at the end": (FLOATS, ("out", "join", "norm")),
}
every_scheme = pytest.mark.parametrize("scheme", STATIC)


@cache
def quantized(name, scheme):
    graph, keep = MIXED[name] if name in MIXED else (WHOLE[name], ())
    sequences = [frames(graph, 48, seed) for seed in range(3)]
    return quantize(calibrate(graph, sequences, growing="accept"), scheme, keep=keep)


def halving(name, scheme):
    """The same with ranges that are powers of two: so factors are, and every other product falls on a half."""
    graph = quantized(name, scheme)
    ends = {value: 2.0 ** np.ceil(np.log2(observed.size)) for value, observed in graph.ranges.items()}
    return replace(graph, ranges={value: Range(-end, end) for value, end in ends.items()})


def loud(graph, *shape, seed=3):
    """Random frames of which a few are far beyond their ranges."""
    random = np.random.default_rng(seed)
    if graph.vocabulary_size:
        return random.integers(0, graph.vocabulary_size, (*shape, 1)).astype(np.int32)
    size = np.where(random.random((*shape, 1)) < 0.02, 100, 1)
    return (size * random.standard_normal((*shape, graph.inputs))).astype(np.float32)


def compiled(graph, folder):
    export(graph, folder / "m.so")
    return edgernn.open(folder / "m.so")


def written(graph, stem, folder):
    for file, data in render(graph, stem, destination_of(f"{stem}.c")).items():
        (folder / file).write_bytes(data)


@every_scheme
def test_ten_thousand_random_steps_give_the_bits_of_the_definition(scheme, tmp_path):
    """Many streams at once in numpy, reset at random; each compiled stream is one of them."""
    graph = quantized("every operation", scheme)
    program, reference = compiled(graph, tmp_path), IntegerStepper(graph)
    streams, steps = 40, 250
    xs = loud(graph, streams, steps)
    resets = np.random.default_rng(1).random((streams, steps)) < 0.02
    rest = reference.initial_state(streams)
    states, expected = rest, []
    for x, reset in zip(xs.swapaxes(0, 1), resets.T, strict=True):
        states = {key: np.where(reset[:, None], rest[key], state) for key, state in states.items()}
        y, states = reference.step(x, states)
        expected.append(y)
    for k in range(streams):
        stream, at = program.stream(), 0
        for end in (*np.flatnonzero(resets[k]), steps):
            actual = flat_answer(stream.run(xs[k, at:end]))
            np.testing.assert_array_equal(actual, np.array(expected[at:end]).reshape(-1, streams, graph.outputs)[:, k])
            at = end
            if end < steps:
                stream.reset()
        for key, state in stream.state.items():
            np.testing.assert_array_equal(state, states[key][k])


STRETCHED = {"float in the middle": 3}
"""An integer that turned before a normalization may be as many behind it, where it is divided by a deviation below 1."""


@every_scheme
@pytest.mark.parametrize("name", ["float in the middle", "float at the end"])
def test_float_layers_among_integers_are_as_close_as_float_is(name, scheme, tmp_path):
    """Each step from the definition's own state: a last digit of float may turn an integer now and then, no more."""
    graph = quantized(name, scheme)
    program, reference = compiled(graph, tmp_path), IntegerStepper(graph)
    stream = program.stream()
    states, equal, turned = reference.initial_state(), [], []
    for x in loud(graph, 300):
        stream.state = states
        actual = flat_answer(stream.step(x))
        y, states = reference.step(x, states)
        equal.append(np.abs(actual - y).max() < 1e-6)
        scales = {key: reference.plan.states[key].scale if key in reference.plan.states else 1e-5 for key in states}
        turned.append(max(np.abs(state - states[key]).max() / scales[key] for key, state in stream.state.items()))
    if name == "float at the end":  # its states are integers, or computed by float operations with the same bits
        assert (program.manifest.same_bits, max(turned)) == ("states", 0)
    assert np.mean(equal) > 0.98
    assert max(turned) <= 1.001 * STRETCHED.get(name, 1)
    assert np.mean(np.less_equal(turned, 1.001)) > 0.98


@every_scheme
def test_a_raw_stream_takes_and_gives_the_integers_themselves(scheme, tmp_path):
    graph = quantized("every operation", scheme)
    program, reference = compiled(graph, tmp_path), IntegerStepper(graph)
    manifest, raw, stream = program.manifest, program.stream(raw=True), program.stream()
    xs = manifest.quantization[INPUT].integers(loud(graph, 50)).astype(manifest.dtype(INPUT))
    states = {key: manifest.quantization[key].integers(state) for key, state in reference.initial_state().items()}
    for x in xs:
        y, states = reference.step_integers(x.astype(np.int64), states)
        actual = raw.step(x)
        assert actual.dtype == manifest.dtype(OUTPUT)
        np.testing.assert_array_equal(actual, y)
        np.testing.assert_array_equal(
            stream.step(manifest.quantization[INPUT].numbers(x.astype(np.int64))),
            manifest.quantization[OUTPUT].numbers(y),
        )
    assert {key: state.dtype.name for key, state in raw.state.items()} == {key: manifest.dtype(key) for key in states}
    for key, state in raw.state.items():
        np.testing.assert_array_equal(state, states[key])
    at = raw.state
    first = raw.run(xs)
    raw.state = at
    np.testing.assert_array_equal(raw.run(xs), first)


@pytest.mark.parametrize("name", ["gru", "symbols", "softmax"])
def test_a_frame_that_must_not_enter_does_not_in_integers_either(name, tmp_path):
    """Refused with the state as it was, held or taken as zeros: as numpy does it."""
    graph = quantized(name, "static_wi8_ai16")
    program = compiled(graph, tmp_path)
    edgernn.save(graph, tmp_path / "m.rnn")
    xs = loud(graph, 12)
    xs[[0, 5, 6], -1] = 1000 if graph.vocabulary_size else np.nan
    for choice in ("hold", "zero"):
        stream, other = (each.stream(on_bad_input=choice) for each in (program, edgernn.open(tmp_path / "m.rnn")))
        for x in xs:
            np.testing.assert_allclose(
                flat_answer(stream.step(x)), flat_answer(other.step(x)), atol=0 if name in WHOLE else 1e-6
            )
    stream = program.stream()
    stream.run(xs[1:5])
    before = stream.state
    with pytest.raises(FrameError, match=r"index 1000 arrived|of the frame is nan"):
        stream.step(xs[5])
    for key, state in stream.state.items():
        np.testing.assert_array_equal(state, before[key])


BOTH = """
#include <stdio.h>
#include "a8.h"
#include "a16.h"
int main(void) {
    static a8_state small;
    static a16_state large;
    int8_t x8[A8_INPUTS], y8[A8_OUTPUTS];
    int16_t x16[A16_INPUTS], y16[A16_OUTPUTS];
    if (a8_self_test() || a16_self_test()) return 2;
    a8_reset(&small);
    a16_reset(&large);
    while (fread(x8, sizeof x8, 1, stdin) == 1 && fread(x16, sizeof x16, 1, stdin) == 1) {
        if (a8_step(&small, x8, y8) || a16_step(&large, x16, y16)) return 3;
        fwrite(y8, sizeof y8, 1, stdout);
        fwrite(y16, sizeof y16, 1, stdout);
    }
    return 0;
}
"""
DISTINCT = {
    "gcc x86-64-v3", "clang x86-64-v4-vnni", "g++ x86-64", "sanitized", "sanitized portable", "aarch64", "armv7-neon",
    "rows",
}  # fmt: skip
"""Ways that compile the operations differently; test_kernels.py runs the kernels in all ways."""
SOME_WAYS = [way for way in EVERY_WAY if (way if isinstance(way, str) else way.values[0]) in DISTINCT]


@pytest.mark.parametrize("way", SOME_WAYS)
def test_every_processor_computes_the_same_integers(way, tmp_path):
    """Clean under every warning and sanitizer; both schemes in one program."""
    (tmp_path / "main.c").write_text(BOTH)
    inputs, expected = [], []
    for stem, scheme in zip(("a8", "a16"), STATIC, strict=True):
        graph = halving("every operation", scheme)
        written(graph, stem, tmp_path)
        assert f"affine_i{STATIC[scheme]}_to_i{STATIC[scheme]}_sparse(" in (tmp_path / f"{stem}.c").read_text()
        reference, xs = IntegerStepper(graph), loud(graph, 200)
        float_io = reference.plan.io_quantization
        kinds = f"int{float_io[INPUT].bits}", f"int{float_io[OUTPUT].bits}"
        ys = reference.run(xs)[0]
        inputs.append(float_io[INPUT].integers(xs).astype(kinds[0]))
        expected.append(float_io[OUTPUT].integers(ys).astype(kinds[1]))
    data = b"".join(x8.tobytes() + x16.tobytes() for x8, x16 in zip(*inputs, strict=True))
    done = WAYS[way].run(WAYS[way].build(tmp_path, "main.c", "a8.c", "a16.c"), data)
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stdout == b"".join(y8.tobytes() + y16.tobytes() for y8, y16 in zip(*expected, strict=True))


SOFT_FLOAT = {
    "thumb": ("-target", "thumb-linux-musleabi", "-mcpu=cortex_m3", "-fno-unwind-tables"),
    "aarch64": ("-target", "aarch64-linux-musl", "-mcpu=generic-neon-fp_armv8"),
}
"""Processors without floating point: the first calls a function for it, the second refuses to compile it."""
INTEGER_CALLS = {
    "memcpy",
    "memset",
    "__aeabi_memcpy",
    "__aeabi_memclr",
    "__aeabi_memcpy4",
    "__aeabi_memclr4",
    "__aeabi_ldivmod",
}


def needed(folder, target):
    """What the object of m.c needs from outside on such a processor, or None where it cannot be compiled."""
    zig = (sys.executable, "-m", "ziglang", "cc", "-std=c99", "-Os", *SOFT_FLOAT[target], "-c", "m.c")
    if subprocess.run(zig, cwd=folder, stderr=subprocess.DEVNULL, check=False).returncode:
        return None
    listed = subprocess.run(["nm", "-u", "m.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return set(listed.split()) - {"U"}


@every_scheme
@pytest.mark.parametrize("name", WHOLE)
def test_without_float_words_the_source_has_no_float(name, scheme, tmp_path):
    written(quantized(name, scheme), "m", tmp_path)
    assert re.findall(r"\b(float|double|f32\w*)\b", (tmp_path / "m.c").read_text()) == []


@needs("nm")
@pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed")
@pytest.mark.parametrize("target", SOFT_FLOAT)
def test_a_processor_without_float_is_enough(target, tmp_path):
    for scheme in STATIC:
        written(quantized("every operation", scheme), "m", tmp_path)
        calls = needed(tmp_path, target)
        assert calls is not None
        assert calls <= INTEGER_CALLS
    written(quantized("softmax", "static_wi8_ai8"), "m", tmp_path)
    calls = needed(tmp_path, target)
    assert calls is None or "__aeabi_fadd" in calls


TURNS = """
#include <stdio.h>
#include "m.h"
int main(void) {
    float x;
    while (fread(&x, sizeof x, 1, stdin) == 1) {
        const int8_t q = m_quantize_x(x);
        const float y = m_dequantize_y(q);
        fwrite(&q, sizeof q, 1, stdout);
        fwrite(&y, sizeof y, 1, stdout);
    }
    return 0;
}
"""


@needs("gcc")
def test_the_header_turns_numbers_into_integers_as_the_definition_does(tmp_path):
    graph = quantized("gru", "static_wi8_ai8")
    written(graph, "m", tmp_path)
    float_io = integer_plan(graph).io_quantization
    q = np.arange(-140, 140)
    halves = (q + 0.5 - float_io[INPUT].zero) * float_io[INPUT].scale
    odd = [np.nan, np.inf, -np.inf, 3e38, 1e-42]
    x = np.concatenate([halves, np.nextafter(halves, 1e9), np.linspace(-9, 9, 999), odd]).astype(np.float32)
    (tmp_path / "main.c").write_text(TURNS)
    program = WAYS["sanitized"].build(tmp_path, "main.c", "m.c")
    rows = np.frombuffer(WAYS["sanitized"].run(program, x.tobytes()).stdout, np.dtype([("q", "i1"), ("y", "<f4")]))
    np.testing.assert_array_equal(rows["q"], float_io[INPUT].integers(x))
    np.testing.assert_array_equal(rows["y"], float_io[OUTPUT].numbers(rows["q"].astype(np.int64)))
    header = (tmp_path / "m.h").read_text()
    for name, qparams in (("M_X", float_io[INPUT]), ("M_Y", float_io[OUTPUT]), ("M_gru_h", float_io["gru.h"])):
        (scale,) = re.findall(rf"#define {name}_SCALE (\S+)f\n", header)
        assert np.float32(scale) == np.float32(qparams.scale)
        assert f"#define {name}_ZERO ({qparams.zero})\n" in header


@every_scheme
def test_states_are_as_small_as_their_integers(scheme, tmp_path):
    written(quantized("lstm", scheme), "m", tmp_path)
    header = (tmp_path / "m.h").read_text()
    h = "int8_t" if scheme.endswith("ai8") else "int16_t"
    assert f"    {h} lstm_h[16]; /* lstm.h: 12 */" in header
    assert "    int16_t lstm_c[16]; /* lstm.c: 12 */" in header  # whatever the scheme
    assert f"int m_step(m_state *state, const {h} *x, {h} *y);" in header


@every_scheme
@pytest.mark.parametrize("name", [*WHOLE, *MIXED])
def test_casts_change_no_value_and_share_no_place(name, scheme):
    """numpy computes the same with casts; values of one type that are alive at once have places of their own."""
    graph = quantized(name, scheme)
    plan, steps = integer_plan(graph), graph.trace
    step = with_casts(hoist_splits(steps, plan.integer_values), plan)
    for op in step.trace.operations:
        if op.name not in ("lookup", "quantize", "dequantize"):
            kinds = {ref.name in step.quantization for ref in (*op.inputs, *op.outputs)}
            assert len(kinds) == 1, str(op)
    for state in step.trace.states:
        assert (
            (state.before.name in step.quantization)
            == (state.after.name in step.quantization)
            == (state.name in plan.states)
        )
    assert (step.trace.y.name in step.quantization) == (OUTPUT in plan.io_quantization)
    ops = NumpyOps()
    ops.quantize = ops.dequantize = ops.requantize = lambda x: x
    start = {ref.name: np.full(ref.width, 0.3) for ref in (steps.x, *(state.before for state in steps.states))}
    start |= {INPUT: np.array([2])} if graph.vocabulary_size else {}
    actual = replay(step.trace.operations, ops, dict(start))
    expected = replay(steps.operations, NumpyOps(), dict(start))
    for mine, other in zip(step.trace.results, steps.results, strict=True):
        np.testing.assert_array_equal(actual[mine.name], expected[other.name])
    groups = fuse(step.trace)
    layout = lay_out(step.trace, groups, {key: value_type(qparams) for key, qparams in step.quantization.items()})
    last = {
        layout.root(ref.name)[0]: i for i, group in enumerate(groups) for op in group.operations for ref in op.inputs
    }
    last |= {layout.root(ref.name)[0]: len(groups) for ref in step.trace.results}
    alive = {}
    for i, group in enumerate(groups):
        alive = {key: spot for key, spot in alive.items() if last[key] >= i}
        for ref in group.stored if group.operations[0].name != "split" else ():
            spot = (
                value_type(step.quantization.get(ref.name)),
                layout.offsets[ref.name],
                layout.offsets[ref.name] + ref.width,
            )
            assert all(spot[0] != other or spot[2] <= a or spot[1] >= b for other, a, b in alive.values())
            alive[ref.name] = spot


def test_an_integer_that_differs_is_found(tmp_path):
    """The proof of an artifact is exact where nothing is float: another bias, by one step of the answer, does not pass."""
    graph = quantized("gru", "static_wi8_ai16")
    program = compiled(graph, tmp_path)
    prove(graph, program)
    out = graph.layers[-1]
    more = Tensor(out.cell.b.stored + np.float32(integer_plan(graph).io_quantization[OUTPUT].scale))
    other = replace(graph, layers=(*graph.layers[:-1], replace(out, cell=replace(out.cell, b=more))))
    with pytest.raises(
        ParityError, match=r"on native .* differs from numpy at step 0 in 'y' by .*; expected at most 0:"
    ):
        prove(other, program)
