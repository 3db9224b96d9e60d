"""Input columns of very different scales: equalized where it is exact and free, with a warning where rounding loses much."""

import re
from dataclasses import replace

import numpy as np
import pytest

import edgernn
from edgernn.cells import Concat, Conv1d, Dense, Gru, Lstm, Mgu, Standardize, Sum
from edgernn.cli import call, cli
from edgernn.errors import GraphError, PrecisionWarning
from edgernn.interpreters.integer import stepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.range import Range
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.columns import ColumnRanges, balanced, column_ranges, input_columns
from edgernn.passes.noise import noise
from edgernn.passes.prepare import Calibration, calibrate_and_quantize
from edgernn.passes.quantize import equalize_columns, quantize
from edgernn.passes.rounding import rounded
from edgernn_export import export
from zoo import GRAPHS, frames, keyword_spotter, one, t

INT8 = ("weight_only_wi8_afp32", DYNAMIC, *STATIC)
PLACES = [name for name, graph in GRAPHS.items() if input_columns(graph) is not None]

_random = np.random.default_rng(0)
XS = _random.standard_normal((60, 3)).astype(np.float32) * np.float32([500, 1, 1]) + np.float32([2000, 0, 0])
COUNTS = np.float32([1e-3, 1, 1])  # of the weights of each column: the first is a raw count near 2000


def counted(w: Tensor, taps: int = 1) -> Tensor:
    """A matrix that reads such a frame, or several."""
    return Tensor(w.stored * np.tile(COUNTS, taps))


MIXED = {
    "Gru": lambda: one(Gru(counted(t(48, 3)), t(48, 16), t(48), t(48)), 3),
    "Gru no bias": lambda: one(Gru(counted(t(48, 3)), t(48, 16)), 3),
    "Lstm": lambda: one(Lstm(counted(t(64, 3)), t(64, 16), t(64)), 3),
    "Mgu": lambda: one(Mgu(counted(t(32, 3)), t(16, 16), t(16, 16), t(32)), 3),
    "Conv1d": lambda: one(Conv1d(3, counted(t(8, 9), 3), t(8), 2), 3),
    "standardized otherwise": lambda: Graph(
        (
            Layer("features", Standardize(Tensor(np.float32([0, 1, 1])), Tensor(np.float32([1, 2, 2])))),
            Layer("gru", Gru(counted(t(48, 3)), t(48, 16), t(48), t(48))),
        ),
        3,
    ),
    "two readers": lambda: Graph(
        (
            Layer("a", Gru(counted(t(24, 3)), t(24, 8), t(24), t(24))),
            Layer("b", Dense(counted(t(8, 3)), t(8), "tanh"), (INPUT,)),
            Layer("both", Concat(), ("a", "b")),
        ),
        3,
    ),
}


def snr_db(expected, actual) -> float:
    return float(10 * np.log10(np.square(expected).mean() / np.square(actual - expected).mean()))


@pytest.mark.parametrize("scheme", [DYNAMIC, "weight_only_wi8_afp32"])
@pytest.mark.parametrize("known", [True, False], ids=["with data", "without"])
@pytest.mark.parametrize("name", PLACES)
def test_scales_change_nothing_but_the_order_of_rounding(name, known, scheme):
    graph = GRAPHS[name].astype("float64")
    at = input_columns(graph)
    random = np.random.default_rng(1)
    low = 100 * random.standard_normal(at.width)
    scaled = balanced(graph, at, scheme, ColumnRanges(low, low + random.uniform(0, 50, at.width)) if known else None)
    xs = frames(graph, 20)
    np.testing.assert_allclose(Stepper(scaled).run(xs)[0], Stepper(graph).run(xs)[0], rtol=1e-9, atol=1e-9)


def test_the_columns_of_most_cells_can_be_scaled():
    movable = {"Rnn", "Gru", "Lstm", "Dense", "Conv1d", "Conv1d dilated", "FastGrnn", "Mgu", "LayerNormGru", "stack"}
    assert {*movable, "Gru factored", "LogMel before a net", "Sum"} <= set(PLACES)


@pytest.mark.parametrize("scheme", INT8)
@pytest.mark.parametrize("name", MIXED)
def test_a_raw_count_beside_small_numbers_keeps_its_accuracy(name, scheme):
    graph = calibrate(MIXED[name](), [XS])
    expected, actual = Stepper(graph).run(XS)[0], stepper(quantize(graph, scheme)).run(XS)[0]
    assert snr_db(expected, actual) > 25
    assert snr_db(expected, stepper(rounded(graph, scheme)).run(XS)[0]) < snr_db(expected, actual)


