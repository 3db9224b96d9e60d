"""`edgernn compress` with integers: ranges from a file or the data of a recipe, its output, and invalid data."""

import json

import numpy as np
import pytest
from test_compress import motor  # noqa: F401  a fixture

import edgernn
from edge import edge
from edgernn.artifact.rnn import load
from edgernn.cells import Dense, Rnn
from edgernn.files.frames import sequences
from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import STATIC, Tensor
from edgernn.passes.agreement import Agreement, agreement
from edgernn.passes.calibrate import METHODS, calibrate
from edgernn.passes.prune_units import prune_units
from edgernn.passes.quantize import quantize
from edgernn.train.compare import race as races
from zoo import GRAPHS, frames, keyword_spotter, t

KWS = keyword_spotter()
SEQUENCES = {f"run{seed}": frames(KWS, steps, seed) for seed, steps in enumerate((40, 7, 25))}
EYE = Tensor(np.eye(6, dtype=np.float32))
ADDS_UP = Graph((Layer("sum", Rnn(EYE, EYE, None, "relu")), Layer("out", Dense(t(3, 6)))), 6)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model and real frames for it; and nothing is timed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(races, "race", lambda *_: ())
    edgernn.save(KWS, "kws.rnn")
    np.savez("real.npz", **SEQUENCES)
    return tmp_path


# Files


def test_a_file_holds_one_sequence_or_several(tmp_path):
    one, several = SEQUENCES["run0"], SEQUENCES
    np.save(tmp_path / "a.npy", one.astype(np.float64))
    (tmp_path / "a.csv").write_text("\n".join(",".join(map(str, row)) for row in one.tolist()))
    np.savez(tmp_path / "a.npz", **several)
    for name, expected in (("a.npy", [one]), ("a.csv", [one]), ("a.npz", several.values())):
        actual = sequences(str(tmp_path / name), "float32")
        assert [each.dtype for each in actual] == [np.float32] * len(actual)
        for each, arguments in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(each, arguments)


# Agreement


@pytest.mark.parametrize("name", ["kws", "stack", "Embedding", "Dense"])
def test_agreement_is_what_two_streams_say_frame_by_frame(name):
    graph = GRAPHS.get(name, KWS)
    runs = [frames(graph, steps, seed) for seed, steps in enumerate((40, 7, 1, 25))]
    smaller = quantize(calibrate(graph, runs), "static_wi8_ai8")
    expected, actual = ([], [])
    for each, answers in ((graph, expected), (smaller, actual)):
        for xs in runs:
            steps = stepper(each)
            states = steps.initial_state()
            for x in xs:
                y, states = steps.step(x, states)
                answers.append(y.astype(np.float64))
    expected, actual = np.array(expected), np.array(actual)
    result = agreement(graph, smaller, runs)
    assert (result.frames, result.changed) == (73, int((expected.argmax(1) != actual.argmax(1)).sum()))
    assert result.snr_db == pytest.approx(10 * np.log10(expected.var() / ((expected - actual) ** 2).mean()), abs=0.1)


def test_a_model_agrees_with_itself_and_one_output_chooses_nothing():
    assert agreement(KWS, KWS, [*SEQUENCES.values()]) == Agreement(72, 0, None)
    narrow = Graph((Layer("out", Dense(t(1, 10))),), 10)
    assert agreement(narrow, quantize(narrow), [SEQUENCES["run1"]]).changed is None


# The verb


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scheme", STATIC)
def test_ranges_are_learnt_from_the_file(scheme, method, folder):
    document = json.loads(edge(
        "compress", "kws.rnn", "small.rnn", "--precision", scheme, "--calibrate", "real.npz", "--calibration-method", method, "--json"
    ))  # fmt: skip
    runs = [*SEQUENCES.values()]
    expected = quantize(calibrate(KWS, runs, method), scheme)
    assert load("small.rnn") == expected
    alike = agreement(KWS, expected, runs)
    assert document["alike"] == {"frames": 72, "changed": alike.changed, "snr_db": alike.snr_db}
    assert document["after"]["precision"] == scheme


def ends(graph):
    """The ranges without those of columns, which a model in integers does not need."""
    return {name: (each.low, each.high) for name, each in graph.ranges.items()}


def test_ranges_are_those_of_what_pruning_left(folder):
    edge(
        "compress",
        "kws.rnn",
        "small.rnn",
        "--prune",
        "units=0.5",
        "--precision",
        "static_wi8_ai8",
        "--calibrate",
        "real.npz",
    )
    assert ends(load("small.rnn")) == ends(calibrate(prune_units(KWS, 0.5), [*SEQUENCES.values()]))


def test_a_model_that_has_ranges_needs_no_file_until_it_is_pruned(folder):
    ready = calibrate(KWS, [*SEQUENCES.values()])
    edgernn.save(ready, "ready.rnn")
    edge("compress", "ready.rnn", "small.rnn", "--precision", "static_wi8_ai8")
    assert ends(load("small.rnn")) == ends(ready)
    assert NO_FRAMES in edge(
        "compress", "ready.rnn", "a.rnn", "--prune", "units=0.5", "--precision", "static_wi8_ai8", code=2
    )


