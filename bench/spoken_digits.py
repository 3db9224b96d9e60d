"""Models of spoken digits, trained and compressed by the commands that people use, and cached."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from edgernn.artifact.rnn import dumps
from edgernn.interpreters.count import count
from edgernn.model.graph import Graph
from edgernn.passes.calibrate import calibrate

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache/compression"
RECIPE, FOLDER, SEEDS = "spoken-digits", "fsdd/recordings", (0, 1, 2)
CALIBRATED_ON = 128  # clips of the training part, evenly spaced


class Digits:
    """The spoken digits as the recipe reads them."""

    def __init__(self, folder: Path) -> None:
        from edgernn.train.data.reader import read_data
        from edgernn.train.recipe import load

        self.folder = folder / FOLDER
        recipe = load(RECIPE, [])
        self.data = read_data(recipe.reader, self.folder, recipe.options)
        self.expected = np.array(self.data.test.targets)

    def calibrated(self, graph: Graph) -> Graph:
        clips = self.data.train.frames
        return calibrate(graph, clips[:: len(clips) // CALIBRATED_ON])


@cache
def digits(data: Path) -> Digits:
    return Digits(data)


def model(hidden: int, seed: int) -> Path:
    """The cached file of a model of the recipe."""
    return CACHE / f"GRU-{hidden}-{seed}/model.rnn"


def trained(hidden: int, seed: int, data: Path) -> Graph:
    """A model of the recipe; one that is in the cache is read."""
    folder = model(hidden, seed).parent
    settings = [f"model.hidden={hidden}", f"training.seed={seed}"]
    once(folder, ["train", RECIPE, "--data", data / FOLDER, "--out", folder, *sets(settings)], folder / "model.rnn")
    return edgernn.load(folder / "model.rnn")


def compressed(
    hidden: int, seed: int, data: Path, name: str, how: Iterable[str | Path], settings: Iterable[str]
) -> dict[str, Any]:
    """What `edgernn compress` makes of a model, trained further by its recipe."""
    before = trained(hidden, seed, data)
    folder = CACHE / f"GRU-{hidden}-{seed}-{name}"
    source, out = model(hidden, seed), folder / "model.rnn"
    options = sets([f"model.hidden={hidden}", f"training.seed={seed}", *settings])
    command = ["compress", source, out, *how, "--recipe", RECIPE, "--data", data / FOLDER, *options, "--json"]
    metric = json.loads(once(folder, command, folder / "result.json"))["metric"]
    after = edgernn.load(out)
    cost = count(after)
    return {
        "seed": seed,
        **{when: metric[when] for when in ("before", "cut", "after")},
        "parameters": cost.parameters,
        "bytes_before": len(dumps(before)),
        "bytes": len(dumps(after)),
        "weight_bytes": cost.weight_bytes - cost.exact_bytes,
    }


def once(folder: Path, command: Iterable[str | Path], result: Path) -> str:
    """The result of an `edgernn` command, which runs when the folder has none of the very command."""
    words = [os.path.relpath(word, ROOT) if isinstance(word, Path) else word for word in command]
    command_file, command_text = folder / "command.json", json.dumps(words)
    if not (result.exists() and command_file.exists() and command_file.read_text() == command_text):
        folder.mkdir(parents=True, exist_ok=True)
        command_file.unlink(missing_ok=True)
        output = elsewhere(sys.executable, "-m", "edgernn", *words)
        if result.suffix == ".json":
            result.write_text(output)
        command_file.write_text(command_text)
    return result.read_text() if result.suffix == ".json" else ""


def evaluated(graph: Graph, data: Path) -> float:
    """Accuracy of the test part."""
    from edgernn.passes.agreement import outputs
    from edgernn.train.evaluate.metrics import evaluate

    spoken = digits(data)
    scores = iter(outputs(graph, spoken.data.test.frames))
    return evaluate(lambda _: next(scores), spoken.data, spoken.data.test).metrics["accuracy"]


def sets(settings: Iterable[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def elsewhere(*command: str | Path) -> str:
    """What a program prints, in an environment where the checkout comes first."""
    places = os.pathsep.join((str(ROOT), str(ROOT / "export")))
    settings = {"PYTHONPATH": places, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=os.environ | settings
    )
    return done.stdout