@pytest.mark.parametrize(("scheme", "suffix"), [*((scheme, ".so") for scheme in INT8), ("static_wi8_ai8", ".onnx"), ("static_wi8_ai8", ".tflite"), (DYNAMIC, ".tflite")])  # fmt: skip
def test_every_runtime_keeps_it(scheme, suffix, tmp_path):
    graph = MIXED["Gru"]()
    export(quantize(calibrate(graph, [XS]), scheme), tmp_path / f"m{suffix}")
    assert snr_db(Stepper(graph).run(XS)[0], edgernn.open(tmp_path / f"m{suffix}").stream().run(XS)) > 25


@pytest.mark.parametrize("scheme", ["weight_only_wi8_afp32", DYNAMIC])
def test_without_data_the_weights_tell(scheme):
    graph = MIXED["Gru"]()
    assert snr_db(Stepper(graph).run(XS)[0], stepper(quantize(graph, scheme)).run(XS)[0]) > 20


@pytest.mark.parametrize("scheme", [None, *INT8])
@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_a_graph_that_needs_no_scale_is_unchanged_without_a_warning(name, scheme):
    graph = GRAPHS[name]
    if scheme in STATIC:
        xs = frames(graph, 64)
        graph = calibrate(graph, [np.abs(xs) if name == "Activation log" else xs], growing="accept")
    scheme = scheme or FOUR_BITS  # warnings are errors here, at four bits too
    assert quantize(graph, scheme).layers == rounded(graph, scheme).layers


@pytest.mark.parametrize("scheme", ["weight_only_wi8_afp32", DYNAMIC])
def test_behind_a_standardization_small_weights_are_no_sign_of_large_numbers(scheme):
    """They read columns that matter little; and without data, columns are not scaled twice."""
    even = Layer("even", Standardize(Tensor(np.zeros(3, np.float32)), Tensor(np.ones(3, np.float32))))
    graph = Graph((even, *MIXED["Gru"]().layers), 3)
    assert equalize_columns(graph, scheme) is graph
    once = equalize_columns(MIXED["Gru"](), scheme)
    assert len(once.layers) == 2
    assert equalize_columns(once, scheme) is once


def test_a_standardization_takes_the_scales_and_no_layer_is_added():
    graph = calibrate(MIXED["standardized otherwise"](), [XS])
    assert [layer.name for layer in equalize_columns(graph, DYNAMIC).layers] == ["features", "gru"]
    assert [layer.name for layer in equalize_columns(calibrate(MIXED["Gru"](), [XS]), DYNAMIC).layers] == [
        "columns",
        "layer",
    ]


@pytest.mark.parametrize("name", MIXED)
def test_ranges_move_with_the_columns(name):
    """The ranges are those of a later calibration; a carried value has the range of the input, and of its initial state."""
    graph = calibrate(MIXED[name](), [XS])
    equalized = equalize_columns(graph, "static_wi8_ai8")
    assert equalized is not graph
    again = calibrate(replace(equalized, ranges={}), [XS]).ranges
    assert equalized.ranges.keys() == again.keys()
    for value, known in equalized.ranges.items():
        whole = again[value] | again["columns/0"] | Range(0, 0) if name == "Conv1d" and value != INPUT else again[value]
        size = 1e-3 * max(1.0, whole.size)
        assert whole.low - size <= known.low <= again[value].low + size, value
        assert again[value].high - size <= known.high <= whole.high + size, value


SHARED = t(15, 5)

NO_PLACE = {
    "symbols": lambda: GRAPHS["Embedding"],
    "a sum with what comes in": lambda: Graph((Layer("d", Dense(t(6, 6))), Layer("s", Sum(), ("d", "x"))), 6),
    "quantized": lambda: rounded(keyword_spotter(), DYNAMIC),
    "one tensor in two matrices": lambda: one(Gru(SHARED, SHARED), 5),
    "what comes in is answered": lambda: Graph((Layer("d", Dense(t(6, 6))), Layer("c", Concat(), ("d", "x"))), 6),
}


@pytest.mark.parametrize("name", NO_PLACE)
def test_columns_that_more_than_matrices_read_are_not_scaled(name):
    assert input_columns(NO_PLACE[name]()) is None


