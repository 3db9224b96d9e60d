"""Delta steps: only changes beyond a threshold are used, in every interpreter and target alike."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import edgernn
import static_zoo
from edgernn.cells import Activation, Conv1d, Deadband, Delay, Dense, Gru, GruResetBefore, LogMel, Lstm, Rnn, RnnStep
from edgernn.device.runtimes import suffixes
from edgernn.errors import GraphError, UsageError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.factored import Factored
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.delta import delta
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from edgernn.train.network.graph_network import GraphNetwork
from edgernn_export import export
from edgernn_export.counting.count import count
from ways import EVERY_KERNEL_WAY, WAYS, needs
from zoo import frames, one, t

X, H = 0.25, 0.03125
STEPS = 48
NET = Graph((Layer("gru", Gru(t(60, 6), t(60, 20), t(60), t(60))), Layer("out", Dense(t(5, 20), t(5)))), 6)
SMALL = Gru(t(9, 2), t(9, 3), t(9), t(9))
PLAIN = {
    "net": NET,
    "lstm": Graph((Layer("lstm", Lstm(t(80, 6), t(80, 20), t(80))), Layer("out", Dense(t(3, 20), None, "softmax"))), 6),
    "relu": one(Rnn(t(5, 6), t(5, 5), t(5), "relu")),
    "shared": one(SMALL, positions=3),
    "frames": one(SMALL, frames=3),
    "later": one(Gru(t(9, 6), t(9, 3)), begins=2, initial_state={"layer.h": t(3)}),
    "factored": one(Gru(Factored(t(15, 2), t(2, 6)), Factored(t(15, 3), t(3, 5)), t(15), t(15))),
    "reset before": one(GruResetBefore(t(15, 6), t(10, 5), t(5, 5), t(15))),
    "window": one(Conv1d(3, t(4, 18), t(4))),
    "drift": one(Gru(t(24, 6), t(24, 8), t(24), t(24))),
    "step": Graph((Layer("h", Delay(5), ("new",)), Layer("new", RnnStep(t(5, 6), t(5, 5), t(5)), ("x", "h"))), 6),
}
every_plain = pytest.mark.parametrize("name", PLAIN)
every_scheme = pytest.mark.parametrize("scheme", STATIC)


@cache
def static(name, scheme, x, h):
    graph = delta(PLAIN[name], x=x, h=h) if x is not None else PLAIN[name]
    return quantize(calibrate(graph, [frames(graph, 64, seed) for seed in range(3)], growing="accept"), scheme)


def quiet(graph, steps=STEPS, seed=3):
    """Frames that change little, and now and then much, as sound does; in eighths, so that some change by a threshold."""
    random = np.random.default_rng(seed)
    levels = random.standard_normal((steps, graph.inputs))
    last = np.maximum.accumulate(np.where(random.random(steps) < 0.1, np.arange(steps), 0))
    return (np.rint(8 * levels[last] + 0.8 * random.standard_normal((steps, graph.inputs))) / 8).astype(np.float32)


def kept_sum(weight, x, held, sums, threshold):
    """Equations 5 to 8 of the paper: the columns of what moved are added to sums that are kept."""
    moved = np.abs(x - held) > threshold
    sums += weight.dense(np.float64)[:, moved] @ (x - held)[moved]
    held[moved] = x[moved]
    return sums


def delta_gru(cell, xs, x_threshold, h_threshold):
    """The GRU of the paper in plain numpy, with PyTorch's reset gate."""
    width, h = cell.u.shape[1], np.zeros(cell.u.shape[1])
    held_x, held_h = np.zeros(xs.shape[1]), np.zeros(width)
    of_x, of_h, columns, ys = np.zeros(3 * width), np.zeros(3 * width), 0, []
    for x in xs.astype(np.float64):
        columns += (np.abs(x - held_x) > x_threshold).sum() + (np.abs(h - held_h) > h_threshold).sum()
        a = kept_sum(cell.w, x, held_x, of_x, x_threshold) + cell.b.dense(np.float64)
        b = kept_sum(cell.u, h, held_h, of_h, h_threshold) + cell.c.dense(np.float64)
        r, z = (1 / (1 + np.exp(-(a[k : k + width] + b[k : k + width]))) for k in (0, width))
        n = np.tanh(a[2 * width :] + r * b[2 * width :])
        h = n + z * (h - n)
        ys.append(h)
    return np.array(ys), columns


