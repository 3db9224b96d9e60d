"""Two convolutions before a GRU, with one head and with two: bytes and answers of every artifact, in four precisions.

Prints a table and writes results/crnn.json. The models are those of the recipes with seed 0, from the cache of
accuracy.py; one that is missing is trained. Every artifact hears the raw samples of every test clip.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import CACHE, GOALS, train

import edgernn
import results
from edgernn.interpreters.count import count
from edgernn.model.graph import Graph
from edgernn.model.parts import slices
from edgernn.passes.prepare import Calibration, calibrate_and_quantize
from edgernn.runtime.parts import flat_answer
from edgernn.train import recipe as recipes, run
from edgernn.train.data.sequences import Data
from edgernn.train.data.trainable import to_calibrate
from edgernn_export import export

HERE = Path(__file__).parent
RECIPES = ("spoken-digits-crnn", "spoken-digits-speakers")
PRECISIONS = ("fp32", "dynamic_wi8_afp32", "static_wi8_ai16", "static_wi8_ai8")
SUFFIXES = (".rnn", ".onnx", ".tflite", ".so")
CALIBRATED_ON = 128  # clips of the training part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data")
    options = parser.parse_args()
    rows = [row for name, goal in GOALS.items() if goal.recipe in RECIPES for row in rows_of(name, options.data)]
    results.write("crnn", {"seed": 0, "rows": rows}, results.UNTIMED)


def rows_of(name: str, folder: Path) -> list[dict[str, Any]]:
    """A row for each precision of a model."""
    goal = GOALS[name]
    train(name, 0, folder)
    recipe = recipes.load(goal.recipe)
    data = run.read(recipe, folder / goal.data)
    place = next(CACHE.glob(f"{name.replace(' ', '-').replace(',', '')}-0"))
    graph, rows = edgernn.load(place / "model.rnn"), []
    shown = to_calibrate(data, graph.frames_per_step)[:CALIBRATED_ON]
    for precision in PRECISIONS:
        small = graph if precision == "fp32" else calibrate_and_quantize(graph, precision, Calibration(shown))
        cost = count(small)
        rows.append(
            {
                "task": name,
                "recipe": goal.recipe,
                "precision": precision,
                "parameters": cost.parameters,
                "feature_weight_bytes": cost.exact_bytes,
                "frames_per_step": graph.frames_per_step,
                "period_ms": graph.period_ms,
                "macs": cost.macs,
                "artifacts": {suffix: artifact(small, place / f"{precision}{suffix}", data) for suffix in SUFFIXES},
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def artifact(graph: Graph, path: Path, data: Data) -> dict[str, Any]:
    """The bytes of an artifact, and its accuracy on the test part for each set of targets."""
    edgernn.save(graph, path) if path.suffix == ".rnn" else export(graph, path)
    stream = edgernn.open(path).stream()
    last = np.stack([flat_answer(stream.reset().run(clip))[-1] for clip in data.test.frames])
    truth = np.asarray(data.test.targets).reshape(len(last), -1)
    parts = slices(data.heads) or {"digit": slice(None)}
    right = {
        head: float(np.mean(last[:, part].argmax(-1) == truth[:, column]))
        for column, (head, part) in enumerate(parts.items())
    }
    return {"bytes": path.stat().st_size, "accuracy": {head: round(share, 4) for head, share in right.items()}}


if __name__ == "__main__":
    main()
