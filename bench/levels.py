"""Dynamic int8 on each level of processors that this machine has: prints a table and writes results/levels.json.

The levels are those of one library; ONNX Runtime's `session.run` of the same model in fp32 takes all that the processor
has. Steps run back to back; all contenders are timed interleaved, in many rounds, on one core. A ratio is the median of
the ratios of the rounds.
"""

import argparse
import gc
import os
import tempfile
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import edgernn
import results
from contenders import FRAMES, Model, Net, Step, ort_session_run
from edgernn.device import isa
from edgernn.latency.paced import time_steps
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch
from machine import INPUTS, USUAL

SIZES = (128, 256)
ORT, ALONE = "onnxruntime session.run", "the best level, in a library of its own"
AT_MOST = {"x86-64-v3": {128: 0.12, 256: 0.16}}  # of the time of ONNX Runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=300, help="per contender and round")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    rows = []
    for hidden in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(hidden, Path(folder), options))
        print_row(rows[-1])
    about = USUAL | {"rounds": options.rounds, "steps_per_round": options.steps}
    results.write("levels", {"rows": rows}, results.BACK_TO_BACK, **about)


def measure(hidden: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The median time of a step of each contender, and the ratios to ONNX Runtime."""
    torch.manual_seed(0)
    net = Net("gru", hidden).eval()
    graph = from_torch(net, torch.randn(1, 8, INPUTS))
    export(graph, folder / "m.onnx")
    export(quantize(graph), folder / "all.so", levels="all")
    export(quantize(graph), folder / "one.so")
    frames = np.random.default_rng(0).standard_normal((FRAMES, INPUTS)).astype(np.float32)
    steps = {ORT: ort_session_run(Model(net, {".onnx": folder / "m.onnx"}, frames))}
    steps |= {
        level: at_level(folder / "all.so", level) for level in isa.of_machine(isa.here()[0]) if not isa.missing(level)
    }
    steps[ALONE] = edgernn.open(folder / "one.so").stream().step
    gc.collect()
    gc.disable()
    rounds = [
        {name: microseconds(step, list(frames), options.steps) for name, step in steps.items()}
        for _ in range(options.rounds + 1)
    ]
    gc.enable()
    counted = rounds[1:]  # the first is the warm-up
    return {
        "cell": "gru",
        "hidden": hidden,
        "bytes": {"one level": (folder / "one.so").stat().st_size, "all levels": (folder / "all.so").stat().st_size},
        "p50_us": {name: round(median(r[name] for r in counted), 3) for name in steps},
        "ratios": {
            name: {
                "ratio": round(median(r[name] / r[ORT] for r in counted), 3),
                "at_most": AT_MOST.get(name, {}).get(hidden),
            }
            for name in steps
            if name != ORT
        },
    }


def at_level(path: Path, level: str) -> Step:
    """The step of a level, in a library that is loaded once more for it."""
    program = edgernn.open(path)
    program.engine.choose(level)  # type: ignore[union-attr]
    return program.stream().step


def microseconds(step: Step, frames: list[np.ndarray], steps: int) -> float:
    """The median time of a step."""
    return float(np.median(time_steps(step, cycle(frames), steps))) / 1000


def print_row(row: dict[str, Any]) -> None:
    print(f"\n{row['cell']} {row['hidden']}, dynamic int8: p50 in us, and times that of {ORT}")
    for name, took in row["p50_us"].items():
        entry = row["ratios"].get(name, {})
        limit = f"  (limit: {entry['at_most']})" if entry.get("at_most") else ""
        print(f"  {name:42} {took:8.2f}" + (f"  {entry['ratio']:.3f}{limit}" if entry else ""))
    print("  bytes of the library: " + ", ".join(f"{size:,} for {name}" for name, size in row["bytes"].items()))


if __name__ == "__main__":
    main()
