"""What the shipped recipes reach on real data, three seeds each: prints a table and writes results/accuracy.json.

Every model is exported to every format, streamed there over a part of the test sequences, and held against the torch
network that it came from. A run that is interrupted goes on where it was: finished trainings stay in a cache.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import results

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache/accuracy"
SEEDS = (0, 1, 2)
FRAMES = 3000  # of the test part that every format streams
FORMATS = (".onnx", ".tflite", ".so", ".rnn")

NEW_SPEAKER = (
    "data.test_indices=[]",
    'data.test_groups=["theo"]',
    "data.running_mean=[20, 300]",
    "data.floor=1e-8",
    "model.hidden=64",
    "model.dropout=0.2",
    "augment.speed=0.15",
    "augment.gain_db=20.0",
    "augment.snr_db=[10, 40]",
    "augment.shift=400",
    "augment.warp=0.15",
)


@dataclass(frozen=True)
class Goal:
    """What a recipe must reach: of `metric`, the mean over the seeds, and of each seed where that is asked.

    `beside` names another metric of the same run, of which `metric` may be at most the part `limit`. Without a limit
    the figure is printed without a limit.
    """

    recipe: str
    data: str
    metric: str
    limit: float | None
    settings: tuple[str, ...] = ()
    each: float | None = None
    beside: str = ""

    def reached(self, rows: list[dict[str, Any]]) -> bool:
        """Whether the rows, one a seed, are as good as it says."""
        if self.limit is None:
            return True
        if self.beside:
            return mean(row["metrics"][self.metric] / row["metrics"][self.beside] for row in rows) <= self.limit
        values = [row["metrics"][self.metric] for row in rows]
        if self.metric == "nats":
            return mean(values) <= self.limit
        return mean(values) >= self.limit and (self.each is None or min(values) >= self.each)


GOALS = {
    "spoken digits, GRU-32": Goal("spoken-digits", "fsdd/recordings", "accuracy", 0.985),
    "spoken digits, LSTM-32": Goal("spoken-digits", "fsdd/recordings", "accuracy", 0.975, ("model.cell=lstm",)),
    "spoken digits, two convolutions and GRU-64": Goal("spoken-digits-crnn", "fsdd/recordings", "accuracy", 0.985),
    "spoken digits and their speakers, the same with two heads": Goal(
        "spoken-digits-speakers", "fsdd/recordings", "accuracy digit", 0.985
    ),
    "spoken digits of a new speaker, GRU-64": Goal("spoken-digits", "fsdd/recordings", "accuracy", 0.90, NEW_SPEAKER),
    "Japanese vowels, GRU-64": Goal("japanese-vowels", "japanese_vowels", "accuracy", 0.965),
    "activity, GRU-32": Goal("activity", "stm32_har", "accuracy", 0.92, each=0.88),
    "surnames, GRU-128": Goal("surnames", "surnames", "accuracy", 0.83),
    "tinyshakespeare, GRU-128": Goal("shakespeare", "tinyshakespeare/input.txt", "nats", 1.70),
    "taxi demand, next half-hour, GRU-48": Goal(
        "taxi-demand", "nab/data/realKnownCause/nyc_taxi.csv", "rmse +1", 0.65, beside="persistence +1"
    ),
    "taxi demand, twelve hours ahead, GRU-48": Goal(
        "taxi-demand-day", "nab/data/realKnownCause/nyc_taxi.csv", "rmse +24", None, beside="persistence +24"
    ),
    "machine temperature, next five minutes, LSTM-16": Goal(
        "machine-temperature",
        "nab/data/realKnownCause/machine_temperature_system_failure.csv",
        "rmse +1",
        None,
        beside="persistence +1",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data", help="the folder of real data")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trainings side by side")
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(train(options.one[0], int(options.one[1]), options.data)))
        return
    names = [name for name in GOALS if options.only in name]
    with ThreadPoolExecutor(options.jobs) as pool:
        tasks = {(name, seed): pool.submit(elsewhere, name, seed, options.data) for name in names for seed in SEEDS}
        rows = {name: [tasks[name, seed].result() for seed in SEEDS] for name in names}
    earlier = results.read("accuracy").data if (results.FOLDER / "accuracy.json").exists() else {}
    summaries = {name: summary(GOALS[name], rows[name]) for name in names}
    known = earlier | summaries
    results.write("accuracy", {name: known[name] for name in GOALS if name in known}, results.UNTIMED)
    for name, each in summaries.items():
        print(f"{name:48} {each['text']:60} {'reached' if each['reached'] else 'NOT REACHED'}")


def elsewhere(name: str, seed: int, data: Path) -> dict[str, Any]:
    """One training in a process of its own, on one thread; or what is left of it in the cache."""
    done = subprocess.run(
        [sys.executable, __file__, "--data", str(data), "--one", name, str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"},
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}, seed {seed}: {result['metrics']}, {result['cpu_s']:.0f} s", flush=True)
    return result


def train(name: str, seed: int, data: Path) -> dict[str, Any]:
    """A training with its figures and those of its artifacts; a finished one of the same recipe is read."""
    from edgernn.train import recipe, run
    from edgernn.train.loop.trainer import Accelerator

    goal, out = GOALS[name], CACHE / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    settings = recipe.load(goal.recipe, [*goal.settings, f"training.seed={seed}"])
    row = out / "row.json"
    if row.exists() and (out / "recipe.toml").read_text() == recipe.to_toml(settings):
        finished: dict[str, Any] = json.loads(row.read_text())
        return finished
    row.unlink(missing_ok=True)
    result = run.train(settings, data / goal.data, out, accelerator=Accelerator("cpu"))
    figures = {
        "seed": seed,
        "metrics": dict(result.metrics),
        "parameters": result.parameters,
        "cpu_s": result.cpu_s,
        "frames_per_s": result.frames_per_s,
        "notes": list(result.notes),
        "agreement": agreement(settings, data / goal.data, out),
    }
    row.write_text(json.dumps(figures))
    return figures


def agreement(recipe: Any, path: Path, out: Path) -> dict[str, Any]:
    """Format -> how far its streamed scores are from torch's, at most, and the share of equal answers."""
    import numpy as np
    import torch

    import edgernn
    from edgernn.runtime.parts import flat_answer
    from edgernn.train import run
    from edgernn.train.data.features import features
    from edgernn.train.network.models import Network
    from edgernn_export import export

    data = run.read(recipe, path)
    network = Network(recipe.shape, data.width, data.outputs, data.vocabulary_size)
    weights = torch.load(out / "last.ckpt", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
    taken, frames = 0, []
    while taken < FRAMES and len(frames) < len(data.test):
        frames.append(data.test.frames[len(frames)][:FRAMES])
        taken += len(frames[-1])
    read_by_network = features(data.features, frames)
    with torch.no_grad():
        scores = [
            network.eval()(torch.from_numpy(each[:, 0].astype(np.int64) if data.vocabulary_size else each)[None])[
                0
            ].numpy()
            for each in read_by_network
        ]
    expected = [data.unscaled(each, raw) for each, raw in zip(scores, frames, strict=True)]
    unit = 1.0 if data.deviation is None else data.deviation
    differences = {}
    for suffix in FORMATS:
        file = out / f"model{suffix}"
        if suffix != ".rnn":
            export(edgernn.load(out / "model.rnn"), file)
        stream = edgernn.open(file).stream()
        answers = [flat_answer(stream.reset().run(each)) for each in frames]
        both = list(zip(answers, expected, strict=True))
        differences[suffix] = {
            "largest_difference": float(max((np.abs(a - b) / unit).max() for a, b in both)),
            "equal_answers": float(np.mean(np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in both]))),
        }
    return differences


def summary(goal: Goal, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table."""
    values = [row["metrics"][goal.metric] for row in rows]
    text = f"{goal.metric} {mean(values):.4g} ({', '.join(f'{value:.4g}' for value in values)})"
    if goal.beside:
        below = [1 - row["metrics"][goal.metric] / row["metrics"][goal.beside] for row in rows]
        text += f", {mean(below):.1%} below persistence"
    return {
        "recipe": goal.recipe,
        "settings": goal.settings,
        "metric": goal.metric,
        "beside": goal.beside,
        "text": text,
        "limit": goal.limit,
        "reached": goal.reached(rows),
        "cpu_minutes": round(sum(row["cpu_s"] for row in rows) / 60, 1),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
