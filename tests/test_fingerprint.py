"""Interrupted work resumes only with the same data, for every reader and every kind of work."""

import json
import shutil
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import edgernn
from edgernn.commands.tune import tune as command
from edgernn.device import board
from edgernn.device.runtimes import RUNTIMES
from edgernn.errors import FileError, UsageError
from edgernn.passes.pruning import Pruning
from edgernn.train import recipe as recipes, run
from edgernn.train.compare import cells as comparing
from edgernn.train.compress.finetune import compressed
from edgernn.train.convert import untrained
from edgernn.train.data import READERS
from edgernn.train.data.fingerprint import FILE, difference, fingerprint
from edgernn.train.data.reader import read_data
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.search.trials import search
from edgernn.tune import candidates as making
from edgernn.tune.evaluate import by_frames
from edgernn.tune.tuning import tune
from killed import killed

CPU = Accelerator("cpu")
ROWS = 8


# data of every kind


def rows(seed: int, n: int = ROWS) -> list[list[str]]:
    return [[f"{value:.6f}" for value in row] for row in np.random.default_rng(seed).standard_normal((n, 2))]


def csv(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{','.join(row)}\n" for row in [["x", "y"], *rows(seed)]))


def clip(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(np.random.default_rng(seed).integers(-9999, 9999, 400).astype("<i2").tobytes())


def lines(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    path.write_text("".join(f"{''.join(random.choice(list('abcde'), 6))}\n" for _ in range(ROWS)))


def folder(path: Path, write: Callable[[Path, int], None], suffix: str) -> Path:
    """Four recordings of each of two classes."""
    for k in range(8):
        write(path / "ab"[k % 2] / f"{k}{suffix}", k)
    return path


def log(path: Path, seeds: tuple[int, ...]) -> Path:
    """Recordings concatenated in one file, with class and number in every row."""
    table = [[*row, "ab"[seed % 2], f"g{k}"] for k, seed in enumerate(seeds) for row in rows(seed)]
    columns = dict(zip(("x", "y", "label", "group"), zip(*table, strict=True), strict=True))
    parquet.write_table(
        pa.table({k: [float(v) for v in c] if k in "xy" else list(c) for k, c in columns.items()}), path
    )
    return path


def series(path: Path, values: np.ndarray) -> Path:
    path.write_text("value\n" + "".join(f"{value:.6f}\n" for value in values))
    return path


def cases(path: Path, seeds: tuple[int, ...]) -> Path:
    """A folder of the .ts format, whose training part has these sequences."""
    path.mkdir(exist_ok=True)
    for part, each in (("TRAIN", seeds), ("TEST", (90, 91))):
        result = "".join(
            f"{':'.join(','.join(column) for column in zip(*rows(k), strict=True))}:{'ab'[k % 2]}\n" for k in each
        )
        (path / f"V_{part}.ts").write_text(f"@dimensions 2\n@classLabel true a b\n@data\n{result}")
    return path


def arrays(path: Path, seeds: tuple[int, ...]) -> Path:
    def part(each: tuple[int, ...]) -> np.ndarray:
        return np.stack([np.array(rows(k), np.float32) for k in each])

    classes = np.array([k % 2 for k in seeds])
    np.savez(path, x_train=part(seeds), y_train=classes, x_test=part((90, 91)), y_test=np.array([0, 1]))
    return path


WAVE = np.sin(np.arange(80) / 3)
SEEDS = tuple(range(8))


@dataclass(frozen=True)
class Kind:
    """Data of a reader: how it is written, and how it is changed.

    Attributes:
        options: the options of the section [data].
        name: the name of the file or folder.
        make: writes the data.
        changes: changes of the data, and their messages.
    """

    options: str
    name: str
    make: Callable[[Path], object]
    changes: dict[str, tuple[Callable[[Path], object], str]]


def of_folder(options: str, write: Callable[[Path, int], None], suffix: str) -> Kind:
    return Kind(
        f"{options}\ntest_share = 0.25",
        "data",
        partial(folder, write=write, suffix=suffix),
        {
            "added": (lambda path: write(path / f"b/9{suffix}", 9), f"1 file was added: b/9{suffix}"),
            "several added": (
                lambda path: [write(path / f"a/{k}{suffix}", k) for k in range(20, 25)],
                f"5 files were added: a/20{suffix}, a/21{suffix}, a/22{suffix} and 2 more",
            ),
            "removed": (lambda path: (path / f"a/2{suffix}").unlink(), f"1 file was removed: a/2{suffix}"),
            "changed": (lambda path: write(path / f"a/2{suffix}", 77), f"1 file was changed: a/2{suffix}"),
            "renamed": (
                lambda path: (path / f"a/2{suffix}").rename(path / f"b/2{suffix}"),
                f"1 file was added: b/2{suffix}, 1 file was removed: a/2{suffix}",
            ),
        },
    )


def of_file(options: str, name: str, make: Callable, whole: object, changes: dict[str, object], file: str = "") -> Kind:
    return Kind(
        options,
        name,
        lambda path: make(path, whole),
        {
            verb: (lambda path, each=each: make(path, each), f"1 file was changed: {file or name}")
            for verb, each in changes.items()
        },
    )


SEQUENCES = {"added": (*SEEDS, 8), "removed": SEEDS[:-1], "changed": (*SEEDS[:-1], 77)}
KINDS = {
    "wav": of_folder('reader = "wav"\nwindow = 100\nhop = 50\nbands = 5\nsilence = 0.3', clip, ".wav"),
    "denoise": of_folder(
        'reader = "denoise"\npattern = "{label}/{name}"\nwindow = 100\nhop = 50\nbands = 5\nseconds = 0.1\nclips = 8',
        clip, ".wav",
    ),
    "csv": of_folder('reader = "csv"\nrows = 4', csv, ".csv"),
    "text": of_folder('reader = "text"', lines, ".txt"),
    "parquet": of_file(
        'reader = "csv"\nlabel_column = "label"\ngroup_column = "group"\ntest_share = 0.25',
        "log.parquet", log, SEEDS, SEQUENCES,
    ),
    "series": of_file(
        'reader = "series"\ntime = ""', "s.csv", series, WAVE,
        {"added": np.append(WAVE, 0.5), "removed": WAVE[:-1], "changed": np.append(WAVE[:-1], 0.5)},
    ),
    "ts": of_file('reader = "ts"', "ts", cases, SEEDS, SEQUENCES, "V_TRAIN.ts"),
    "npz": of_file('reader = "npz"', "a.npz", arrays, SEEDS, SEQUENCES),
}  # fmt: skip
CHANGES = [(kind, change) for kind in KINDS for change in KINDS[kind].changes]


def made(kind: str, place: Path, *settings: str) -> tuple[recipes.Recipe, Path]:
    """A recipe and its data."""
    place.mkdir(exist_ok=True)
    result = KINDS[kind].options
    shape = "embedding = 4\n" if kind == "text" else ""
    (place / "r.toml").write_text(
        f'title = "t"\n[data]\n{result}\n[model]\nhidden = 4\n{shape}[training]\nepochs = 4\nbatch = 4\n'
    )
    path = place / KINDS[kind].name
    KINDS[kind].make(path)
    return recipes.load(place / "r.toml", settings), path


def test_every_reader_is_here():
    assert {kind.options.split('"')[1] for kind in KINDS.values()} == set(READERS)


# a training


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A training of each kind, interrupted after an epoch."""
    places = {}
    for kind in KINDS:
        places[kind] = tmp_path_factory.mktemp(kind)
        recipe, path = made(kind, places[kind])
        with killed(1, 0):
            run.train(recipe, path, places[kind] / "run", accelerator=CPU)
    return places


@pytest.mark.parametrize(("kind", "change"), CHANGES)
def test_a_training_does_not_go_on_with_other_data_and_says_what_changed(kind, change, begun, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(begun[kind], place)
    recipe, path = recipes.load(place / "r.toml"), place / KINDS[kind].name
    before = {each.name: each.read_bytes() for each in (place / "run").iterdir()}
    alter, words = KINDS[kind].changes[change]
    alter(path)
    with pytest.raises(UsageError) as refused:
        run.train(recipe, path, place / "run", accelerator=CPU, resume=True)
    message = str(refused.value)
    assert message.startswith(f"the training in '{place / 'run'}' began with other data: {words}")
    assert message.endswith("; give the same data, or train without --resume, or in another folder")
    assert {each.name: each.read_bytes() for each in (place / "run").iterdir()} == before


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_moved_is_the_same(kind, begun, tmp_path, monkeypatch):
    """The data may move with the folder of the run, have a relative path, and a single file another name."""
    shutil.copytree(begun[kind] / "run", tmp_path / "run")
    moved = tmp_path / "elsewhere" / ("renamed" + Path(KINDS[kind].name).suffix)
    moved.parent.mkdir()
    path = begun[kind] / KINDS[kind].name
    shutil.copytree(path, moved) if path.is_dir() else shutil.copy(path, moved)
    monkeypatch.chdir(moved if path.is_dir() else moved.parent)
    with killed(3, 0):
        recipe = recipes.load(begun[kind] / "r.toml")
        run.train(recipe, "." if path.is_dir() else moved.name, tmp_path / "run", accelerator=CPU, resume=True)
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["epoch"] == 2


def test_another_draw_of_the_split_is_refused_with_who_moved(begun):
    """Another version of numpy may split differently, with equal files and recipe."""
    place = begun["csv"]
    recipe, path = recipes.load(place / "r.toml"), place / "data"
    data = read_data(recipe.reader, path, recipe.options)
    n = len(data.train)
    train, test = data.train.select(np.arange(1, n)), data.test.select(np.arange(1, len(data.test)))
    first, other = data.train.select(np.array([0])), data.test.select(np.array([0]))
    swapped = replace(data, train=_both(train, other), test=_both(test, first))
    with pytest.raises(UsageError) as refused:
        run.train_on(swapped, recipe, place / "run", accelerator=CPU, resume=True)
    names = [data.origin.within(each.sources[0]) for each in (first, other)]
    assert (
        "the files are equal, but the split differs: "
        f"1 sequence was moved from training to test: {names[0]}, 4 steps, "
        f"1 sequence was moved from test to training: {names[1]}, 4 steps; it was made by edgernn "
    ) in str(refused.value)
    whole = fingerprint(data)
    order = fingerprint(replace(data, train=data.train.select(np.arange(n)[::-1])))
    assert "the sequences are in another order" in difference(whole, order)
    assert not difference(whole, replace(whole, versions={"numpy": "3.0"}))


def _both(one, other):
    targets = np.append(one.targets, other.targets)
    return type(one)((*one.frames, *other.frames), targets, (*one.sources, *other.sources))


def test_the_validation_part_is_kept_too(tmp_path):
    recipe, path = made("csv", tmp_path, "training.validation=0.25")
    with killed(1, 0):
        run.train(recipe, path, tmp_path / "run", accelerator=CPU)
    data, held = run.hold_out_validation(recipe, read_data(recipe.reader, path, recipe.options))
    parts = json.loads((tmp_path / "run" / FILE).read_text())["parts"]
    for name, part in (("training", data.train), ("validation", held), ("test", data.test)):
        assert parts[name] == [f"{data.origin.within(each)}, 4 steps" for each in part.sources]


def test_data_from_memory_is_known_by_its_frames(tmp_path):
    recipe, path = made("npz", tmp_path)
    data = replace(read_data(recipe.reader, path, recipe.options), origin=None)
    with killed(1, 0):
        run.train_on(data, recipe, tmp_path / "run", accelerator=CPU)
    with killed(2, 0):
        run.train_on(data, recipe, tmp_path / "run", accelerator=CPU, resume=True)
    frames = (*data.train.frames[:-1], data.train.frames[-1] + np.float32(1e-3))
    other = replace(data, train=replace(data.train, frames=frames))
    with pytest.raises(UsageError, match=r"other data: 1 sequence was changed: '.*a\.npz', train 7; give the same"):
        run.train_on(other, recipe, tmp_path / "run", accelerator=CPU, resume=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no '.*data.json', so the data that the training in '.*' began with is unknown; train without"),
        ("{", "data.json' is not JSON: .*; train without"),
        ("[]", "data.json' is not a fingerprint of data: TypeError.*; train in another folder"),
        ('{"parts": {}}', "data.json' is not a fingerprint of data: KeyError.*; train in another folder"),
    ],
)
def test_a_fingerprint_that_is_lost_or_damaged_is_told(text, words, begun, tmp_path):
    shutil.copytree(begun["npz"] / "run", tmp_path / "run")
    (tmp_path / "run" / FILE).unlink()
    if text is not None:
        (tmp_path / "run" / FILE).write_text(text)
    with pytest.raises(FileError, match=words):
        run.train(recipes.load(begun["npz"] / "r.toml"), begun["npz"] / "a.npz", tmp_path / "run", resume=True)


# other work that can be resumed


def compressing(recipe, path, place):
    graph = untrained(recipe, read_data(recipe.reader, path, recipe.options))
    model = place / "model.rnn"
    if not model.exists():
        edgernn.save(graph, model)
    compressed(edgernn.load(model), recipe, path, Pruning(units=0.5), out=place / "kept", accelerator=CPU)


def tuning(recipe, path, place):
    model = place / "model.rnn"
    if not model.exists():
        edgernn.save(untrained(recipe, read_data(recipe.reader, path, recipe.options)), model)
    options = {"settings": (), "metric_drop": 100.0, "board": "this", "prune": ("units=0.5",), "prefer": "bytes"}
    command.callback(str(model), str(path), str(place / "best"), False, recipe=str(place / "r.toml"), **options)


def comparing_cells(_recipe, path, place):
    each = comparing.recipes(str(place / "r.toml"), ["rnn"], 1)
    comparing.compare(each, path, place / "compare", accelerator=CPU)


def searching(_recipe, path, place):
    recipe = recipes.load(place / "r.toml", (), ["model.hidden=4,8"])
    search(recipe, path, place / "search", trials=2, accelerator=CPU)


BEGUN = {
    "compress --resume": (compressing, "the training in '.*kept/float' began"),
    "tune": (tuning, "the tuning in '.*best.tune' began"),
    "compare": (comparing_cells, "the comparison in '.*compare', on '.*data', began"),
    "search": (searching, "study 'r' began"),
}


@pytest.mark.parametrize("name", BEGUN)
def test_nothing_else_goes_on_with_other_data(name, tmp_path, monkeypatch):
    """Fine-tuning is included: its model has statistics of the earlier data."""
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    recipe, path = made("csv", tmp_path)
    go, words = BEGUN[name]
    with killed(1, 0):
        go(recipe, path, tmp_path)
    with killed(2, 0):
        go(recipe, path, tmp_path)
    csv(path / "a/9.csv", 9)
    with pytest.raises(UsageError, match=f"{words} with other data: 1 file was added: a/9.csv "):
        go(recipe, path, tmp_path)


def test_frames_that_judge_a_tuning_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    recipe, path = made("csv", tmp_path)
    graph = untrained(recipe, read_data(recipe.reader, path, recipe.options))
    random = np.random.default_rng(0)
    for k in range(2):
        frames = random.standard_normal((80, graph.inputs)).astype(np.float32)
        evaluator = by_frames(graph, frames, f"folder/{k}.npy")
        if k:
            with pytest.raises(
                UsageError, match=r"began with other data: 1 file was added: 1\.npy, 1 file was removed"
            ):
                tune(graph, evaluator, tmp_path / "tune", bound=100, board=board.this(), schemes=("fp32",))
        else:
            tune(graph, evaluator, tmp_path / "tune", bound=100, board=board.this(), schemes=("fp32",))
