"""Delta steps: only changes beyond a threshold are used, in every interpreter and target alike."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import edgernn
from edgernn.cells import Conv1d, Deadband, Delay, Dense, Gru, GruResetBefore, LogMel, Lstm, Rnn, RnnStep
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
    "step": Graph((Layer("h", Delay(5), ("new",)), Layer("new", RnnStep(t(5, 6), t(5, 5), t(5)), ("x", "h"))), 6),
}
every_plain = pytest.mark.parametrize("name", PLAIN)
every_scheme = pytest.mark.parametrize("scheme", STATIC)


@cache
def static(name, scheme, x, h):
    graph = delta(PLAIN[name], x=x, h=h) if x is not None else PLAIN[name]
    return quantize(calibrate(graph, [frames(graph, 64, seed) for seed in range(3)], growing="accept"), scheme)


def quiet(graph, steps=STEPS, seed=3):
    """Frames that change little, and now and then much, as sound does."""
    random = np.random.default_rng(seed)
    jumps = random.standard_normal((steps, graph.inputs)) * (random.random((steps, 1)) < 0.1)
    return (np.cumsum(jumps, 0) + 0.1 * random.standard_normal((steps, graph.inputs))).astype(np.float32)


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
