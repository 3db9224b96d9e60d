"""Every shipped recipe, shortened, on real data: it learns, and its model gives equal outputs in every format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_sentiment import corpus

import edgernn
from edgernn.runtime.parts import flat_answer
from edgernn.train import catalog, recipe as recipes, run
from edgernn.train.data import READERS
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.motor import record, to_npz
from edgernn_export import export

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Short:
    """A recipe that takes seconds: the part of the data, the settings, and the bound on its metric."""

    data: Callable[[Path, Path], Path]
    settings: tuple[str, ...]
    learnt: Callable[[dict[str, float]], bool]


def there(place: str) -> Callable[[Path, Path], Path]:
    return lambda data, _: data / place


def digits(data: Path, folder: Path) -> Path:
    """Six recordings of each digit by each speaker."""
    for path in (data / "fsdd/recordings").glob("*_[0-5].wav"):
        (folder / path.name).symlink_to(path)
    return folder


def motor(_: Path, folder: Path) -> Path:
    """A few synthetic recordings."""
    (folder / "motor.npz").write_bytes(to_npz(record(100, 0.5, seed=0), record(50, 0.5, seed=1)))
    return folder / "motor.npz"


def sentences(_: Path, folder: Path) -> Path:
    """Synthetic sentences."""
    return corpus(folder / "sentences.txt", 1500)


def beginning(data: Path, folder: Path) -> Path:
    """The first tenth of the text."""
    text = (data / "tinyshakespeare/input.txt").read_text()
    (folder / "text.txt").write_text(text[: len(text) // 10])
    return folder / "text.txt"


DENOISED = ("data.clips=40", "data.test_clips=5", "data.seconds=2", "training.batch=4")

SHORT = {
    "activity": Short(there("stm32_har"), ("training.epochs=2",), lambda m: m["accuracy"] > 0.7),
    "denoise": Short(digits, (*DENOISED, "training.epochs=6"), lambda m: m["si-sdr gain"] > 1.5),
    "denoise-conv": Short(digits, (*DENOISED, "training.epochs=4"), lambda m: m["si-sdr gain"] > 1.5),
    "japanese-vowels": Short(there("japanese_vowels"), ("training.epochs=6",), lambda m: m["accuracy"] > 0.6),
    "motor": Short(motor, ("training.epochs=15",), lambda m: m["accuracy"] > 0.6),
    "shakespeare": Short(beginning, ("training.epochs=2", "model.hidden=48"), lambda m: m["nats"] < 3.0),
    "spoken-digits": Short(digits, ("training.epochs=15", "data.test_indices=[0, 1]"), lambda m: m["accuracy"] > 0.4),
    "spoken-digits-crnn": Short(
        digits, ("training.epochs=8", "data.test_indices=[0, 1]"), lambda m: m["accuracy"] > 0.4
    ),
    "spoken-digits-speakers": Short(
        digits,
        ("training.epochs=8", "data.test_indices=[0, 1]"),
        lambda m: m["accuracy digit"] > 0.4 and m["accuracy speaker"] > 0.6,
    ),
    "sentence-sentiment": Short(sentences, ("training.rate=1e-2",), lambda m: m["accuracy"] > 0.9),
    "surnames": Short(there("surnames"), ("training.epochs=1", "model.hidden=32"), lambda m: m["accuracy"] > 0.55),
    "spoken-stream": Short(digits, ("training.epochs=15", "data.test_indices=[0, 1]"), lambda m: m["accuracy"] > 0.4),
    "machine-temperature": Short(
        there("nab/data/realKnownCause/machine_temperature_system_failure.csv"),
        ("training.epochs=4",),
        lambda m: m["rmse +1"] < 1.05 * m["persistence +1"],
    ),
    "taxi-demand-day": Short(
        there("nab/data/realKnownCause/nyc_taxi.csv"),
        ("training.epochs=8",),
        lambda m: m["rmse +24"] < m["persistence +24"],
    ),
    "taxi-demand": Short(
        there("nab/data/realKnownCause/nyc_taxi.csv"),
        ("training.epochs=8",),
        lambda m: m["rmse +1"] < m["persistence +1"],
    ),
}


def test_every_recipe_has_a_short_form():
    assert set(SHORT) == {each.name for each in catalog.listed() if each.reader in READERS}


@pytest.mark.parametrize("name", SHORT)
def test_a_recipe_learns_and_its_model_streams_alike_everywhere(name, data, tmp_path):
    short = SHORT[name]
    (tmp_path / "data").mkdir()
    path = short.data(data, tmp_path / "data")
    recipe = recipes.load(name, short.settings)
    actual = run.train(recipe, path, tmp_path / "run", accelerator=Accelerator("cpu"))
    assert short.learnt(dict(actual.metrics)), actual.metrics
    student = run.read(recipe, path)
    assert actual.notes == list(student.notes)  # none of the gradient
    graph = edgernn.load(tmp_path / "run/model.rnn")
    frames = student.test.frames[0][:200]
    frames = frames[: len(frames) // graph.frames_per_step * graph.frames_per_step]
    expected = flat_answer(edgernn.open(tmp_path / "run/model.rnn").stream().run(frames))
    for suffix in (".onnx", ".tflite", ".so"):
        export(graph, tmp_path / f"model{suffix}")
        answers = flat_answer(edgernn.open(tmp_path / f"model{suffix}").stream().run(frames))
        np.testing.assert_allclose(answers, expected, atol=1e-4 * np.abs(expected).max(), err_msg=suffix)
