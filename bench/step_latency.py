"""One step on every runtime, side by side: prints a table and writes results/step_latency.json.

All contenders of a model are timed in turn, many times, on one core; a ratio is the median of the ratios of the rounds,
so that a machine that drifts does not decide it.
"""

import argparse
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from contenders import CONTENDERS, ELSEWHERE, INPUTS, OUTPUTS, Elsewhere, Model, Step, make

RESULTS = Path(__file__).parent / "results/step_latency.json"
CELLS, SIZES = ("gru", "lstm"), (32, 64, 128, 256)
PAIRS = {
    "onnxruntime: edgernn / session.run": ("onnxruntime (edgernn)", "onnxruntime session.run", 0.9),
    "LiteRT: edgernn / set-invoke-get": ("LiteRT (edgernn)", "LiteRT set/invoke/get", 1.0),
    "compiled fp32 / LiteRT set-invoke-get": ("compiled fp32 (edgernn)", "LiteRT set/invoke/get", None),
    "compiled int8 / session.run": ("compiled int8 (edgernn)", "onnxruntime session.run", None),
    "tflite-runtime: edgernn / set-invoke-get": ("tflite-runtime (edgernn)", "tflite-runtime set/invoke/get", None),
}
ADDED = {
    "onnxruntime": ("onnxruntime (edgernn)", "onnxruntime (edgernn), bound call"),
    "LiteRT": ("LiteRT (edgernn)", "LiteRT (edgernn), bound call"),
    "compiled": ("compiled fp32 (edgernn)", "compiled fp32 (edgernn), bound call"),
}
ADDED_AT_MOST_US = 1.0


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
    said = {"machine": machine(options), "start": start_up(), "rows": rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(said, indent=1) + "\n")
    print(f"\nimport edgernn: {said['start']['import_ms']:.1f} ms; edgernn --help: {said['start']['help_ms']:.0f} ms")
    print(f"written to {RESULTS}")


def measure(cell: str, hidden: int, model: Model, options: argparse.Namespace) -> dict[str, Any]:
    """Every contender on one model: medians over the rounds, and the ratios."""
    here = {name: contender(model) for name, contender in CONTENDERS.items()}
    there = {name: Elsewhere(options.tflite_python, name, model) for name in ELSEWHERE} if options.tflite_python else {}
    rounds = []
    gc.collect()
    gc.disable()
    for _ in range(options.rounds + 1):
        took = {name: block(step, options.steps) for name, step in here.items()}
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
            name: {"ratio": round(median(r[ours] / r[peer] for r in counted), 3), "at_most": bound}
            for name, (ours, peer, bound) in PAIRS.items()
            if ours in counted[0]
        },
        "added_us": {
            name: round(median(r[step] - r[bound] for r in counted), 3) for name, (step, bound) in ADDED.items()
        },
    }


def block(step: Step, steps: int) -> float:
    """The median of that many steps, in microseconds."""
    took, clock = np.empty(steps, np.int64), time.perf_counter_ns
    for i in range(steps):
        start = clock()
        step(i)
        took[i] = clock() - start
    return float(np.median(took)) / 1000


def start_up(runs: int = 15) -> dict[str, float]:
    """What `import edgernn` adds to a Python that runs, and what `edgernn --help` takes as a whole."""
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


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """What the figures belong to."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    packages = ("edgernn", "numpy", "torch", "onnxruntime", "ai-edge-litert")
    return {
        "cpu": model,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "threads": 1,
        "pinned": True,
        "rounds": options.rounds,
        "steps_per_round": options.steps,
    }


def print_row(row: dict[str, Any]) -> None:
    print(f"\n{row['cell']} {row['hidden']}: p50 in us")
    for name, took in row["p50_us"].items():
        print(f"  {name:36} {took:8.2f}")
    for name, said in row["ratios"].items():
        goal = "" if said["at_most"] is None else f"  (to reach: {said['at_most']})"
        print(f"  {name:44} {said['ratio']:.2f}{goal}")
    for name, added in row["added_us"].items():
        print(f"  Stream.step adds to the bound {name} call {added:.2f} us  (to reach: {ADDED_AT_MOST_US})")


if __name__ == "__main__":
    main()
