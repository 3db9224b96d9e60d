"""One step on every runtime, side by side: prints a table and writes results/step_latency.json.

All contenders of a model are timed interleaved, in many rounds, on one core. A ratio is the median of the ratios of the
rounds, so that drift of the machine cancels.
"""

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import results
from contenders import CONTENDERS, ELSEWHERE, STEPS_PER_CALL, Elsewhere, Model, Step, make
from edgernn.latency.paced import time_steps
from machine import USUAL

CELLS, SIZES = ("gru", "lstm"), (32, 64, 128, 256)
LITERT = ("LiteRT set/invoke/get", "LiteRT int8 set/invoke/get")
ORT_BOUND = "onnxruntime (edgernn), bound call"

# name: (ours, the peers, of whom the fastest counts, limit, limit at hidden 256)
PAIRS = {
    "onnxruntime: edgernn / session.run": ("onnxruntime (edgernn)", ("onnxruntime session.run",), 0.9, 0.9),
    "LiteRT: edgernn / set-invoke-get": ("LiteRT (edgernn)", LITERT[:1], 1.0, 1.0),
    "tflite-runtime: edgernn / set-invoke-get": (
        "tflite-runtime (edgernn)",
        ("tflite-runtime set/invoke/get",),
        None,
        None,
    ),
    "compiled int8 / session.run": ("compiled int8 (edgernn)", ("onnxruntime session.run",), 1 / 10, 1 / 7),
    "compiled int8 / bound ONNX Runtime": ("compiled int8 (edgernn)", (ORT_BOUND,), 1 / 6, 1 / 6),
    "compiled int8 / best of LiteRT fp32 and int8": ("compiled int8 (edgernn)", LITERT, 1 / 2.5, 1 / 1.8),
    "compiled fp32 / LiteRT fp32": ("compiled fp32 (edgernn)", LITERT[:1], 1 / 1.5, 1.0),
    "compiled int8: a frame of run / step": ("compiled int8 (edgernn), run", ("compiled int8 (edgernn)",), None, None),
}
RUN_AT_32 = 1 / 2

# name: (with, without, whether only the first includes the cost of reading the clock, limit in us)
ADDED = {
    "onnxruntime": ("onnxruntime (edgernn)", ORT_BOUND, False, 1.0),
    "LiteRT": ("LiteRT (edgernn)", "LiteRT (edgernn), bound call", False, 1.0),
    "compiled fp32": ("compiled fp32 (edgernn)", "compiled fp32 (edgernn), run", True, 0.5),
    "compiled int8": ("compiled int8 (edgernn)", "compiled int8 (edgernn), run", True, 0.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflite-python", help="the Python of an environment with tflite-runtime")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=300, help="per contender and round")
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    rows = []
    for cell in CELLS:
        for hidden in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measure(cell, hidden, make(cell, hidden, Path(folder)), options))
            print_row(rows[-1])
    report = {"start": start_up(), "rows": rows}
    print(
        f"\nimport edgernn: {report['start']['import_ms']:.1f} ms; edgernn --help: {report['start']['help_ms']:.0f} ms"
    )
    about = USUAL | {"rounds": options.rounds, "steps_per_round": options.steps}
    results.write("step_latency", report, results.BACK_TO_BACK, **about)


def measure(cell: str, hidden: int, model: Model, options: argparse.Namespace) -> dict[str, Any]:
    """Times all contenders on one model. Returns the medians over the rounds, and the ratios."""
    here = {name: contender(model) for name, contender in CONTENDERS.items()}
    there = {name: Elsewhere(options.tflite_python, name, model) for name in ELSEWHERE} if options.tflite_python else {}
    rounds, frames = [], list(model.frames)
    gc.collect()
    gc.disable()
    for _ in range(options.rounds + 1):
        took = {name: block(step, frames, options.steps, STEPS_PER_CALL.get(name, 1)) for name, step in here.items()}
        took |= {name: child.block(options.steps) for name, child in there.items()}
        rounds.append(took)
    gc.enable()
    for child in there.values():
        child.close()
    counted = rounds[1:]  # the first is the warm-up
    return {
        "cell": cell,
        "hidden": hidden,
        "p50_us": {name: round(median(r[name] for r in counted), 3) for name in counted[0]},
        "ratios": {
            name: {
                "ratio": round(median(r[ours] / min(r[peer] for peer in peers) for r in counted), 3),
                "at_most": goal(name, hidden),
            }
            for name, (ours, peers, *_) in PAIRS.items()
            if ours in counted[0]
        },
        "added_us": {
            name: round(median(r[step] - r[bound] - alone * r["nothing"] for r in counted), 3)
            for name, (step, bound, alone, _) in ADDED.items()
        },
    }


def goal(name: str, hidden: int) -> float | None:
    """The limit of a ratio; None if there is none."""
    if name == "compiled int8: a frame of run / step":
        return RUN_AT_32 if hidden == 32 else None
    bound = PAIRS[name][3 if hidden == 256 else 2]
    return bound if bound is None else round(bound, 3)


def block(step: Step, frames: list[np.ndarray], steps: int, per_call: int) -> float:
    """The median time of a step in microseconds; a call that runs several steps is divided among them."""
    return float(np.median(time_steps(step, cycle(frames), max(steps // per_call, 5)))) / 1000 / per_call


def start_up(runs: int = 15) -> dict[str, float]:
    """The time of `import edgernn` in a running Python, and of `edgernn --help` as a whole."""
    code = "import time; t = time.perf_counter(); import edgernn; print(1000 * (time.perf_counter() - t))"
    imports = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(runs)
    ]
    script = shutil.which("edgernn", path=str(Path(sys.executable).parent)) or "edgernn"
    helps = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([script, "--help"], capture_output=True, check=True)
        helps.append(1000 * (time.perf_counter() - began))
    return {"import_ms": round(median(imports), 2), "help_ms": round(median(helps), 1)}


def print_row(row: dict[str, Any]) -> None:
    print(f"\n{row['cell']} {row['hidden']}: p50 in us")
    for name, took in row["p50_us"].items():
        print(f"  {name:36} {took:8.2f}")
    for name, entry in row["ratios"].items():
        limit = "" if entry["at_most"] is None else f"  (limit: {entry['at_most']})"
        print(f"  {name:46} {entry['ratio']:.3f}{limit}")
    for name, added in row["added_us"].items():
        print(f"  Stream.step adds to {name} {added:.2f} us  (limit: {ADDED[name][-1]})")


if __name__ == "__main__":
    main()