def test_the_step_is_that_of_the_paper():
    cell = NET.layers[0].cell
    graph = Graph(NET.layers[:1], 6)
    xs = quiet(graph, 200)
    expected, columns = delta_gru(cell, xs, X, H)
    actual, states = Stepper(delta(graph, x=X, h=H)).run(xs)
    np.testing.assert_allclose(actual, expected, atol=1e-12)
    assert columns < 0.7 * 26 * 200
    assert list(states) == ["gru.h", "gru.held_0", "gru.held_1"]
    assert np.abs(actual - Stepper(graph).run(xs)[0]).max() > 0.01


@every_plain
def test_the_threshold_zero_is_the_step_without_one(name):
    graph = PLAIN[name]
    xs = quiet(graph)
    expected, states = Stepper(graph).run(xs)
    actual, others = Stepper(delta(graph, x=0, h=0)).run(xs)
    np.testing.assert_array_equal(actual, expected)
    for state, value in states.items():
        np.testing.assert_array_equal(others[state], value)


@every_plain
@every_scheme
def test_the_threshold_zero_has_the_same_integers(name, scheme):
    graph = static(name, scheme, 0, 0)
    xs = quiet(graph)
    np.testing.assert_array_equal(
        IntegerStepper(graph).run(xs)[0], IntegerStepper(static(name, scheme, None, None)).run(xs)[0]
    )


@given(x=st.floats(0, 2), h=st.floats(0, 1), seed=st.integers(0, 99))
def test_what_is_held_is_never_further_away_than_the_threshold(x, h, seed):
    graph = delta(NET, x=x, h=h)
    stepper, states = Stepper(graph), Stepper(graph).initial_state()
    for frame in quiet(graph, 12, seed):
        before = states
        _, states = stepper.step(frame, states)
        pairs = (("gru.held_0", frame, x), ("gru.held_1", before["gru.h"], h), ("out.held_0", states["gru.h"], x))
        for name, value, threshold in pairs:
            near = np.abs(value - before[name]) <= threshold
            np.testing.assert_array_equal(states[name], np.where(near, before[name], value))


@pytest.mark.parametrize("suffix", suffixes())
@every_plain
def test_every_target_replays_the_reference(name, suffix, tmp_path):
    graph = delta(PLAIN[name], x=X, h=H)
    path = tmp_path / f"m{suffix}"
    _ = edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
    xs = quiet(graph)
    expected, states = Stepper(graph).run(xs)
    stream = edgernn.open(path).stream()
    np.testing.assert_allclose(flat_answer(stream.run(xs)), expected, atol=2e-5)
    assert list(stream.state) == list(states)
    for key, state in stream.state.items():
        np.testing.assert_allclose(state, states[key], atol=2e-5)


def test_a_file_holds_the_thresholds(tmp_path):
    graph = delta(NET, x=X)
    edgernn.save(graph, tmp_path / "m.rnn")
    assert edgernn.load(tmp_path / "m.rnn").layers == graph.layers
    assert graph.layers[0] == replace(NET.layers[0], delta_x=X)


def test_training_runs_the_step_and_every_change_has_a_gradient():
    graph = delta(NET, x=X, h=H)
    xs = torch.from_numpy(np.stack([quiet(graph, 20, seed) for seed in range(3)])).requires_grad_()
    network = GraphNetwork(graph)
    ys, _ = network.run(xs)
    for y, sequence in zip(ys.detach().numpy(), xs.detach().numpy(), strict=True):
        np.testing.assert_allclose(y, Stepper(graph).run(sequence)[0], atol=1e-5)
    ys.square().sum().backward()
    assert (xs.grad != 0).all()


# Compiled steps, which skip what did not move


FORMS = {
    "float": lambda graph: graph,
    "weights": lambda graph: quantize(graph, "weight_only_wi8_afp32"),
}
WIDE = Graph(
    (
        Layer("gru", Gru(t(81, 70), t(81, 27), t(81), t(81))),
        Layer("out", Dense(t(20, 27), None, "tanh")),
    ),
    70,
)
"""Inputs of more than one list, and blocks of rows beside four and alone."""
QUIET = """
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wunused-function" /* conversions that a program calls */
#endif
"""
SOME_WAYS = (
    *(
        "gcc x86-64-v3",
        "clang x86-64-v4-vnni",
        "g++ x86-64",
        "sanitized",
        "sanitized portable",
        "aarch64",
        "armv7-neon",
        "cortex-m4",
        "cortex-m55",
        "rows",
    ),
)
some_ways = pytest.mark.parametrize(
    "way", [way for way in EVERY_KERNEL_WAY if (way if isinstance(way, str) else way.values[0]) in SOME_WAYS]
)


