"""The compiled step called from C, without Python: prints a table and writes results/c_level.json.

The table also has the same step in plain C++ with all sizes fixed at compile time, a plain read of the bytes of the
weights as a lower bound, the prediction of `edgernn estimate`, and the instructions counted by callgrind.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import results
from edgernn.cells import Dense, Gru, Lstm
from edgernn.device import isa
from edgernn.device.board import this
from edgernn.interpreters.count import count
from edgernn.latency.estimate import estimate
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.passes.quantize import quantize
from edgernn_export import export
from machine import INPUTS, OUTPUTS, USUAL

HERE = Path(__file__).parent
CELLS, SIZES = ("gru", "lstm"), (32, 64, 128, 256)
SPARSITY = 0.8  # of the blocks of 16 rows by 4 inputs
FAST = ("-ffast-math",)
COUNTED_LEVEL, COUNTED_STEPS = "x86-64-v3", 200

# name: (slower, faster, least ratio, at which sizes)
GOALS = {
    "C++ / int8": ("C++", "int8", 4.0, (128,)),
    "C++ -ffast-math / int8": ("C++ -ffast-math", "int8", None, SIZES),
    "C++ / fp32": ("C++", "fp32", 1.0, SIZES),
    "C++ -ffast-math / fp32": ("C++ -ffast-math", "fp32", 1.0, SIZES),
    "read of the weights / int8": ("read of int8's weights", "int8", 0.6, (128, 256)),
    "read of the weights / fp32": ("read of fp32's weights", "fp32", 0.6, (128, 256)),
    "int8 / 80 % block-sparse int8": ("int8", "sparse int8", 2.5, (256,)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=401)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = []
    for cell in CELLS:
        for hidden in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measure(cell, hidden, Path(folder), options.rounds))
            show(rows[-1])
    folds = [max(p / m, m / p) for row in rows for p, m in row["predicted_and_measured_us"].values()]
    print(f"\nprediction against measurement: median factor {median(folds):.2f}, worst {max(folds):.2f}")
    report = {"rows": rows, "prediction_median_factor": round(median(folds), 2)}
    results.write("c_level", report, results.BACK_TO_BACK, **USUAL, rounds=options.rounds)


def measure(cell: str, hidden: int, folder: Path, rounds: int) -> dict[str, Any]:
    """Times all contenders on one model, in one program."""
    dense = graph(cell, hidden)
    forms = {"fp32": dense, "int8": quantize(dense), "sparse": quantize(graph(cell, hidden, SPARSITY))}
    for name, form in forms.items():
        export(form, folder / f"{name}.c")
    took = json.loads(run(build(cell, hidden, forms, folder), str(rounds)))
    predicted = {name: estimate(forms[name], this()).step_us for name in ("fp32", "int8")}
    return {
        "cell": cell,
        "hidden": hidden,
        "ns": took,
        "ratios": {
            name: {"ratio": round(took[slow] / took[fast], 2), "at_least": bound if hidden in sizes else None}
            for name, (slow, fast, bound, sizes) in GOALS.items()
        },
        "weight_bytes": {name: count(form).weight_bytes for name, form in forms.items()},
        "instructions": {name: instructions(form, folder) for name, form in forms.items()},
        "predicted_and_measured_us": {
            name: [round(time, 3), round(took[name] / 1000, 3)] for name, time in predicted.items() if time is not None
        },
    }


def graph(cell: str, hidden: int, sparsity: float = 0.0) -> Graph:
    """A recurrent layer with a dense head and random weights, with a share of zero blocks."""
    random = np.random.default_rng(0)

    def weights(rows: int, columns: int) -> Tensor:
        full = random.uniform(-1, 1, (rows, columns)) / np.sqrt(columns)
        blocks = random.random((-(-rows // 16), -(-columns // 4))) >= sparsity
        return Tensor((full * np.kron(blocks, np.ones((16, 4)))[:rows, :columns]).astype(np.float32))

    def bias(rows: int) -> Tensor:
        return Tensor((random.uniform(-1, 1, rows) / np.sqrt(hidden)).astype(np.float32))

    gates = {"gru": 3, "lstm": 4}[cell] * hidden
    biases = (bias(gates),) if cell == "lstm" else (bias(gates), bias(gates))
    net = {"gru": Gru, "lstm": Lstm}[cell](weights(gates, INPUTS), weights(gates, hidden), *biases)
    head = Dense(weights(OUTPUTS, hidden), bias(OUTPUTS))
    return Graph((Layer("rnn", net), Layer("out", head)), INPUTS)


def build(cell: str, hidden: int, forms: dict[str, Graph], folder: Path) -> Path:
    """Compile the harness with all contenders."""
    options = isa.level(isa.best()).options
    sizes = [f"-D{name.upper()}_WEIGHT_BYTES={count(form).weight_bytes}" for name, form in forms.items()]
    for kind, fast in (("plain", ()), ("fast", FAST)):
        size = [f"-DHIDDEN={hidden}", f"-DKIND={kind}", *(["-DLSTM"] if cell == "lstm" else [])]
        run("g++", "-O3", "-march=native", *fast, *size, "-c", HERE / "c/yardstick.cpp", "-o", folder / f"{kind}.o")
    for name in forms:
        run("gcc", "-std=c99", "-O3", *options, "-c", folder / f"{name}.c", "-o", folder / f"{name}.o")
    parts = [folder / f"{name}.o" for name in (*forms, "plain", "fast")]
    harness = [HERE / "c/harness.c", f"-I{folder}", *sizes, "-o", folder / "harness"]
    run("gcc", "-std=c99", "-O3", *options, *harness, *parts, "-lmvec", "-lm", "-lstdc++")
    return folder / "harness"


def instructions(form: Graph, folder: Path) -> int | None:
    """The counted instructions of one step; None without valgrind, or if this machine lacks the level."""
    if shutil.which("valgrind") is None or isa.missing(COUNTED_LEVEL):
        return None
    export(form, folder / "model.c")
    options = [*isa.LEVELS[COUNTED_LEVEL].options, f"-I{folder}"]
    run("gcc", "-std=c99", "-O3", *options, HERE / "c/count.c", folder / "model.c", "-o", folder / "count", "-lm")
    tool = ["--tool=callgrind", "--toggle-collect=model_step", f"--callgrind-out-file={folder / 'out'}"]
    run("valgrind", "-q", *tool, folder / "count", str(COUNTED_STEPS))
    total = re.search(r"^(?:summary|totals): (\d+)", (folder / "out").read_text(), re.MULTILINE)
    assert total is not None
    return int(total[1]) // COUNTED_STEPS


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def show(row: dict[str, Any]) -> None:
    print(f"\n{row['cell']} {row['hidden']}: ns per step")
    for name, took in row["ns"].items():
        print(f"  {name:28} {took:9.1f}")
    for name, entry in row["ratios"].items():
        goal = "" if entry["at_least"] is None else f"  (goal: {entry['at_least']})"
        print(f"  {name:36} {entry['ratio']:.2f}{goal}")
    for name, (predicted, measured) in row["predicted_and_measured_us"].items():
        print(f"  {name}: predicted {predicted:.2f} us, measured {measured:.2f} us")
    print(f"  instructions on {COUNTED_LEVEL}: {row['instructions']}")


if __name__ == "__main__":
    main()