def test_the_table_says_how_far_it_answers_alike_and_where_it_runs(folder, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    from edgernn.latency.steps import interleaved

    monkeypatch.setattr(
        races, "interleaved", lambda steps, *_: interleaved(steps, 2, 20)
    )  # the figures are not compared
    output = edge("compress", "kws.rnn", "small.rnn", "--precision", "static_wi8_ai8", "--calibrate", "real.npz")
    alike = agreement(KWS, load("small.rnn"), [*SEQUENCES.values()])
    lines = {line.split("  ")[0]: line.split() for line in output.splitlines()}
    assert lines["answers changed"][2:] == [str(alike.changed), "of", "72", "calibration", "frames"]
    assert lines["SNR, dB"][2] == f"{alike.snr_db:g}"
    assert "runs here on " in output
    assert "ONNX Runtime" in output.partition("runs here on ")[2].partition("; ")[0]


def test_a_state_that_grows_is_accepted_when_that_is_said(folder):
    edgernn.save(ADDS_UP, "sum.rnn")
    np.save("up.npy", np.abs(frames(ADDS_UP, 200)))
    command = ("compress", "sum.rnn", "a.rnn", "--precision", "static_wi8_ai16", "--calibrate", "up.npy")
    output = edge(*command, code=2)
    assert "state 'sum.h' keeps growing" in output
    assert "(--accept-growing)" in output
    edge(*command, "--accept-growing")
    assert load("a.rnn").ranges == calibrate(ADDS_UP, [np.load("up.npy")], growing="accept").ranges


@pytest.mark.parametrize("arguments", [(), ("--calibrate", "real.npz")], ids=["training part", "file"])
def test_a_recipe_calibrates_on_its_training_part_or_on_the_file(arguments, motor, folder):  # noqa: F811
    loud = np.load(motor / "motor.npz")["x_train"][:8] * np.float32(3)
    np.savez("real.npz", *loud)
    document = json.loads(edge(
        "compress", motor / "run/model.rnn", "small.rnn", "--precision", "static_wi8_ai8", *arguments,
        "--recipe", motor / "small.toml", "--data", motor / "motor.npz", "--set", "training.epochs=1", "--json",
    ))  # fmt: skip
    shown = loud if arguments else np.load(motor / "motor.npz")["x_train"]
    seen = load("small.rnn").ranges["x"]
    np.testing.assert_allclose([seen.low, seen.high], [shown.min(), shown.max()], rtol=1e-6)
    assert document["alike"]["frames"] == sum(map(len, np.load(motor / "motor.npz")["x_test"]))


NO_FRAMES = (
    "static_wi8_ai8 computes with integers, whose ranges come from real frames; give --calibrate FILE, or a recipe"
)
ARRAYS = {
    "short.npy": SEQUENCES["run1"],
    "same.npy": np.full((50, 10), 2, np.float32),
    "nan.npy": np.where(np.arange(500).reshape(50, 10) == 123, np.nan, 1).astype(np.float32),
    "narrow.npy": np.zeros((50, 9), np.float32),
    "deep.npz": {"x": np.zeros((2, 50, 10), np.float32)},
    "empty.npz": {},
}
TEXTS = {
    "ragged.csv": "1,2\n3\n",
    "words.csv": "one,two\nthree,four\n",
    "nothing.csv": "\n",
    "torn.npy": "no array",
    "a.wav": "",
}
WRONG = {
    (): NO_FRAMES,
    ("--calibrate", "short.npy"): "7 frames arrived for calibration; expected at least 32",
    ("--calibrate", "same.npy"): "all 50 frames are equal",
    ("--calibrate", "nan.npy"): "element 3 of frame 12 of sequence 0 is nan; expected a finite number",
    ("--calibrate", "narrow.npy"): "sequence 0 is float32 of shape (50, 9); expected an array of float32 of shape (time, 10)",
    ("--calibrate", "deep.npz"): "array 'x' of 'deep.npz' holds float32 of shape (2, 50, 10); expected float32 of shape (time, inputs)",
    ("--calibrate", "empty.npz"): "'empty.npz' holds no array",
    ("--calibrate", "nothing.csv"): "'nothing.csv' holds no frames",
    ("--calibrate", "ragged.csv"): "'ragged.csv' has frames of 1 and 2 values; expected one width",
    ("--calibrate", "words.csv"): "'words.csv', line 2: could not convert",
    ("--calibrate", "torn.npy"): "'torn.npy' is not a .npy array",
    ("--calibrate", "none.npy"): "'none.npy' cannot be read",
    ("--calibrate", "a.wav"): "no sequences can be read from 'a.wav'; there are .npy, .csv and .npz",
}  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: arguments[-1] if arguments else "nothing")
def test_bad_frames_are_told_and_nothing_is_written(arguments, folder):
    for name, array in ARRAYS.items():
        np.savez(name, **array) if name.endswith("z") else np.save(name, array)
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    assert WRONG[arguments] in edge(
        "compress", "kws.rnn", "out.rnn", "--precision", "static_wi8_ai8", *arguments, code=2
    )
    assert not (folder / "out.rnn").exists()


@pytest.mark.parametrize(
    ("option", "arguments"), [("--accept-growing", ()), ("--calibration-method", ("mse",))], ids=["growing", "method"]
)
def test_what_is_only_of_integers_needs_a_precision_of_integers(option, arguments, folder):
    output = edge("compress", "kws.rnn", "out.rnn", "--precision", "dynamic_wi8_afp32", option, *arguments, code=2)
    assert f"{option} needs a precision of integers; give --precision static_wi8_ai8 or static_wi8_ai16" in output


def test_frames_that_do_not_fit_are_told_in_every_precision(folder):
    np.save("narrow.npy", ARRAYS["narrow.npy"])
    output = edge(
        "compress", "kws.rnn", "out.rnn", "--precision", "dynamic_wi8_afp32", "--calibrate", "narrow.npy", code=2
    )
    assert "sequence 0 is float32 of shape (50, 9)" in output