@cache
def compiled():
    """Graphs with thresholds in every form that C has, the program that steps them, its input, and what it computes."""
    graphs = {name: form(delta(WIDE, x=X, h=H)) for name, form in FORMS.items()}
    sequences = [quiet(WIDE, 64, seed) for seed in range(3)]
    graphs |= {scheme: quantize(calibrate(delta(WIDE, x=X, h=H), sequences), scheme) for scheme in STATIC}
    graphs |= {f"far {scheme}": quantize(calibrate(delta(WIDE, x=X, h=H), sequences), scheme) for scheme in STATIC}
    data, expected = b"", []
    for name, graph in graphs.items():
        xs = quiet(graph, 120, 5) * (np.arange(120) % 50 != 7)[:, None].astype("f")
        if name.startswith("far"):
            xs[:, ::31] = 100 * (-1) ** np.arange(120)[:, None]  # a few go from one end of the integers to the other
        fresh = np.isin(np.arange(120), (0, 60)).astype(np.uint8)
        stepper = IntegerStepper(graph) if graph.layers[0].scheme else Stepper(graph, "float32")
        quantization = stepper.plan.io_quantization if graph.layers[0].scheme else {}
        qparams = quantization.get("x")
        frames_in = xs if qparams is None else qparams.integers(xs).astype(f"int{qparams.bits}")
        data += np.uint32(len(xs)).tobytes()
        data += b"".join(bytes([each]) + frame.tobytes() for each, frame in zip(fresh.tolist(), frames_in, strict=True))
        states = {}
        for each, frame in zip(fresh, xs, strict=True):
            states = stepper.initial_state() if each else states
            y, states = stepper.step(frame, states)
            expected.append((name, quantization, y, states))
    return QUIET + static_zoo.program(list(graphs.values())), data, expected


def numbers(data, name, quantization, width):
    """The first numbers of the output of a program, and the rest of it."""
    qparams = quantization.get(name)
    dtype = np.dtype("float32" if qparams is None else f"int{qparams.bits}")
    each = np.frombuffer(data[: dtype.itemsize * width], dtype)
    return each if qparams is None else qparams.numbers(each.astype(np.int64)), data[dtype.itemsize * width :]


@some_ways
def test_every_processor_computes_the_step_with_thresholds(way, tmp_path):
    """Integers bit for bit; clean under every warning and sanitizer. A stream is reset on its way."""
    program, data, expected = compiled()
    rest = WAYS[way].output(tmp_path, program, data)
    for name, quantization, y, states in expected:
        exact = {"atol": 0, "rtol": 0} if quantization else {"atol": 1e-5}
        actual, rest = numbers(rest, "y", quantization, len(y))
        np.testing.assert_allclose(actual, y, err_msg=name, **exact)
        for state, value in states.items():
            actual, rest = numbers(rest, state, quantization, len(value))
            np.testing.assert_allclose(actual, value, err_msg=f"{name} {state}", **exact)
    assert not rest


def opened(graph, path):
    export(graph, path)
    return edgernn.open(path)


@every_scheme
def test_integers_never_drift(scheme, tmp_path):
    """A million steps whose sums were kept end in the bits of a million steps without thresholds."""
    xs = quiet(PLAIN["drift"], 1_000_000)
    runs = [opened(static("drift", scheme, x, x), tmp_path / f"{x}.so").stream() for x in (0, None)]
    kept, dense = (stream.run(xs) for stream in runs)
    np.testing.assert_array_equal(kept, dense)
    np.testing.assert_array_equal(runs[0].state["layer.h"], runs[1].state["layer.h"])


def test_floats_do_not_drift_either(tmp_path):
    """All columns are read again now and then, so the rounding of a million steps does not add up."""
    xs = quiet(PLAIN["drift"], 1_000_000)
    kept, dense = (
        opened(graph, tmp_path / f"{i}.so").stream().run(xs)
        for i, graph in enumerate((delta(PLAIN["drift"], x=0, h=0), PLAIN["drift"]))
    )
    assert np.sqrt(np.square(kept - dense)[-10_000:].mean()) < 1e-5


def test_a_state_that_is_set_is_where_the_step_goes_on(tmp_path):
    graph = delta(NET, x=X, h=H)
    stream, other = (opened(graph, tmp_path / "m.so").stream() for _ in range(2))
    xs = quiet(graph, 60)
    stream.run(xs[:30])
    other.run(quiet(graph, 17, seed=9))
    other.state = stream.state
    np.testing.assert_allclose(other.run(xs[30:]), stream.run(xs[30:]), atol=1e-5)


