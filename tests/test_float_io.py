"""The float I/O adapter: what a raw stream has as integers, the usual one has as float, and nothing is lost between."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.artifact.manifest import dump_manifest, graph_manifest, parse_manifest, step_signature
from edgernn.cells import Dense, Gru, Standardize
from edgernn.errors import FrameError, StateError, UnsupportedError
from edgernn.integer.plan import integer_plan
from edgernn.interpreters.integer import IntegerStepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.float_io import FloatIO, integers, numbers
from zoo import GRAPHS, frames, keyword_spotter, t

KWS = keyword_spotter()
FEATURES = Layer("features", Standardize(t(6), Tensor(np.full(6, 2.0, np.float32))))
HALF = {
    "features before": Graph((FEATURES, Layer("gru", Gru(t(12, 6), t(12, 4)))), 6),
    "softmax after": GRAPHS["Dense softmax"],
    "x read twice": Graph((FEATURES, Layer("d", Dense(t(6, 6)), ("x",)), Layer("sum", GRAPHS["Sum"].layers[2].cell, ("features", "d"))), 6),
}  # fmt: skip
"""Graphs with an input or an output that stays float."""
ADAPTED = {name: GRAPHS[name] for name in ("Gru rest", "Lstm", "Embedding", "Conv1d", "Sum", "stack")} | HALF

every_scheme = pytest.mark.parametrize("scheme", STATIC)
every_adapted = pytest.mark.parametrize("name", ADAPTED)


@cache
def quantized(name, scheme):
    graph = (GRAPHS | ADAPTED | {"kws": KWS})[name]
    return quantize(calibrate(graph, [frames(graph, 48, seed) for seed in range(4)], growing="accept"), scheme)


def opened(graph, tmp_path):
    edgernn.save(graph, tmp_path / "m.rnn")
    return edgernn.open(tmp_path / "m.rnn")


@every_adapted
@every_scheme
def test_the_raw_stream_is_the_float_stream(name, scheme, tmp_path):
    """Frame by frame, result by result and state by state, and both are the definition."""
    graph = quantized(name, scheme)
    program, stepper = opened(graph, tmp_path), IntegerStepper(graph)
    manifest, raw, usual, states = program.manifest, program.stream(raw=True), program.stream(), stepper.initial_state()
    for x in frames(graph, 24, seed=5) * (1 if graph.vocabulary_size else 2):
        y, q = usual.step(x), raw.step(integers(manifest, "x", x))
        expected, states = stepper.step(x, states)
        assert q.dtype == manifest.dtype("y")
        np.testing.assert_array_equal(numbers(manifest, "y", q), y)
        np.testing.assert_array_equal(y, expected)
        for state, saved in raw.state.items():
            assert saved.dtype == manifest.dtype(state)
            np.testing.assert_array_equal(numbers(manifest, state, saved), usual.state[state])
            np.testing.assert_array_equal(usual.state[state], states[state])


@every_adapted
@every_scheme
def test_what_no_integer_operation_makes_or_reads_alone_stays_float(name, scheme):
    graph = quantized(name, scheme)
    plan, manifest = integer_plan(graph), graph_manifest(graph)
    assert {state: manifest.quantization.get(state) for state in plan.states} == plan.states
    readers = [plan.is_integer(op) for op in plan.trace.operations if plan.trace.x in op.inputs]
    assert ("x" in manifest.quantization) == (all(readers) and not graph.vocabulary_size)
    assert ("y" in manifest.quantization) == (plan.trace.y.name in plan.integer_values)
    assert (name in HALF) == (
        not graph.vocabulary_size and not {"x", "y"} <= manifest.quantization.keys()
    ) or name == "stack"


@settings(max_examples=60, deadline=None)
@given(data=st.data(), scheme=st.sampled_from(list(STATIC)), name=st.sampled_from(["Gru", "Lstm"]))
def test_every_state_comes_back_exactly(data, scheme, name):
    """Any integers at all, as float32 to whoever keeps them and back; and any other float is rounded to the nearest."""
    graph = quantized(name, scheme)
    manifest = graph_manifest(graph)
    for state, width in manifest.states.items():
        qparams = manifest.quantization[state]
        q = np.array(data.draw(st.lists(st.integers(qparams.low, qparams.high), min_size=width, max_size=width)))
        saved = numbers(manifest, state, q.astype(manifest.dtype(state)))
        assert saved.dtype == np.float32
        np.testing.assert_array_equal(integers(manifest, state, saved), q)
        off = (q - qparams.zero + data.draw(st.floats(-0.49, 0.49))) * qparams.scale
        np.testing.assert_array_equal(integers(manifest, state, off.astype(np.float32)), q)


class Echo:
    """A bound step that answers its own frame, as integers; and a block of them in one call."""

    guards, float_step = True, None

    def __init__(self, manifest):
        self.x, self.y = (np.zeros(6, manifest.dtype(name)) for name in ("x", "y"))

    def step(self):
        self.y[:] = self.x

    prime = step

    def run(self, xs, ys):
        ys[:] = xs
        return len(xs)


FRAMES = st.lists(
    st.lists(st.floats(-(2.0**90), 2.0**90, width=32) | st.floats(-4, 4, width=32), min_size=6, max_size=6),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(xs=FRAMES, scheme=st.sampled_from(list(STATIC)), bad=st.none() | st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_frame_is_quantized_by_its_parameters(xs, scheme, bad):
    """Alone and in a block, which ends before the first frame that must not enter."""
    manifest = graph_manifest(quantized("Scale", scheme))
    float_io, xs = FloatIO(Echo(manifest), manifest), np.array(xs, np.float32)
    if bad is not None:
        xs[-1, 3] = bad
    expected, results = manifest.quantization["y"].numbers(manifest.quantization["x"].integers(xs)), np.empty_like(xs)
    done = float_io.run(xs, results)
    assert done == len(xs) - (bad is not None)
    np.testing.assert_array_equal(results[:done], expected[:done])
    for x, y in zip(xs[:done], expected, strict=False):
        float_io.x[:] = x
        float_io.step()
        np.testing.assert_array_equal(float_io.y, y)


@pytest.fixture
def program(tmp_path):
    return opened(quantized("kws", "static_wi8_ai8"), tmp_path)


@pytest.mark.parametrize("on_bad_input", ["raise", "hold", "zero"])
def test_a_float_frame_is_guarded_before_it_is_rounded(program, on_bad_input):
    xs = frames(KWS, 3)
    bad, instead = xs[1].copy(), {"hold": xs[0], "zero": np.zeros_like(xs[0])}
    bad[4] = np.nan
    stream, expected = program.stream(on_bad_input=on_bad_input), program.stream()
    stream.step(xs[0])
    expected.step(xs[0])
    if on_bad_input == "raise":
        with pytest.raises(FrameError, match="element 4 of the frame is nan"):
            stream.step(bad)
    else:
        np.testing.assert_array_equal(stream.step(bad), expected.step(instead[on_bad_input]))
    np.testing.assert_array_equal(stream.step(xs[2]), expected.step(xs[2]))


def test_a_raw_stream_takes_its_own_integers_and_nothing_else(program):
    stream, q = program.stream(raw=True), np.arange(10, dtype=np.int8)
    for wrong, frame in {
        "a frame of float32 of shape (10,) arrived; expected an array of int8 of shape (10,)": q.astype(np.float32),
        "a frame of int64 of shape (10,) arrived": q.astype(np.int64),
        "a frame of int8 of shape (9,) arrived": q[1:],
    }.items():
        with pytest.raises(FrameError) as error:
            stream.step(frame)
        assert str(error.value).startswith(wrong)
    with pytest.raises(FrameError, match=r"out= .* expected a writeable array of int8 of shape \(4,\)"):
        stream.step(q, np.empty(4, np.float32))
    block = stream.run(np.stack([q, q]))
    assert (block.dtype, block.shape) == (np.int8, (2, 4))
    np.testing.assert_array_equal(stream.reset().step(q, np.empty(4, np.int8)), block[0])


def test_a_raw_state_is_integers(program):
    stream = program.stream(raw=True)
    saved = stream.state
    with pytest.raises(StateError, match=r"state 'gru.h' is float32; expected int8"):
        stream.state = {"gru.h": saved["gru.h"].astype(np.float32)}
    with pytest.raises(StateError, match=r"state 'gru.h' is int8; expected float32"):
        program.stream().state = saved
    with pytest.raises(StateError, match="belongs to another model"):
        stream.state = {"gru.h": saved["gru.h"][1:]}


@pytest.mark.parametrize("graph", [KWS, quantize(KWS)], ids=lambda graph: graph.precision)
def test_where_there_are_no_integers_raw_is_refused(graph, tmp_path):
    with pytest.raises(UnsupportedError, match=rf"raw=True, but '.*m.rnn' is {graph.precision}: none of its inputs"):
        opened(graph, tmp_path).stream(raw=True)


@every_scheme
def test_the_manifest_travels_with_its_quantization_parameters(scheme):
    graph = quantized("kws", scheme)
    manifest = graph_manifest(graph)
    assert parse_manifest(dump_manifest(manifest).encode(), "m") == manifest
    kind = f"int{STATIC[scheme]}"
    assert step_signature(manifest) == {
        "x": ((1, 10), kind), "gru.h.in": ((1, 16), kind), "y": ((1, 4), kind), "gru.h.out": ((1, 16), kind),
    }  # fmt: skip
