"""`edgernn train --init`: a look at data of every reader gives a recipe that reads it, with a comment for every key."""

import tomllib
import wave
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import tomli_w
from test_sentiment import corpus

from edge import edge
from edgernn.device import board as boards
from edgernn.errors import FileError, UsageError
from edgernn.model.window import Stage, Window
from edgernn.passes.quantize import quantize
from edgernn.train import recipe as recipes, run
from edgernn.train.convert import untrained
from edgernn.train.draft.look import LOOKS, look
from edgernn.train.draft.write import draft, write
from edgernn.train.fitting import misfits
from edgernn_export.targets.c.footprint import footprint


def sound(folder, rate, names):
    for name in names:
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.random.default_rng(0).integers(-999, 999, rate // 4).astype("<i2").tobytes())
    return folder


def rows(path, head, cells, separator=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [*([separator.join(head)] if head else []), *(separator.join(map(str, each)) for each in cells)]
    path.write_text("\n".join(lines))
    return path


def times(count, minutes):
    return [(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes * k)).isoformat(" ") for k in range(count)]


def digits(folder):
    return sound(folder, 8000, [f"{d}_{who}_{k}" for d in range(3) for who in "abcde" for k in range(2)])


def commands(folder):
    return sound(
        folder, 16000, [f"{word}/{who}_nohash_{k}" for word in ("on", "off") for who in "abcde" for k in (0, 1)]
    )


def series(folder):
    values = np.cumsum(np.random.default_rng(0).standard_normal(2000))
    return rows(folder / "s.csv", ("when", "load"), zip(times(2000, 30), values, strict=True), ";")


def bare(folder):
    return rows(folder / "s.csv", (), np.random.default_rng(0).standard_normal((500, 1)))


def labelled(folder):
    noise = np.random.default_rng(0).standard_normal((1200, 2))
    cells = [(t, f"p{k // 150}", "ab"[k // 75 % 2], *noise[k]) for k, t in enumerate(times(1200, 1 / 1200))]
    return rows(folder / "l.csv", ("time", "person", "activity", "x", "y1"), cells)


def recordings(folder):
    for k in range(8):
        rows(folder / "ab"[k % 2] / f"r{k}.csv", (), np.random.default_rng(k).standard_normal((400, 3)))
    return folder


def sentences(folder):
    return corpus(folder / "sentences.txt", 400)


def names(folder):
    for name in ("fr", "de"):
        (folder / f"{name}.txt").write_text("\n".join(f"{name}{k}" for k in range(60)))
    return folder


def prose(folder):
    (folder / "prose.txt").write_text("to be or not to be\n" * 500)
    return folder / "prose.txt"


def arrays(folder):
    x, y = np.random.default_rng(0).standard_normal((40, 20, 2)), np.arange(40) % 2
    np.savez(folder / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    return folder / "a.npz"


def sktime(folder):
    head = "@problemName v\n@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true 1 2\n@data\n"
    for part in ("TRAIN", "TEST"):
        (folder / f"v_{part}.ts").write_text(head + "".join(f"1,2,{k}:3,4,{k}:{1 + k % 2}\n" for k in range(6)))
    return folder


CASES = {
    digits: {"reader": "wav", "pattern": "{label}_{group}_{index}", "window": 200, "hop": 80},
    commands: {"reader": "wav", "pattern": "{label}/{group}_nohash_{index}", "window": 400, "hop": 160},
    series: {
        "reader": "series",
        "value": "load",
        "time": "when",
        "separator": ";",
        "calendar": True,
        "difference": True,
    },
    bare: {"reader": "series", "value": 0, "time": "", "header": False, "difference": False},
    labelled: {
        "reader": "csv",
        "label_column": "activity",
        "group_column": "person",
        "columns": ["x", "y1"],
        "rows": 40,
    },
    recordings: {"reader": "csv", "pattern": "{label}/{name}", "header": False, "rows": 64, "stride": 32},
    sentences: {"reader": "text", "unit": "token"},
    names: {"reader": "text"},
    prose: {"reader": "text", "kind": "text"},
    arrays: {"reader": "npz"},
    sktime: {"reader": "ts"},
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_look_at_data_gives_a_recipe_that_reads_it(case, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    place = case(data)
    result = write(place, tmp_path / "r.toml")
    values = tomllib.loads((tmp_path / "r.toml").read_text())
    assert CASES[case].items() <= values["data"].items()
    assert values["data"] == dict(look(place).options)
    loaded = recipes.load(tmp_path / "r.toml")
    seen = run.read(loaded, place)
    untrained(loaded, run.hold_out_validation(loaded, seen)[0])  # the network fits the data
    sizes = f"{len(seen.train):,} sequences with {seen.train.steps:,} frames to train on"
    assert any(sizes in each for each in result.remarks)


def test_every_kind_of_file_has_a_case():
    assert {".wav", ".csv", ".txt", ".npz", ".ts"} == {*LOOKS} - {".parquet"}  # a table as .csv is


def test_the_command_says_what_it_saw_and_how_to_train(tmp_path):
    (tmp_path / "my data").mkdir()
    place = series(tmp_path / "my data")
    out = edge("train", "--init", tmp_path / "r.toml", "--data", place)
    assert "A row every 30 min." in out
    assert f"edgernn train {tmp_path}/r.toml --data '{place}'" in out


def test_a_look_at_data_never_replaces_a_recipe(tmp_path):
    (tmp_path / "r.toml").write_text("mine")
    with pytest.raises(UsageError, match="exists; choose another name"):
        write(bare(tmp_path), tmp_path / "r.toml")
    assert (tmp_path / "r.toml").read_text() == "mine"


def test_nothing_is_written_where_data_is_invalid(tmp_path):
    place = rows(tmp_path / "s.csv", ("t", "v"), [*zip(times(300, 5), range(300), strict=True), ("2024-03-01", "n/a")])
    edge("train", "--init", tmp_path / "r.toml", "--data", place, code=2)
    assert not (tmp_path / "r.toml").exists()


REFUSED = {
    "there is no folder": lambda folder: folder / "nowhere",
    "no reader takes": lambda folder: rows(folder / "a.xlsx", (), [(1,)]),
    "is one recording": lambda folder: sound(folder, 8000, ["a"]) / "a.wav",
    "show no classes": lambda folder: sound(folder, 8000, ["a", "b"]),
    "are in '.*/inner'; give that folder": lambda folder: digits(folder / "inner").parent,
    "has no column of numbers": lambda folder: rows(folder / "s.csv", ("t", "v"), [("a", "b")] * 3),
}


@pytest.mark.parametrize("message", REFUSED)
def test_data_that_no_reader_takes_is_refused(message, tmp_path):
    with pytest.raises(FileError, match=message):
        draft(REFUSED[message](tmp_path))


def test_a_training_has_a_recipe_or_writes_one(tmp_path):
    for arguments in ((), ("spoken-digits", "--init", tmp_path / "r.toml")):
        assert "give a RECIPE" in edge("train", *arguments, "--data", tmp_path, code=2)
    assert "is no .toml file" in edge("train", "--init", tmp_path / "r.json", "--data", tmp_path, code=2)


def shaped(tmp_path, hidden):
    values = tomllib.loads(draft(arrays(tmp_path)).toml)
    values["data"]["period_ms"] = 0.001
    values["model"]["hidden"] = hidden
    (tmp_path / "r.toml").write_text(tomli_w.dumps(values))
    loaded = recipes.load(tmp_path / "r.toml")
    return untrained(loaded, run.read(loaded, tmp_path / "a.npz"))


@pytest.mark.parametrize(("board", "hidden"), [("stm32f407", 8), ("stm32f407", 350), ("raspberrypi4", 64)])
def test_what_does_not_fit_is_said_before_the_training(board, hidden, tmp_path):
    graph, device = shaped(tmp_path, hidden), boards.load(board)
    sentences_ = list(misfits(graph, device))
    if device.microcontroller:
        known, small = footprint(graph, device), footprint(quantize(graph), device)
        assert any("of flash" in each for each in sentences_) == (known.flash_fits is False)
        assert any("of RAM" in each for each in sentences_) == (known.ram_fits is False)
        for each in sentences_:
            if "of flash" in each:
                assert ("dynamic_wi8_afp32 would fit" in each) == bool(small.flash_fits)
    else:
        (each,) = sentences_
        assert "a new one is due every 1 us" in each


def test_a_model_of_whole_windows_fits_no_board(tmp_path):
    graph = shaped(tmp_path, 8)
    (each,) = misfits(Window((Stage(graph, graph, "mean"),)), boards.load("stm32f407"))
    assert "whole windows" in each
