"""How much faster a GPU trains than two cores do, and what limits it: prints a table and writes results/gpu.json.

The recipe of spoken digits with 128 units, as a GRU and as an MGU, at several batches: whole epochs,
validation included, as a person waits for them. To be run on a machine with a GPU of CUDA.
"""

import argparse
import json
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch.profiler import ProfilerActivity, profile

import results
from edgernn.train import recipe as recipes, run
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data
from edgernn.train.environment import environment
from edgernn.train.loop.trainer import Accelerator, fit, make_trainer, quiet
from edgernn.train.network.models import Network
from edgernn.train.recipe import Recipe

HERE = Path(__file__).parent
CORES = 2
EPOCHS = 5  # of which the first two are a warm-up
BATCHES = (64, 256, 1024)
ROWS = (
    *(("cpu", "gru", "fp32", batch) for batch in BATCHES),
    *(("cuda", "gru", precision, batch) for precision in ("fp32", "bf16") for batch in BATCHES),
    *((place, "mgu", "fp32", batch) for place in ("cpu", "cuda") for batch in (64, 1024)),
)
"""(device, cell, precision, batch): torch has a fused layer for a GRU, and runs an MGU step by step."""


class Epochs(Callback):
    """When each epoch ended, once the GPU has finished its work."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_train_epoch_end(self, _trainer: Any, _module: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ended.append(time.perf_counter())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data", help="the folder of real data")
    parser.add_argument("--out", type=Path, default=results.FOLDER / "gpu.json", help="where the figures go")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no GPU of CUDA here")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    torch.set_num_threads(CORES)
    first = recipe("gru", "fp32", BATCHES[0], 1)
    data = read_data(first.reader, options.data / "fsdd/recordings", first.options)
    rows = []
    for place, *more in ROWS:
        rows.append(measured(place, *more, data))
        print(json.dumps(rows[-1]), flush=True)
    whole = [trained(place, data) for place in ("cpu", "cuda")]
    print(json.dumps(whole), flush=True)
    result = {"environment": environment(), "cores": CORES, "frames": data.train.steps, "rows": rows, "whole": whole}
    results.write(options.out, result, results.BACK_TO_BACK)


def recipe(cell: str, precision: str, batch: int, epochs: int) -> Recipe:
    """The recipe of spoken digits, as it is measured."""
    settings = {"model.cell": cell, "model.hidden": 128, "training.precision": precision}
    settings |= {"training.batch": batch, "training.epochs": epochs}
    return recipes.load("spoken-digits", [f"{name}={value}" for name, value in settings.items()])


def measured(place: str, cell: str, precision: str, batch: int, data: Data) -> dict[str, Any]:
    """One row: the median of an epoch's seconds, and of how many of them the GPU computed."""
    plan = recipe(cell, precision, batch, EPOCHS)
    task, epochs = task_of(plan, data), Epochs()
    with TemporaryDirectory() as out, quiet():
        trainer, _, _ = make_trainer(plan.training, Path(out), Accelerator(place), [epochs])
        fit(trainer, task)
    took = median(later - sooner for sooner, later in zip(epochs.ended[1:], epochs.ended[2:], strict=False))
    row = {"place": place, "cell": cell, "precision": precision, "batch": batch, "epoch_s": round(took, 4)}
    row |= {"frames_per_s": round(data.train.steps / took), "updates": -(-len(data.train) // batch)}
    return row if place == "cpu" else row | kernels(plan, data, took)


def kernels(recipe: Recipe, data: Data, took: float) -> dict[str, Any]:
    """What the GPU did in an epoch that took so many seconds without anybody looking: from a profile of the third."""
    begun = Profiled()
    with TemporaryDirectory() as out, quiet():
        trainer, _, _ = make_trainer(recipe.training, Path(out), Accelerator("cuda"), [begun])
        fit(trainer, task_of(recipe, data))
    events = [each for each in begun.profile.events() if str(each.device_type).endswith("CUDA")]
    busy = sum(each.time_range.elapsed_us() for each in events) / 1e6
    return {"kernels": len(events), "busy_s": round(busy, 4), "busy": round(busy / took, 3)}


class Profiled(Callback):
    """A profile of the third epoch."""

    def __init__(self) -> None:
        self.profile = profile(activities=[ProfilerActivity.CUDA])

    def on_train_epoch_start(self, trainer: Any, _module: Any) -> None:
        if trainer.current_epoch == 2:
            self.profile.start()

    def on_train_epoch_end(self, trainer: Any, _module: Any) -> None:
        if trainer.current_epoch == 2:
            torch.cuda.synchronize()
            self.profile.stop()
            trainer.should_stop = True


def trained(place: str, data: Data) -> dict[str, Any]:
    """The whole recipe at its own batch: what it comes to, and how long that takes."""
    with TemporaryDirectory() as out:
        training = run.train_on(
            data, recipes.load("spoken-digits", ["model.hidden=128"]), Path(out), accelerator=Accelerator(place)
        )
    return {"place": place, "took_s": training.took_s, "frames_per_s": training.frames_per_s, **training.metrics}


def task_of(recipe: Recipe, data: Data) -> Any:
    """A new network with what it is trained for."""
    torch.manual_seed(0)
    return run.make_task(Network(recipe.shape, data.width, data.outputs, data.vocabulary_size), recipe, data, None)


if __name__ == "__main__":
    main()
