"""Readers: the splits of real data, no leak from the test part, and a message for every invalid input."""

import json
import struct
import subprocess
import sys
import wave
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from pyarrow import parquet

import edgernn
import spoken
from edgernn.cells import LogMel, Slice, Standardize
from edgernn.device.runtimes import suffixes
from edgernn.errors import EdgernnError, FileError, FrameError, MissingExtraError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.cell import tensors
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.train.data import READERS, augment
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.csv import starts
from edgernn.train.data.features import features, statistics
from edgernn.train.data.folder import labelled_files
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.split import Split
from edgernn.train.data.wav import samples
from edgernn_export import export

RATE_HZ = 8000
MEL = {"window": 200, "hop": 80, "bands": 20}
DIGITS = {**MEL, "pattern": "{label}_{group}_{index}"}

REAL = {
    "digits": ("wav", "fsdd/recordings", {**DIGITS, "test_indices": [0, 5]}, (2700, 300, 10)),
    "theo": ("wav", "fsdd/recordings", {**DIGITS, "test_groups": ["theo"]}, (2500, 500, 10)),
    "activity": ("csv", "stm32_har", {"header": False, "rows": 52, "test_every": 4}, (69 * 19, 23 * 19, 3)),
    "activity, overlapping": ("csv", "stm32_har", {"header": False, "rows": 52, "stride": 26, "test_every": 4}, (69 * 37, 23 * 37, 3)),
    "vowels": ("ts", "japanese_vowels", {}, (270, 370, 9)),
    "surnames": ("text", "surnames", {}, (16_040, 4_010, 18)),
    "shakespeare": ("text", "tinyshakespeare/input.txt", {"kind": "text", "test_share": 0.1, "chunk": 1000}, (1004, 112, 66)),
    "taxi": ("series", "nab/data/realKnownCause/nyc_taxi.csv", {"horizon": [1, 24], "calendar": True}, (1, 1, 2)),
    "machine": ("series", "nab/data/realKnownCause/machine_temperature_system_failure.csv", {"ordered": False}, (1, 1, 1)),
}  # fmt: skip
"""Reader, path, options -> sequences to train on and to test with, outputs."""


@cache
def real(name, folder) -> Data:
    """One of REAL, read once."""
    reader, path, options, _ = REAL[name]
    return read_data(reader, folder / path, options)


@pytest.mark.parametrize("name", REAL)
def test_the_real_data_have_the_splits_that_are_stated(name, data):
    result = real(name, data)
    assert (len(result.train), len(result.test), result.outputs) == REAL[name][3]
    assert not set(result.train.sources) & set(result.test.sources)
    if result.exact:
        ready = np.concatenate(features(result.features, result.train.frames))
        plain = ready[:, :1] if name == "taxi" else ready  # the calendar is not scaled; the last rows are targets only
        np.testing.assert_allclose(plain.mean(0), 0, atol=5e-3)
        np.testing.assert_allclose(plain.std(0), 1, atol=5e-3)


def test_a_speaker_held_out_is_never_heard(data):
    result = real("theo", data)
    assert {source.split("_")[1] for source in result.test.sources} == {"theo"}
    assert "theo" not in {source.split("_")[1] for source in result.train.sources}


