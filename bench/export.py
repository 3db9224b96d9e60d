"""The time and memory of an export to each format, and of a conversion by the length of its example; writes
results/export.json.

Each export runs in a process of its own, after that of a small model, so that imports do not count. Time is that of
processors, of the process and its compilers, next to that on the clock: on a busy machine the first is what to compare.
"""

import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import edgernn
import results
from edgernn_export import export, from_torch
from machine import USUAL
from tables import exports

WIDTH, HIDDEN, BETWEEN = 257, 400, 600
FORMATS = {".c": 8, ".so": 5, ".onnx": 3, ".tflite": 3}  # format -> the seconds that it may take
BOARDS = {"raspberrypi4": ".so", "raspberrypi4-32bit": ".so"}
TIMES_THE_FILE = 6  # the memory that an export may take
LENGTHS = (100, 1_000, 16_000, 160_000)


class Enhancer(nn.Module):
    """The size of a usual network that removes noise: 2.8 million weights."""

    def __init__(self):
        super().__init__()
        self.before = nn.Linear(WIDTH, HIDDEN)
        self.rnn = nn.GRU(HIDDEN, HIDDEN, 2, batch_first=True)
        self.between = nn.Sequential(nn.Linear(HIDDEN, BETWEEN), nn.ReLU(), nn.Linear(BETWEEN, BETWEEN), nn.ReLU())
        self.after = nn.Linear(BETWEEN, WIDTH)

    def forward(self, x):
        return torch.sigmoid(self.after(self.between(self.rnn(self.before(x))[0])))


class Samples(nn.Module):
    """A network on single samples, whose examples are long."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(1, 20, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]


def main() -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graph = from_torch(Enhancer().eval(), torch.randn(1, 20, WIDTH))
        edgernn.save(graph, folder / "large.rnn")
        edgernn.save(from_torch(Samples().eval(), torch.randn(1, 20, 1)), folder / "small.rnn")
        cases = [(suffix, None) for suffix in FORMATS] + [(suffix, board) for board, suffix in BOARDS.items()]
        rows = [alone(exported, folder, *case) for case in cases]
    conversions = [alone(converted, steps) for steps in LENGTHS]
    weights = sum(tensor.stored.size for tensor in graph.tensors.values())
    report = {
        "weights": weights,
        "rows": rows,
        "conversions": conversions,
        "allowed": {"seconds": FORMATS, "times_the_file": TIMES_THE_FILE},
    }
    results.write("export", report, results.BACK_TO_BACK, **USUAL)
    print("\n".join(exports()))


def alone(measured, *arguments):
    """The result of a function in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, arguments)


def exported(folder, suffix, board):
    """Export the small model, then measure the export of the large one."""
    export(edgernn.load(folder / "small.rnn"), folder / f"first{suffix}", device=board)
    graph, path = edgernn.load(folder / "large.rnn"), folder / f"large{suffix}"
    figures = watched(lambda: export(graph, path, device=board))
    size = path.stat().st_size
    return {
        "format": suffix,
        "board": board,
        "bytes": size,
        **figures,
        "times_the_file": figures["peak_bytes"] / size,
    }


def converted(steps):
    """Measure the conversion by an example of this many steps."""
    torch.manual_seed(0)
    module, example = Samples().eval(), torch.randn(1, steps, 1)
    from_torch(module, torch.randn(1, 20, 1))
    return {"steps": steps, **watched(lambda: from_torch(module, example))}


def watched(work):
    """Seconds of processors (with compilers) and on the clock, and the bytes by which the process grew at most."""
    Path("/proc/self/clear_refs").write_text("5")  # the largest size is now that of this moment
    size, before, start = _bytes("VmRSS"), os.times(), time.perf_counter()
    work()
    wall, after = time.perf_counter() - start, os.times()
    return {"cpu_s": sum(after[:4]) - sum(before[:4]), "wall_s": wall, "peak_bytes": _bytes("VmHWM") - size}


def _bytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
