"""Calibration: ranges cover the observed values exactly, and unsuitable data is refused."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import edgernn
from edgernn.artifact.rnn import digest, dumps, loads
from edgernn.cells import Activation, Dense, Gru, Lstm
from edgernn.errors import CalibrationError, FileError, FrameError, GraphError, UsageError
from edgernn.integer.plan import choose_qparams
from edgernn.interpreters.numpy import Stepper
from edgernn.interpreters.ranges import Observation, mse
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.range import Range
from edgernn.model.tensor import Tensor
from edgernn.passes.calibrate import METHODS, calibrate
from zoo import GRAPHS, frames, keyword_spotter, one, t

KWS = keyword_spotter()
RAGGED = [frames(KWS, steps, seed) for seed, steps in enumerate((20, 7, 1, 33, 20))]


def seen_by_definition(graph, sequences):
    """Every number of every value, frame by frame, in float64."""
    stepper, seen = Stepper(graph), {}
    for sequence in sequences:
        states = stepper.initial_state()
        for x in sequence:
            values = stepper.values(x, states)
            _, states = stepper.step(x, states)
            for name, value in values.items():
                seen.setdefault(name, []).extend(np.ravel(value).tolist())
    return {name: np.array(numbers) for name, numbers in seen.items()}


@pytest.mark.parametrize("name", ["Gru rest", "Lstm", "Conv1d dilated", "Embedding", "stack"])
def test_a_range_is_the_smallest_and_the_largest_of_the_definition(name):
    graph = GRAPHS[name]
    sequences = [frames(graph, steps, seed) for seed, steps in enumerate((20, 7, 1, 33, 20))]
    numbers, ranges = seen_by_definition(graph, sequences), calibrate(graph, sequences).ranges
    shared = {ref.name for state in Stepper(graph).trace.states for ref in (state.before, state.after)}
    for value, each in numbers.items():
        if value == "x" and graph.vocabulary_size:
            assert value not in ranges
        elif value not in shared:
            np.testing.assert_allclose([ranges[value].low, ranges[value].high], [each.min(), each.max()], atol=1e-5)
    for state in Stepper(graph).trace.states:
        both = np.concatenate([numbers[state.before.name], numbers[state.after.name]])
        assert ranges[state.before.name] == ranges[state.after.name]
        np.testing.assert_allclose(
            [ranges[state.before.name].low, ranges[state.before.name].high], [both.min(), both.max()], atol=1e-5
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_method_holds_no_more_than_was_seen(method):
    all_seen = calibrate(KWS, RAGGED).ranges
    for value, each in calibrate(KWS, RAGGED, method).ranges.items():
        assert all_seen[value].low - 1e-6 <= each.low <= each.high <= all_seen[value].high + 1e-6
        assert each.size > 0


def heavy_tailed():
    """Frames of which one element in 20,000 is 50 times too loud."""
    random = np.random.default_rng(0)
    xs = random.standard_normal((4, 5000, 6)).astype(np.float32)
    return list(np.where(random.random(xs.shape) < 5e-5, xs * 50, xs))


@pytest.mark.parametrize(("method", "share"), [("percentile", 0.5), ("mse", 0.9)])
def test_a_method_that_clips_rounds_better_what_is_rarely_loud(method, share):
    graph, sequences = one(Activation("relu")), heavy_tailed()
    xs = np.concatenate(sequences)

    def median_error(seen):
        qparams = choose_qparams(seen, 8)
        return float(np.median(np.abs(qparams.numbers(qparams.integers(xs)) - xs)))

    plain, clipped = (calibrate(graph, sequences, each).ranges["x"] for each in ("min-max", method))
    assert median_error(clipped) < share * median_error(plain)


def test_mse_is_the_best_of_all_shares():
    """The oracle is the error of the quantization itself, on the same numbers."""
    random = np.random.default_rng(1)
    xs = random.standard_normal(200_000) ** 3
    counts, _ = np.histogram(xs, 2048, (xs.min(), xs.max()))

    def error(seen):
        qparams = choose_qparams(seen, 8)
        return float(np.mean((qparams.numbers(qparams.integers(xs)) - xs) ** 2))

    whole = Range(xs.min(), xs.max())
    best = mse(Observation(whole.low, whole.high, (), counts))
    tried = [error(Range(share * whole.low, share * whole.high)) for share in np.linspace(0.2, 1, 33)]
    assert error(best) <= 1.05 * min(tried)
    assert error(best) < error(whole)


@dataclass(frozen=True)
class Decaying:
    """h = keep * h + x."""

    keep: float
    states = {"h": 6}  # noqa: RUF012
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        h = ops.scale(state[0], self.keep) + x
        return h, (h,)


def test_a_range_that_keeps_growing_is_reported():
    graph = one(Decaying(1.0), name="sum")
    runs = [np.full((400, 6), 0.5, np.float32) + 0.01 * frames(graph, 400, seed) for seed in range(2)]
    with pytest.raises(
        CalibrationError,
        match=r"state 'sum.h' keeps growing: it reached 20\d after 400 frames, and grows by 0\.5\d* with every frame",
    ):
        calibrate(graph, runs)
    assert calibrate(graph, runs, growing="accept").ranges["sum.h.in"].high == pytest.approx(200, rel=0.01)
    calibrate(graph, [run[:63] for run in runs])  # too short to tell
    calibrate(one(Decaying(0.9)), runs)


@pytest.mark.parametrize("cell", [Gru(t(15, 6), t(15, 5)), Lstm(t(20, 6), t(20, 5), t(20))], ids=["Gru", "Lstm"])
def test_a_trained_kind_of_cell_does_not_grow_on_noise(cell):
    calibrate(one(cell), [frames(one(cell), 600, seed) for seed in range(3)])


def altered(value, at=(3, 2)):
    sequence = frames(KWS, 40)
    sequence[at] = value
    return sequence


BAD = {
    "too short": ([frames(KWS, 20)], CalibrationError, "20 frames arrived for calibration; expected at least 32"),
    "nothing": ([], CalibrationError, "0 frames arrived"),
    "constant": ([np.full((40, 10), 2.0, np.float32)] * 2, CalibrationError, "all 80 frames are equal"),
    "not finite": ([RAGGED[0], altered(np.nan)], FrameError, "element 2 of frame 3 of sequence 1 is nan; expected a finite number"),
    "too narrow": ([frames(one(Activation("relu"), 9), 40)], FrameError, r"sequence 0 is float32 of shape \(40, 9\); expected an array of float32 of shape \(time, 10\).* layer 'gru' reads 10 values"),
    "one frame": ([frames(KWS, 40)[0]], FrameError, r"shape \(10,\)"),
    "doubles": ([frames(KWS, 40).astype(float)], FrameError, "sequence 0 is float64"),
    "empty": ([RAGGED[0], RAGGED[0][:0]], FrameError, r"sequence 1 is float32 of shape \(0, 10\)"),
    "a list": ([frames(KWS, 40).tolist()], FrameError, "sequence 0 is a list"),
    "too loud": ([altered(3e38)], CalibrationError, "value 'gru/.*' of layer 'gru' is not finite on these sequences"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_unsuitable_data_is_refused(name):
    sequences, error, words = BAD[name]
    loud = replace(KWS, layers=(replace(KWS.layers[0], cell=replace(KWS.layers[0].cell, w=Tensor(np.ones((48, 10), np.float32) * 100))), KWS.layers[1]))  # fmt: skip
    with pytest.raises(error, match=words):
        calibrate(loud, sequences)


def test_a_symbol_outside_the_table_is_refused():
    with pytest.raises(
        FrameError, match="element 0 of frame 0 of sequence 0 is 9; expected 0 to 8, a row of the table"
    ):
        calibrate(GRAPHS["Embedding"], [np.full((40, 1), 9, np.int32)])


def test_a_misspelt_argument_is_refused():
    with pytest.raises(UsageError, match="there is no method 'min-mox'; did you mean 'min-max'"):
        calibrate(KWS, RAGGED, "min-mox")
    with pytest.raises(UsageError, match="growing='ignore' does not exist; there are 'refuse' and 'accept'"):
        calibrate(KWS, RAGGED, growing="ignore")


def test_a_logarithm_of_zero_has_no_range():
    graph = Graph((Layer("relu", Activation("relu")), Layer("log", Activation("log")), Layer("d", Dense(t(2, 6)))), 6)
    with pytest.raises(CalibrationError, match="value 'd/0' of layer 'd' is not finite"):
        calibrate(graph, [frames(graph, 40)])
    assert "log/0" not in calibrate(replace(graph, layers=graph.layers[:2]), [frames(graph, 40)]).ranges


# A graph's ranges


def test_ranges_travel_with_the_graph(tmp_path):
    calibrated = calibrate(KWS, RAGGED)
    assert calibrated.ranges.keys() == {
        "x",
        *Stepper(KWS).trace.last_use,
        *(ref.name for op in Stepper(KWS).trace.operations for ref in op.outputs),
    }
    edgernn.save(calibrated, tmp_path / "m.rnn")
    assert edgernn.load(tmp_path / "m.rnn") == calibrated != KWS
    assert calibrated.astype("float64").ranges == calibrated.ranges
    assert digest(calibrated) != digest(KWS)
    assert dumps(loads(dumps(calibrated))) == dumps(calibrated)
    assert replace(calibrated, ranges={}) == KWS


def test_ranges_that_belong_to_nothing_are_refused():
    with pytest.raises(
        GraphError, match=r"there is no value 'gru/99' that could have a range; there are x, gru.h.in, gru/0"
    ):
        replace(KWS, ranges={"gru/99": Range(0, 1)})
    with pytest.raises(GraphError, match=r"a range is not a Range; write Range\(low, high\)"):
        replace(KWS, ranges={"x": (0, 1)})
    for low, high in ((1, 0), (0, np.inf), (np.nan, 1)):
        with pytest.raises(GraphError, match="expected finite, low <= high"):
            Range(low, high)
    with pytest.raises(GraphError, match="layer 'gru' computes in 'fp16'; there are static_wi8_ai8"):
        replace(KWS, layers=(replace(KWS.layers[0], scheme="fp16"), KWS.layers[1]))


def test_a_file_of_a_range_that_is_none_is_refused():
    from test_file import with_checksum

    data = dumps(replace(KWS, ranges={"x": Range(0, 1)}))
    with pytest.raises(FileError, match="does not hold a valid graph"):
        loads(with_checksum(data, b"[0.0,1.0]", b"[2.0,1.0]"))