def test_the_digits_are_the_samples_and_features_of_another_reader(data):
    actual = real("digits", data)
    mel = Graph(actual.features.layers[:1], actual.inputs)
    for source in ("0_theo_0.wav", "7_jackson_3.wav"):
        with wave.open(str(data / "fsdd/recordings" / source)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        frames = actual.test.frames[actual.test.sources.index(source)]
        np.testing.assert_array_equal(frames.ravel(), samples[: frames.size])
        before = np.zeros(spoken.WINDOW - spoken.HOP)
        expected = spoken.log_mel(np.concatenate([before, samples[: frames.size]]))
        np.testing.assert_allclose(features(mel, [frames])[0], expected, atol=1e-4)


def test_the_artifact_hears_what_training_heard(tmp_path):
    """Raw samples on every runtime, compared with the features of training, computed in a batch of other clips."""
    words(tmp_path / "clips", rate_hz=RATE_HZ)
    actual = read_data("wav", tmp_path / "clips", {**DIGITS, "test_indices": [0, 1], "running_mean": [20, 300]})
    clips = actual.train.frames
    trained = features(actual.features, clips)
    for suffix in suffixes():
        path = tmp_path / f"m{suffix}"
        edgernn.save(actual.features, path) if suffix == ".rnn" else export(actual.features, path)
        stream = edgernn.open(path).stream()
        for clip, expected in zip(clips, trained, strict=True):
            np.testing.assert_allclose(stream.reset().run(clip), expected, atol=2e-4)


def sound(path: Path, samples, rate_hz=RATE_HZ, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def words(folder: Path, rate_hz=RATE_HZ):
    """Two words of two speakers, three times each."""
    random = np.random.default_rng(0)
    for k in range(12):
        label, group, index = "yes" if k % 2 else "no", "ann" if k % 4 < 2 else "bob", k // 4
        tone = np.sin(np.arange(900 + 100 * k) * (0.1 + 0.2 * (k % 2)))
        sound(folder / f"{label}_{group}_{index}.wav", 0.3 * tone + 0.05 * random.standard_normal(len(tone)), rate_hz)
    return folder


def table(path: Path, rows, header=("x", "y"), separator=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [separator.join(map(str, row)) for row in [*([header] if header else []), *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def activities(folder: Path, files=8, rows=20):
    """Two classes with one folder each; all rows of a file have its number."""
    for k in range(files):
        table(folder / ("run" if k % 2 else "walk") / f"{k}.csv", [(k, 10 * k + i) for i in range(rows)])
    return folder


def series(path: Path, values):
    times = np.datetime64("2024-01-01T00:00") + np.arange(len(values)) * np.timedelta64(30, "m")
    return table(path, zip(times, values, strict=True), ("timestamp", "value"))


PIPED = {
    "FFmpeg": (2**32 - 1, 2**32 - 1),
    "SoX": (0x7FFFF024, 0x7FFFF000),
    "arecord": (0x80000024, 0x80000000),
    "a recorder that was killed": (0, 0),
}
"""Sizes of the file and of its sound in a header that was written before they were known."""


@pytest.mark.parametrize("described", [b"", b"LIST" + struct.pack("<I", 6) + b"INFO\0\0"], ids=["bare", "described"])
@pytest.mark.parametrize("name", PIPED)
def test_a_sound_without_its_size_is_read_to_the_end(name, described, tmp_path):
    sound(tmp_path / "whole.wav", np.sin(np.arange(901)))
    whole = (tmp_path / "whole.wav").read_bytes()
    sizes = [struct.pack("<I", size) for size in PIPED[name]]
    header = whole[:4] + sizes[0] + whole[8:36] + described + b"data" + sizes[1]
    (tmp_path / "piped.wav").write_bytes(header + whole[44:])
    for one, other in zip(samples(tmp_path / "whole.wav"), samples(tmp_path / "piped.wav"), strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "piped.wav").write_bytes(header + whole[44:-1])
    with pytest.raises(FileError, match="is truncated: it was written to a pipe, without its size, and ends within"):
        samples(tmp_path / "piped.wav")


def test_folders_name_classes_as_speech_commands_does(tmp_path):
    for label in ("yes", "no"):
        for speaker in ("0a7c", "b1ff", "c2c2"):
            sound(tmp_path / label / f"{speaker}_nohash_0.wav", np.zeros(400))
    sound(tmp_path / "_background_noise_" / "rain.wav", np.zeros(400))
    options = {**MEL, "pattern": "{label}/{group}_nohash_{index}", "test_share": 0.3}
    result = read_data("wav", tmp_path, options)
    assert result.labels == ("no", "yes")
    assert (len(result.train), len(result.test), result.period_ms) == (4, 2, 10.0)
    assert len({source.split("/")[1] for source in result.test.sources}) == 1
    plain = read_data("wav", tmp_path, {**MEL, "test_share": 0.3})
    assert (plain.labels, len(plain.test)) == (("no", "yes"), 2)


def test_silence_is_a_class_of_quiet_clips(tmp_path):
    words(tmp_path / "clips")
    options = {**DIGITS, "test_indices": [0, 1]}
    plain = read_data("wav", tmp_path / "clips", options)
    result = read_data("wav", tmp_path / "clips", {**options, "silence": 0.5, "silence_db": [-60, -50]})
    assert (plain.labels, result.labels) == (("no", "yes"), ("_silence_", "no", "yes"))
    for before, after, n in ((plain.train, result.train, 4), (plain.test, result.test, 2)):
        assert len(after) == len(before) + n
        for one, other in zip(before.frames, after.frames, strict=False):
            np.testing.assert_array_equal(one, other)
        assert after.targets[: len(before)].tolist() == [1 + each for each in before.targets]
        assert after.targets[len(before) :].tolist() == [0] * n
        for quiet in after.frames[len(before) :]:
            assert len(quiet) in {len(each) for each in before.frames}
            assert -60.01 <= 20 * np.log10(quiet.astype(float).std()) <= -49.99
    again = read_data("wav", tmp_path / "clips", {**options, "silence": 0.5, "silence_db": [-60, -50]})
    np.testing.assert_array_equal(again.test.frames[-1], result.test.frames[-1])


def test_one_table_has_recordings_by_class_and_person(tmp_path):
    rows = [(i, -i, "run" if i // 10 % 2 else "walk", f"p{i // 20}") for i in range(80)]
    options = {"label_column": "what", "group_column": "who", "rows": 5, "test_groups": ["p2"]}
    path = table(tmp_path / "all.csv", rows, ("x", "y", "what", "who"))
    result = read_data("csv", path, options)
    assert (result.labels, result.inputs, len(result.train), len(result.test)) == (("run", "walk"), 2, 12, 4)
    assert result.test.sources[0] == f"'{path}', line 42"
    np.testing.assert_array_equal(result.test.frames[0][:, 0], range(40, 45))
    columns = dict(zip(("x", "y", "what", "who"), zip(*rows, strict=True), strict=True))
    parquet.write_table(pa.table(columns), tmp_path / "all.parquet")
    same = read_data("csv", tmp_path / "all.parquet", options)
    for mine, theirs in zip(same.train.frames, result.train.frames, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert same.test.sources[0].endswith("all.parquet', row 41")
    chosen = read_data("csv", path, {**options, "columns": [1]})
    np.testing.assert_array_equal(chosen.test.frames[0][:, 0], -np.arange(40, 45))


def test_a_series_asks_for_what_comes_so_many_steps_later(tmp_path):
    values = np.arange(100) ** 1.5
    result = read_data("series", series(tmp_path / "s.csv", values), {"horizon": [1, 7], "calendar": True, "chunk": 30})
    assert [len(each) for each in result.train.frames] == [30, 30, 13]
    assert (result.period_ms, result.inputs, len(result.test)) == (1_800_000.0, 5, 1)
    later = np.concatenate(list(map(result.unscaled, result.train.targets, result.train.frames)))
    np.testing.assert_allclose(later, np.stack([values[1:74], values[7:80]], 1), rtol=1e-5)
    np.testing.assert_allclose(
        result.unscaled(result.test.targets[0], result.test.frames[0])[:, 1], values[87:], rtol=1e-5
    )
    np.testing.assert_allclose(result.mean, values[:80].mean(), rtol=1e-6)
    frames = np.concatenate(result.train.frames)
    turns = 2 * np.pi * np.arange(73)[:, None] / np.array([48, 336])  # half hours; 2024-01-01 was a Monday
    np.testing.assert_allclose(frames[:, 1::2], np.sin(turns), atol=1e-5)
    np.testing.assert_allclose(frames[:, 2::2], np.cos(turns), atol=1e-5)
    parquet.write_table(pa.table({"value": values}), tmp_path / "s.parquet")
    plain = read_data("series", tmp_path / "s.parquet", {"time": ""})
    assert (plain.period_ms, plain.inputs, plain.train.steps, plain.test.steps) == (None, 1, 79, 19)


@pytest.mark.parametrize("calendar", [False, True])
@pytest.mark.parametrize("horizon", [[1], [2, 7]])
@pytest.mark.parametrize("difference", [False, True])
def test_a_series_is_asked_in_scores_and_answered_in_its_units(difference, horizon, calendar, tmp_path):
    """A network whose outputs are the targets, between the cells of the reader, forecasts the true values."""
    values = 50 + np.random.default_rng(0).standard_normal(100).cumsum()
    options = {"horizon": horizon, "difference": difference, "calendar": calendar}
    result = read_data("series", series(tmp_path / "s.csv", values), options)
    scores, frames = result.train.targets[0], result.train.frames[0]
    later = np.stack([values[step : step + len(frames)] for step in horizon], 1)
    np.testing.assert_allclose(result.unscaled(scores, frames), later, rtol=1e-5)
    if difference or len(horizon) == 1:
        steps = [values[step:80] - values[: 80 - step] if difference else values[:80] for step in horizon]
        np.testing.assert_allclose(result.deviation, [each.std() for each in steps], rtol=1e-4)
    message = Layer("told", Slice(result.inputs + len(horizon), result.inputs, result.inputs + len(horizon)), ("x",))
    value = Layer("value", Slice(result.inputs + len(horizon), 0, result.inputs), ("x",))
    graph = Graph((value, message, *_reading(result.output_layers, "value")), result.inputs + len(horizon))
    answers = Stepper(graph, "float32").run(np.hstack([frames, scores]))[0]
    np.testing.assert_allclose(answers, later, rtol=1e-5)


def _reading(layers, name):
    """Replace the input of the model by a layer of this name."""
    return tuple(replace(each, inputs=tuple(name if read == "x" else read for read in each.inputs)) for each in layers)


def test_a_difference_shows_the_last_change_in_its_own_deviation(tmp_path):
    values = 50 + np.random.default_rng(0).standard_normal(100).cumsum()
    result = read_data(
        "series", series(tmp_path / "s.csv", values), {"difference": True, "calendar": True, "chunk": 30}
    )
    shown = features(result.features, result.train.frames)
    changes = np.diff(values[:80])
    np.testing.assert_allclose(shown[0][1:, 5], changes[:29] / changes.std(), rtol=1e-3, atol=1e-4)
    assert [each[0, 5] for each in shown] == [0, 0, 0]


def test_a_text_asks_for_its_next_symbol(tmp_path):
    (tmp_path / "t.txt").write_text("abcab" * 20 + "abcxd")
    result = read_data("text", tmp_path / "t.txt", {"kind": "text", "test_share": 5 / 105, "chunk": 40})
    assert result.symbols == result.labels == ("<unknown>", "a", "b", "c")
    assert [len(each) for each in result.train.frames] == [40, 40, 19]
    np.testing.assert_array_equal(result.train.targets[0][:-1], result.train.frames[0][1:, 0])
    np.testing.assert_array_equal(result.test.frames[0][:, 0], [1, 2, 3, 0])
    np.testing.assert_array_equal(result.test.targets[0], [2, 3, 0, 0])
    (tmp_path / "w.txt").write_text("so it is so it was so be")
    tokens = read_data("text", tmp_path / "w.txt", {"kind": "text", "unit": "token", "test_share": 0.25, "least": 2})
    assert tokens.symbols == ("<unknown>", "it", "so")


def test_lines_have_the_class_of_their_file_or_of_their_end(tmp_path):
    (tmp_path / "mood.txt").write_text(
        "very good\tyes\nbad\tno\n\ngood\tyes\nso bad\tno\nbad bad\tno\ngood good\tyes\n"
    )
    result = read_data("text", tmp_path / "mood.txt", {"unit": "token", "test_share": 0.2, "seed": 1})
    assert (result.labels, len(result.train), len(result.test)) == (("no", "yes"), 5, 1)
    for name in ("Ann", "Bob"):
        (tmp_path / "names").mkdir(exist_ok=True)
        (tmp_path / f"names/{name}.txt").write_text("same\n" * 5 + "a\nb\nc\n")
    every, once = (read_data("text", tmp_path / "names", {"distinct": distinct}) for distinct in (False, True))
    assert (every.train.steps + every.test.steps, len(every.train) + len(every.test)) == (46, 16)
    assert (len(once.train) + len(once.test), once.labels) == (8, ("Ann", "Bob"))


def test_sktimes_format_and_prepared_arrays_are_the_same_data(tmp_path):
    random = np.random.default_rng(0)
    cases = [(np.round(random.standard_normal((3 + k, 2)), 3), k % 2) for k in range(6)]
    head = "#note\n@problemName p\n@timeStamps false\n@dimensions 2\n@classLabel true one two\n@data\n"
    for part in ("TRAIN", "TEST"):
        lines = [":".join([*(",".join(map(str, column)) for column in x.T), ("one", "two")[k]]) for x, k in cases]
        (tmp_path / f"P_{part}.ts").write_text(head + "\n".join(lines) + "\n")
    x, lengths = np.zeros((6, 8, 2)), [len(frames) for frames, _ in cases]
    for k, (frames, _) in enumerate(cases):
        x[k, : len(frames)] = frames
    arrays = {
        f"{kind}_{part}": value
        for part in ("train", "test")
        for kind, value in (("x", x), ("y", [0, 1] * 3), ("length", lengths))
    }
    np.savez(tmp_path / "p.npz", labels=["one", "two"], **arrays)
    ts, npz = read_data("ts", tmp_path), read_data("npz", tmp_path / "p.npz")
    assert ts.labels == npz.labels == ("one", "two")
    assert ts.exact == npz.exact
    for mine, theirs, (frames, _) in zip(ts.train.frames, npz.train.frames, cases, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(mine, frames.astype(np.float32))
    np.testing.assert_array_equal(ts.test.targets, npz.test.targets)


@pytest.mark.parametrize(
    ("x", "y", "kind", "rows", "outputs"),
    [
        (np.arange(12).reshape(3, 4), np.array([0, 1, 0]), "class", 12, 2),
        (np.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4), "text", 12, 12),
        (np.ones((3, 4, 2)), np.ones((3, 4, 5)), "series", 0, 5),
    ],
)
def test_prepared_arrays_say_by_their_shape_what_is_asked(x, y, kind, rows, outputs, tmp_path):
    np.savez(tmp_path / "p.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    result = read_data("npz", tmp_path / "p.npz")
    assert (result.kind, result.vocabulary_size, result.outputs, len(result.train)) == (kind, rows, outputs, 3)


@given(n=st.integers(0, 200), rows=st.integers(1, 60), stride=st.integers(1, 60))
def test_windows_are_all_those_that_fit(n, rows, stride):
    result = list(starts(n, rows, stride))
    assert result == [at for at in range(n) if at % stride == 0 and at + rows <= n]


@given(
    groups=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_a_group_is_on_one_side(groups, share, seed):
    split = Split(share=share, seed=seed)
    if max(1, round(share * len(set(groups)))) == len(set(groups)):
        with pytest.raises(UsageError, match=r"none of .* is left for the training part"):
            split.mask(groups)
        return
    mask = split.mask(groups)
    held, heard = ({g for g, m in zip(groups, mask, strict=True) if m == side} for side in (True, False))
    assert held
    assert heard
    assert not held & heard
    np.testing.assert_array_equal(mask, split.mask(groups))


def learnt(data: Data):
    """All that a model learns from: the training part, and the parameters of the feature cells."""
    cells = [json.dumps(tensor.stored.tolist()) for _, cell in data.exact for tensor in tensors(cell).values()]
    targets = data.train.targets
    return (
        [frames.tolist() for frames in data.train.frames],
        [np.asarray(target).tolist() for target in targets],
        cells,
        data.symbols,
        None if data.mean is None else (data.mean.tolist(), data.deviation.tolist()),
    )


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(20, 80),
    share=st.floats(0.2, 0.7),
    horizon=st.integers(1, 3),
    chunk=st.integers(0, 9),
    difference=st.booleans(),
)
def test_a_series_learns_nothing_from_its_end(n, share, horizon, chunk, difference, tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "s.csv"
    values = np.random.default_rng(n).standard_normal(n)
    options = {"horizon": horizon, "chunk": chunk, "test_share": share, "difference": difference}
    before = learnt(read_data("series", series(path, values), options))
    values[n - round(share * n) :] *= 100
    assert learnt(read_data("series", series(path, values), options)) == before
    values[n - round(share * n) - 1] *= 100
    assert learnt(read_data("series", series(path, values), options)) != before


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 20), stride=st.integers(1, 30), every=st.sampled_from([3, 5]))
def test_windows_learn_nothing_from_the_recordings_held_out(rows, stride, every, tmp_path_factory):
    folder = activities(tmp_path_factory.mktemp("activities"), files=10)
    options = {"rows": rows, "stride": stride, "test_every": every, "pattern": "{label}/{index}"}
    result = read_data("csv", folder, options)
    heard, held = ({int(frames[0, 0]) for frames in part.frames} for part in (result.train, result.test))
    assert not heard & held
    assert len(heard | held) == 10
    before = learnt(result)
    for k in held:
        table(folder / ("run" if k % 2 else "walk") / f"{k}.csv", [(1000 + k, -i) for i in range(20)])
    assert learnt(read_data("csv", folder, options)) == before


def test_a_vocabulary_learns_nothing_from_the_lines_held_out(tmp_path):
    alphabets = {"one": "abcdefghijklmnopqrst", "two": "ABCDEFGHIJKLMNOPQRST"}
    for name, letters in alphabets.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(letters))
    result = read_data("text", tmp_path, {"test_share": 0.1, "seed": 5})
    held = {
        alphabets[Path(file).stem][int(line) - 1]
        for file, line in (s.strip("'").split("', line ") for s in result.test.sources)
    }
    assert len(held) == len(result.test) == 4
    assert {*result.symbols[1:]} == {*"".join(alphabets.values())} - held
    assert not any(frames.any() for frames in result.test.frames)


def test_features_do_not_depend_on_what_is_beside_them():
    random = np.random.default_rng(0)
    clips = [random.standard_normal((n, 80)).astype(np.float32) for n in (3, 50, 7, 12)]
    sequences = Sequences(tuple(clips), np.array([0, 1, 0, 1]), tuple("abcd"))
    actual = Data(sequences, sequences, "class", 80, 2, exact=(("mel", LogMel(80, 8000, 200, 20)),))
    assert (actual.width, actual.vocabulary_size) == (20, 0)
    together = features(actual.features, clips)
    for clip, expected in zip(clips, together, strict=True):
        np.testing.assert_allclose(features(actual.features, [clip])[0], expected, atol=1e-4)
    assert features(None, clips) == tuple(clips)


def test_a_constant_column_has_deviation_one():
    rows = np.stack([np.full(9, 0.1, np.float32), np.arange(9, dtype=np.float32)], 1)
    mean, deviation = statistics(rows)
    np.testing.assert_allclose(mean, [0.1, 4])
    np.testing.assert_allclose(deviation, [1, np.sqrt(60 / 9)])


# augmentation


def tone(hertz, n=RATE_HZ):
    return np.sin(2 * np.pi * hertz * np.arange(n) / RATE_HZ).astype(np.float32)


def pitch(samples):
    return np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / len(samples)


def test_speed_changes_pitch_and_length():
    faster = augment.speed(tone(500), 1.25)
    assert len(faster) == RATE_HZ / 1.25
    assert abs(pitch(faster) - 625) < 2


def test_gain_noise_and_shift_are_what_they_say():
    clean = tone(500)
    np.testing.assert_allclose(augment.gain(clean, 20), 10 * clean, rtol=1e-6)
    added = augment.noise(clean, 10, np.random.default_rng(0)) - clean
    assert abs(10 * np.log10(np.mean(clean**2) / np.mean(added**2)) - 10) < 0.2
    np.testing.assert_array_equal(augment.shift(clean, 7), [*np.zeros(7, np.float32), *clean])
    np.testing.assert_array_equal(augment.shift(clean, -7), clean[7:])
    assert len(augment.shift(clean, -(10**6))) == 1


def test_warp_moves_what_is_at_a_band():
    frames = np.zeros((1, 20), np.float32)
    frames[0, 10] = 1
    np.testing.assert_array_equal(augment.warp(frames, 1.0), frames)
    assert augment.warp(frames, 1.25)[0].argmax() == 8
    assert augment.warp(frames, 0.8)[0].argmax() in (12, 13)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 99))
def test_a_clip_stays_a_clip(n, seed):
    every = Augmentation(speed=0.2, gain_db=6, snr_db=(10, 40), shift=400, warp=0.1)
    clip = np.random.default_rng(seed).standard_normal((n, 80)).astype(np.float32)
    varied, again = (every.samples(clip, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(varied, again)
    assert (varied.dtype, varied.shape[1]) == (np.float32, 80)
    assert len(varied) >= 1
    assert every.features(clip, np.random.default_rng(seed)).shape == clip.shape
    np.testing.assert_array_equal(Augmentation().samples(clip, np.random.default_rng(seed)), clip)


# bad input


def truncated(path: Path, keep: float):
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


def spoilt_words(folder, spoil):
    words(folder)
    spoil(folder)
    return folder


def ts(folder, line, head="@timeStamps false\n@dimensions 2\n@classLabel true 1 2\n@data\n"):
    for part in ("TRAIN", "TEST"):
        (folder / f"P_{part}.ts").write_text(f"{head}1,2:3,4:1\n{line}\n")
    return folder


def written(path: Path, data: bytes | str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def arrays(path, **changed):
    x = np.zeros((2, 3, 1))
    result = {"x_train": x, "y_train": [0, 1], "x_test": x, "y_test": [0, 1], **changed}
    np.savez(path, **{name: value for name, value in result.items() if value is not None})
    return path


def spoilt_table(folder, rows, **options):
    activities(folder)
    table(folder / "run" / "1.csv", rows, **options)
    return folder


CSV = {"rows": 2, "test_share": 0.5}
WAV = {**DIGITS, "test_indices": [0, 1]}
BAD = {
    "a ragged row": (lambda p: spoilt_table(p, [(1, 2), (3, 4, 5), (6, 7)]), "csv", CSV, r"run/1\.csv', line 3: 3 cells; expected 2, as in line 1"),
    "a number that is none": (lambda p: spoilt_table(p, [(1, 2), (3, "nan")]), "csv", CSV, r"1\.csv', line 3: column 'y' has 'nan'; expected a finite number"),
    "a number too large": (lambda p: spoilt_table(p, [(1, 2), (3, "1e39")]), "csv", CSV, r"1\.csv', line 3: column 'y' has '1e39'; expected a finite number"),
    "a cell that is empty": (lambda p: spoilt_table(p, [(1, 2), ("", 5)]), "csv", CSV, r"1\.csv', line 3: column 'x' has ''; expected a finite number"),
    "no header where one is said": (lambda p: spoilt_table(p, [(1, 2), (3, 4)], header=None), "csv", CSV, r"1\.csv', line 1: got numbers instead of column names; set header = false"),
    "a recording too short": (lambda p: spoilt_table(p, [(1, 2)]), "csv", CSV, r"1\.csv' has 1 rows, fewer than a window of 2"),
    "an empty file": (lambda p: written(p / "run/9.csv", "").parent.parent, "csv", CSV, r"9\.csv' has no rows"),
    "a table without rows": (lambda p: spoilt_table(p, []), "csv", CSV, r"1\.csv' has no rows"),
    "a column misspelt": (activities, "csv", {**CSV, "columns": ["xx"]}, r"has no column 'xx'; did you mean 'x'\? there are x, y"),
    "bytes that are no text": (lambda p: written(p / "run/9.csv", b"x,y\n1,\xff\n").parent.parent, "csv", CSV, r"9\.csv', line 2: invalid UTF-8"),
    "a file of another name": (lambda p: written(p / "loose.csv", "x\n1\n").parent, "csv", CSV, r"'.*loose\.csv' does not match the pattern '\{label\}/\{name\}'"),
    "an empty folder": (lambda p: p, "csv", CSV, r"has no \.csv or \.parquet file; check the path"),
    "a folder misspelt": (lambda p: words(p / "recordings").with_name("recording"), "wav", WAV, r"there is no folder '.*recording'; did you mean 'recordings'\? there are recordings"),
    "a class that is never trained": (lambda p: activities(p, files=2), "csv", {"rows": 2, "test_every": 2}, r"class 'walk' has no sequence in the training part; choose another split"),
    "a Parquet file cut short": (lambda p: written(p / "run/1.parquet", b"PAR1abc").parent.parent, "csv", CSV, r"1\.parquet' is not a complete Parquet file"),
    "another rate": (lambda p: spoilt_words(p, lambda q: sound(q / "yes_cid_0.wav", tone(9, 800), 16_000)), "wav", WAV, r"yes_cid_0\.wav' has 16000 samples per second; expected 8000: resample the file"),
    "sound cut short": (lambda p: spoilt_words(p, lambda q: truncated(q / "yes_ann_0.wav", 0.5)), "wav", WAV, r"yes_ann_0\.wav' is truncated: it has 978 of 2,000 bytes of audio data; copy it again"),
    "a header cut short": (lambda p: spoilt_words(p, lambda q: truncated(q / "yes_ann_0.wav", 0.01)), "wav", WAV, r"yes_ann_0\.wav' is truncated: it has no audio data|is not a WAV file"),
    "no sound": (lambda p: spoilt_words(p, lambda q: sound(q / "yes_ann_0.wav", [])), "wav", WAV, r"yes_ann_0\.wav' has 0 samples; expected at least one hop of 80"),
    "two channels": (lambda p: spoilt_words(p, lambda q: sound(q / "yes_ann_0.wav", tone(9, 800), channels=2)), "wav", WAV, r"yes_ann_0\.wav' has 2 channels; expected one"),
    "no WAV file": (lambda p: spoilt_words(p, lambda q: written(q / "yes_ann_0.wav", "hello")), "wav", WAV, r"yes_ann_0\.wav' is not a WAV file"),
    "a speaker who is not there": (words, "wav", {**DIGITS, "test_groups": ["an"]}, r"there is no group 'an' to hold out; did you mean 'ann'\? there are ann, bob"),
    "no test part": (words, "wav", DIGITS, r"chosen by nothing; set exactly one of test_every, test_indices, test_groups, test_share"),
    "two test parts": (words, "wav", {**WAV, "test_share": 0.2}, r"chosen by test_indices and test_share; set exactly one"),
    "nobody to test": (words, "wav", {**DIGITS, "test_indices": [50, 60]}, r"none of 12 recordings is left for the test part"),
    "indices without a pattern": (lambda p: words(p / "all").parent, "wav", {**WAV, "pattern": "{label}/{name}"}, r"test_indices needs a pattern with \{index\}"),
    "a pattern of another field": (words, "wav", {**WAV, "pattern": "{lable}_{name}"}, r"has a field 'lable'; did you mean 'label'\?"),
    "a share that is none": (words, "wav", {**DIGITS, "test_share": 20}, r"test_share is 20; expected a part between 0 and 1"),
    "an option misspelt": (words, "wav", {**WAV, "hopp": 80}, r"reader 'wav' has no option 'hopp'; did you mean 'hop'\?"),
    "an option that is needed": (words, "wav", {"window": 200, "hop": 80}, r"reader 'wav' needs the option 'bands'"),
    "a reader misspelt": (words, "wave", {}, r"there is no reader 'wave'; did you mean 'wav'\?"),
    "a clock set back": (lambda p: table(p / "s.csv", [("2024-01-01", 1), ("2024-01-03", 2), ("2024-01-02", 3)], ("timestamp", "value")), "series", {}, r"s\.csv', line 4: the time 2024-01-02 is not after 2024-01-03; sort the rows, or set ordered = false"),
    "a time that is none": (lambda p: table(p / "s.csv", [("yesterday", 1), ("2024-01-03", 2)], ("timestamp", "value")), "series", {}, r"line 2: column 'timestamp' has 'yesterday'; expected a time such as"),
    "a value that is none": (lambda p: series(p / "s.csv", [1, 2, "?", 4]), "series", {}, r"line 4: column 'value' has '\?'; expected a finite number"),
    "less than silence": (lambda p: words(p / "c"), "wav", {**DIGITS, "test_share": 0.3, "silence": -0.1}, r"silence is -0\.1; expected a share of at least 0"),
    "silence that shouts": (lambda p: words(p / "c"), "wav", {**DIGITS, "test_share": 0.3, "silence_db": [-20, 3]}, r"silence_db is \[-20, 3\]; expected \[lowest, highest\]"),
    "a horizon beyond the end": (lambda p: series(p / "s.csv", range(20)), "series", {"horizon": 4}, r"a part of 4 rows, too few for a horizon of 4 steps"),
    "a horizon that is now": (lambda p: series(p / "s.csv", range(20)), "series", {"horizon": 0}, r"expected distinct horizons of at least 1"),
    "a value missing in sktime's format": (lambda p: ts(p, "1,?:3,4:2"), "ts", {}, r"P_TRAIN\.ts', line 6: .*expected numbers"),
    "a dimension too few": (lambda p: ts(p, "1,2:2"), "ts", {}, r"line 6: 1 dimensions of 2 values; expected 2 of equal length"),
    "dimensions of two lengths": (lambda p: ts(p, "1,2:3,4,5:2"), "ts", {}, r"line 6: 2 dimensions of 2 and 3 values; expected 2 of equal length"),
    "a line cut short": (lambda p: ts(p, "1,2:3,"), "ts", {}, r"line 6: the class '3,' is not one of 1, 2; the line may be truncated"),
    "a file without data": (lambda p: ts(p, "", head="@classLabel true 1\n"), "ts", {}, r"line 2: data before @data"),
    "one file of two": (lambda p: written(p / "P_TRAIN.ts", "@classLabel true 1\n@data\n1:1\n").parent, "ts", {}, r"has 0 files that end in _TEST\.ts; expected one"),
    "no names": (lambda p: written(p / "Ann.txt", "\n\n").parent, "text", {}, r"has no lines; check the path"),
    "a line without a class": (lambda p: written(p / "mood.txt", "good\tyes\nbad\n"), "text", {}, r"mood\.txt', line 2: got no class; expected a text, a tab and its class"),
    "a unit misspelt": (lambda p: written(p / "t.txt", "ab"), "text", {"unit": "charakter"}, r"there is no unit 'charakter'; did you mean 'character'\?"),
    "a text too short": (lambda p: written(p / "t.txt", "abc"), "text", {"kind": "text"}, r"a part of 1 symbols; expected at least two"),
    "arrays cut short": (lambda p: (arrays(p / "a.npz"), truncated(p / "a.npz", 0.5), p / "a.npz")[2], "npz", {}, r"a\.npz' is not a complete \.npz file"),
    "an array missing": (lambda p: arrays(p / "a.npz", y_test=None), "npz", {}, r"has no array 'y_test'; expected x_train"),
    "an array misnamed": (lambda p: arrays(p / "a.npz", x_tran=[0]), "npz", {}, r"has an array 'x_tran'; did you mean 'x_train'\?"),
    "pickled arrays": (lambda p: arrays(p / "a.npz", x_train=np.array([[1], [1, 2]], object)), "npz", {}, r"is not a complete \.npz file of plain arrays"),
    "arrays of other sizes": (lambda p: arrays(p / "a.npz", y_train=[0, 1, 1]), "npz", {}, r"x_train has 2 sequences of at most 3 frames, y_train has 3"),
    "a frame that is no number": (lambda p: arrays(p / "a.npz", x_train=np.full((2, 3, 1), np.inf)), "npz", {}, r"a\.npz', train 0: frame 0 has the value inf"),
    "a file that is not there": (lambda p: p / "a.npz", "npz", {}, r"a\.npz' cannot be read: No such file"),
}  # fmt: skip
"""What is written -> the reader, its options and what it says."""


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name, tmp_path):
    write, reader, options, words_said = BAD[name]
    with pytest.raises(EdgernnError, match=words_said) as error:
        read_data(reader, write(tmp_path), options)
    assert isinstance(error.value, FileError | UsageError | FrameError)


def test_reading_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None\nfor module in sys.argv[1:]: __import__(module)"
    subprocess.run([sys.executable, "-W", "error", "-c", code, *READERS.values(), augment.__name__], check=True)


@pytest.mark.parametrize(("package", "module"), [("soundfile", "wav"), ("pyarrow", "parquet")])
def test_a_missing_package_is_answered_with_the_command(package, module, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"edgernn.train.data.{module}", raising=False)
    with pytest.raises(MissingExtraError, match=rf"needs the package '{package}'.*pip install 'edgernn\[train\]'"):
        import_module(f"edgernn.train.data.{module}")


MISFITS = {
    "targets": (lambda s: Sequences(s.frames, np.array([0]), s.sources), r"got 2 sequences, 1 targets and 2 sources"),
    "no frame": (lambda s: Sequences((np.zeros((0, 3), np.float32),) * 2, s.targets, s.sources), r"a: got frames of float32\(0, 3\)"),
    "float64": (lambda s: Sequences((np.zeros((4, 3)),) * 2, s.targets, s.sources), r"a: got frames of float64\(4, 3\)"),
    "class": (lambda s: Data(s, s, "class", 3, 1), r"b: got target 1; expected 0 to 0"),
    "width": (lambda s: Data(s, s, "class", 4, 2), r"a: got frames of 3 values; expected 4"),
    "kind": (lambda s: Data(s, s, "clas", 3, 2), r"there is no kind of data 'clas'; expected one of class, series, text"),
    "labels": (lambda s: Data(s, s, "class", 3, 2, ("one",)), r"1 labels for 2 outputs"),
    "series": (lambda s: Data(s, s, "series", 3, 2), r"a: got targets of int64\(\); expected float32 \(4, 2\)"),
    "text": (lambda s: Data(s, s, "text", 3, 2), r"a: got targets of int64\(\); expected int64"),
    "symbols": (lambda s: Data(s, s, "class", 3, 2, symbols=("a",)), r"a: got frames of float32 and a vocabulary of 1 symbols"),
    "cells": (lambda s: Data(s, s, "class", 3, 2, exact=(("s", Standardize(Tensor([0.0] * 4), Tensor([1.0] * 4))),)), r"layer 's' reads 4 values, but 3 arrive"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_data_that_do_not_fit_cannot_be_made(name):
    whole = Sequences((np.zeros((4, 3), np.float32),) * 2, np.array([0, 1]), ("a", "b"))
    make, words_said = MISFITS[name]
    with pytest.raises(EdgernnError, match=words_said):
        make(whole)


def test_every_reader_has_its_line():
    folder = Path(augment.__file__).parent
    assert {module.rpartition(".")[2] for module in READERS.values()} == set(READERS)
    assert all((folder / f"{name}.py").is_file() for name in READERS)
    assert [each.label for each in labelled_files(folder, (".py",), "{label}")] == sorted(
        path.stem for path in folder.glob("[a-z]*.py")
    )