@pytest.mark.parametrize("form", ["float", *STATIC])
def test_streams_at_once_and_primed_ones_compute_the_same(form, tmp_path):
    """All columns are read for those, and no bit of a primed stream changes; float rounds within 1e-5."""
    graph = delta(NET, x=X, h=H) if form == "float" else static("net", form, X, H)
    program = opened(graph, tmp_path / "m.so")
    xs = np.stack([quiet(graph, 30, seed) for seed in range(5)])
    alone = np.stack([program.stream().run(each) for each in xs])
    streams, primed = program.streams(5), program.stream()
    slots = [streams.join() for _ in xs]
    together = np.stack([streams.step(frames, slots) for frames in xs.swapaxes(0, 1)], 1)
    np.testing.assert_allclose(together, alone, atol=1e-5 if form == "float" else 0, rtol=0)
    for x, y in zip(xs[0], alone[0], strict=True):
        primed.prime()
        np.testing.assert_array_equal(primed.step(x), y)


def test_what_is_not_finite_is_gone_with_its_input(tmp_path):
    """The logarithm of 0 makes a step infinite; the sums that are kept do not stay so."""
    layers = (Layer("log", Activation("log")), Layer("out", Dense(t(20, 6), t(20)), delta_x=0.1))
    graph = Graph(layers, 6)
    xs = np.abs(quiet(graph, 40)) + 0.01
    xs[5:8, 2], xs[20] = 0, 0
    with np.errstate(invalid="ignore"):
        expected = Stepper(graph).run(xs)[0]
    actual = opened(graph, tmp_path / "m.so").stream().run(xs)
    assert not np.isfinite(expected[5:8]).any()
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@needs("valgrind")
def test_a_quiet_step_takes_few_instructions():
    """Where nothing moves, no column is read and no gate is computed."""
    graph = delta(WIDE, x=X, h=H)
    still = np.tile(quiet(graph, 1), (200, 1))
    dense, kept = (count(each, still).instructions for each in (WIDE, graph))
    assert kept < dense / 3
    assert kept < count(graph, quiet(graph, 200)).instructions


@needs("valgrind")
@every_scheme
def test_integers_that_all_move_take_hardly_more_instructions(scheme):
    """All columns are then read, as without thresholds; only the search for what moved, and what is kept, come on top."""
    plain = Graph((Layer("gru", Gru(t(192, 20), t(192, 64), t(192), t(192))),), 20)
    xs = frames(plain, 100)
    dense, kept = (
        count(quantize(calibrate(graph, [xs]), scheme), xs).instructions for graph in (plain, delta(plain, x=0, h=0))
    )
    assert kept < 1.15 * dense


@needs("valgrind")
@every_scheme
def test_integers_of_which_one_moves_take_fewer_instructions(scheme):
    """One group of columns is read."""
    plain = Graph((Layer("out", Dense(t(192, 64), t(192))),), 64)
    xs = frames(plain, 100)
    still = np.where(np.arange(64) == 3, xs, xs[:1])
    dense, kept = (
        count(quantize(calibrate(graph, [xs]), scheme), still).instructions for graph in (plain, delta(plain, x=0))
    )
    assert kept < 0.75 * dense


# Refusals


@pytest.mark.parametrize("threshold", [-1e-9, float("nan"), float("inf"), 1e39])
@pytest.mark.parametrize("of", ["x", "h"])
def test_a_threshold_is_a_finite_number_from_zero_on(of, threshold):
    with pytest.raises(GraphError, match=rf"layer 'gru' has delta_{of}=.*expected a threshold from 0 on"):
        delta(NET, **{of: threshold})


def test_a_dead_band_is_a_finite_number_from_zero_on():
    with pytest.raises(GraphError, match="expected at least one input, and at least 0"):
        Deadband(3, -0.1)
    with pytest.raises(GraphError, match=r"Deadband.threshold is inf; expected a number that is finite"):
        Deadband(3, float("inf"))


def test_dynamic_integers_are_refused_with_their_reason():
    with pytest.raises(
        GraphError, match=r"every step has a new scale.*quantize it as static_wi8_ai8 or static_wi8_ai16"
    ):
        quantize(delta(NET, x=X))
    with pytest.raises(UsageError, match="has its integers already"):
        delta(quantize(NET), x=X)


def test_layers_without_a_use_for_thresholds_are_refused():
    with pytest.raises(UsageError, match="no threshold arrived"):
        delta(NET)
    with pytest.raises(UsageError, match="no layer is left"):
        delta(NET, x=X, keep=("gru", "out"))
    with pytest.raises(UsageError, match="there is no layer 'gro' to keep"):
        delta(NET, x=X, keep=("gro",))
    with pytest.raises(GraphError, match=r"computes features, which no pass changes; expected None"):
        Graph((Layer("mel", LogMel(6, 800, 15, 4), delta_x=0.1),), 6)
    with pytest.raises(GraphError, match=r"carries nothing from frame to frame; expected None"):
        one(SMALL, positions=3, sweep="forward", delta_x=0.1)
