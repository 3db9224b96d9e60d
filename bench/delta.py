"""Delta steps on spoken digits: accuracy, weights read and instructions, in speech and in silence.

Three seeds of the recipe are trained without a tenth of the training part, cached in .cache, and given thresholds by
`edgernn compress --delta`, which chooses them by that tenth and trains with them. Accuracy is that of the test part,
which chose nothing. Instructions are counted by callgrind, the same in every run: of the step on test clips one after
another, on noise as loud as their quietest frames, and on zeros; with the features, and of the network alone.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

import numpy as np

import edgernn
import results
from edgernn.model.graph import Graph
from edgernn.passes.thresholds import weights_read
from edgernn.train.data.features import features
from edgernn.train.data.trainable import trainable_subgraph
from edgernn_export.counting.count import LEVEL, count
from spoken_digits import CACHE, FOLDER, RECIPE, SEEDS, digits, evaluated, once, sets

HIDDEN = 64
POINTS = "0.3"
VALIDATION, FURTHER = "training.validation=0.1", "training.epochs=4"
CLIPS, QUIET, STEPS = 24, 0.05, 500
LEVELS = (LEVEL, "x86-64")
PRECISIONS = {"": "fp32", "static_wi8_ai8": "int8", "static_wi8_ai16": "int8 x int16"}


def with_thresholds(seed: int, data: Path) -> tuple[Graph, Graph]:
    """A model of the recipe, and what `edgernn compress --delta` makes of it; those in the cache are read."""
    before, after = CACHE / f"GRU-{HIDDEN}-{seed}-validated", CACHE / f"GRU-{HIDDEN}-{seed}-delta"
    settings = [f"model.hidden={HIDDEN}", f"training.seed={seed}", VALIDATION]
    read = ["--data", data / FOLDER]
    once(before, ["train", RECIPE, *read, "--out", before, *sets(settings)], before / "model.rnn")
    files = [before / "model.rnn", after / "model.rnn"]
    how = ["--delta", POINTS, "--recipe", RECIPE, *read, *sets([*settings, FURTHER]), "--json"]
    once(after, ["compress", *files, *how], after / "result.json")
    return edgernn.load(files[0]), edgernn.load(files[1])


def streams(data: Path) -> dict[str, np.ndarray]:
    """Test clips one after another, noise as loud as their quietest frames, zeros after a clip: (steps, samples)."""
    clips = digits(data).data.test.frames
    speech = np.concatenate(clips[:: len(clips) // CLIPS])
    loudness = np.quantile(np.sqrt(np.mean(np.square(speech), axis=1)), QUIET)
    noise = np.random.default_rng(0).standard_normal((STEPS, speech.shape[1]))
    zeros = np.concatenate([clips[0], np.zeros((STEPS, speech.shape[1]), np.float32)])
    return {"speech": speech[:STEPS], "noise": (loudness * noise).astype(np.float32), "silence": zeros[:STEPS]}


def ready(graph: Graph, data: Path) -> dict[str, Graph]:
    """A model in every precision, by the name of the precision."""
    spoken = digits(data)
    return {
        name: edgernn.quantize(spoken.calibrated(graph), scheme) if scheme else graph
        for scheme, name in PRECISIONS.items()
    }


def counted(models: dict[str, Graph], raw: np.ndarray, data: Path) -> dict[str, float]:
    """Instructions per step of models, by precision, what is counted, and level."""
    spoken = digits(data)
    frames = features(spoken.data.features, [raw])[0]
    networks = {name: trainable_subgraph(graph, spoken.data) for name, graph in models.items()}
    counts = {
        f"{name}, network, {level}": count(network, frames, level).instructions
        for name, network in networks.items()
        for level in LEVELS
    }
    whole = next(iter(models))
    return counts | {f"{whole}, with features, {LEVEL}": count(models[whole], raw, LEVEL).instructions}


def compared(dense: dict[str, float], fewer: dict[str, float]) -> dict[str, dict[str, float]]:
    """Instructions per step without and with thresholds."""
    pairs = {name: (dense[name], fewer[name]) for name in dense}
    return {name: {"before": round(a), "after": round(b), "ratio": round(a / b, 2)} for name, (a, b) in pairs.items()}


def measure(seed: int, data: Path) -> dict[str, object]:
    """The row of one seed. A dense step takes the same instructions on any frames, so it is counted in speech alone."""
    spoken, (before, after) = digits(data), with_thresholds(seed, data)
    models = {when: ready(graph.astype("float32"), data) for when, graph in (("before", before), ("after", after))}
    kinds = streams(data)
    dense = counted(models["before"], kinds["speech"], data)
    network = trainable_subgraph(after.astype("float32"), spoken.data)
    every = counted(ready(edgernn.delta(before, x=0, h=0).astype("float32"), data), kinds["speech"], data)
    return {
        "seed": seed,
        "accuracy": {
            name: {when: evaluated(each[name], data) for when, each in models.items()} for name in PRECISIONS.values()
        },
        "thresholds": {
            layer.name: {"x": layer.delta_x, "h": layer.delta_h}
            for layer in after.layers
            if layer.delta_x is not None or layer.delta_h is not None
        },
        "weights_read": {
            kind: round(weights_read(network, features(spoken.data.features, [raw])), 4) for kind, raw in kinds.items()
        },
        "instructions": {kind: compared(dense, counted(models["after"], raw, data)) for kind, raw in kinds.items()}
        | {"speech, thresholds of 0": compared(dense, every)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    options = parser.parse_args()
    rows = [measure(seed, options.data) for seed in options.seeds]
    about = {
        "counted_level": LEVEL,
        "clips": CLIPS,
        "steps": STEPS,
        "points": POINTS,
        "validation": VALIDATION,
        "further": FURTHER,
    }
    results.write("delta", {"rows": rows}, results.UNTIMED, **about)
    for row in rows:
        print(json.dumps(row))
    kinds = rows[0]["instructions"]
    for kind, counts in kinds.items():
        for name in counts:
            print(f"{kind}: {name}: {mean(row['instructions'][kind][name]['ratio'] for row in rows):.2f} x fewer")


if __name__ == "__main__":
    main()