def test_a_layer_that_is_kept_is_not_scaled():
    graph = calibrate(MIXED["Gru"](), [XS])
    assert input_columns(graph, ("layer",)) is None
    assert equalize_columns(MIXED["two readers"](), DYNAMIC, keep=("b",), sequences=[XS]).layers == MIXED["two readers"]().layers or input_columns(MIXED["two readers"](), ("b",)) is None  # fmt: skip


def test_calibrating_finds_the_ends_of_every_column_and_a_file_keeps_them(tmp_path):
    graph = calibrate(MIXED["Gru"](), [XS[:30], XS[30:]])
    np.testing.assert_array_equal(np.array(graph.ranges[INPUT].columns), np.stack([XS.min(axis=0), XS.max(axis=0)], 1))
    edgernn.save(graph, tmp_path / "m.rnn")
    assert edgernn.load(tmp_path / "m.rnn").ranges == graph.ranges
    assert not any(each.columns for each in quantize(graph, "static_wi8_ai8").ranges.values())
    with pytest.raises(GraphError, match="a column arrived whose ends are not finite"):
        Range(0, 1, ((1, 0),))


def test_columns_behind_features_are_those_that_the_features_make():
    graph, xs = GRAPHS["LogMel before a net"], frames(GRAPHS["LogMel before a net"], 40)
    at = input_columns(graph)
    values, states = [], Stepper(graph, "float32").initial_state()
    for x in xs:
        values.append(Stepper(graph, "float32").values(x, states)[at.value])
        _, states = Stepper(graph, "float32").step(x, states)
    ranges = column_ranges(graph, at, [xs])
    np.testing.assert_allclose(ranges.low, np.min(values, axis=0), rtol=1e-5)
    np.testing.assert_allclose(ranges.high, np.max(values, axis=0), rtol=1e-5)


def test_the_noise_of_a_matrix_is_what_its_rounding_adds():
    weight, x = np.random.default_rng(2).standard_normal((8, 5)).astype(np.float32), frames(one(Dense(t(8, 5)), 5), 90)
    graph = one(Dense(Tensor(weight)), 5)
    step = np.abs(weight).max(axis=1, keepdims=True) / 127
    lost = x @ (np.rint(weight / step) * step - weight).T
    expected = 10 * np.log10((x @ weight.T).var(axis=0).sum() / np.square(lost).mean(axis=0).sum())
    (result,) = noise(graph, rounded(graph, "weight_only_wi8_afp32"), {"x": x})
    assert (result.layer, result.field) == ("layer", "w")
    assert result.snr_db == pytest.approx(expected, abs=1)  # the loudest frames do not count


def joined() -> Graph:
    """Columns that differ as those of MIXED, where a sum reads them too, so that no column can be scaled."""
    return Graph((Layer("d", Dense(counted(t(3, 3)), t(3))), Layer("s", Sum(), ("d", "x"))), 3)


def spiked() -> Calibration:
    xs = frames(keyword_spotter(), 400)
    xs[7] *= 1e4
    return Calibration([xs])


NOISY = {
    "weights": (joined, "weight_only_wi8_afp32", Calibration(), "d", "w"),
    "a spike in the data": (keyword_spotter, "static_wi8_ai8", spiked(), "gru", "w"),
}


@pytest.mark.parametrize("name", NOISY)
def test_a_layer_of_much_noise_is_warned_of_with_what_can_be_done(name):
    graph, scheme, calibration, layer, field = NOISY[name]
    pattern = rf"layer '{layer}' has a signal -?[\d.]+ dB above the noise of {scheme} in its matrix '{field}'; expected 20 dB .*--keep {layer}"
    with pytest.warns(PrecisionWarning, match=pattern) as warnings:
        calibrate_and_quantize(graph(), scheme, calibration, warns=True)
    assert len(warnings) == 1
    assert ("real frames" in str(warnings[0].message)) == (not calibration.sequences)
    assert ("static_wi8_ai16" in str(warnings[0].message)) == (scheme == "static_wi8_ai8")
    calibrate_and_quantize(graph(), scheme, calibration, keep=(layer,), warns=True)


def test_the_command_tells_on_stderr_and_goes_on(tmp_path, capsys):
    edgernn.save(joined(), tmp_path / "m.rnn")
    asked = ["export", str(tmp_path / "m.rnn"), str(tmp_path / "out.rnn"), "--precision", "weight_only_wi8_afp32"]
    assert call(cli, asked, "edgernn") == 0
    printed = capsys.readouterr()
    assert re.match(r"Warning: layer 'd' has a signal .* --keep d", printed.err)
    assert "Warning" not in printed.out
    assert (tmp_path / "out.rnn").exists()
