"""Many streams together, beside each alone: prints a table and writes results/streams.json.

All contenders of a model are timed interleaved, in many rounds, on one core, and every time is that of one frame of one
stream. "alone" is one stream that steps again and again, "apart" are sixteen streams that step in turn, each by itself.
A ratio is the median of the ratios of the rounds.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

import edgernn
import results
from edgernn.latency.steps import collector_paused
from edgernn.model.graph import Graph
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch
from machine import INPUTS, OUTPUTS, USUAL

SIZES, COUNTS, MOST = (64, 128, 256), (1, 4, 16), 16
RUNTIMES = {".so": "compiled", ".onnx": "ONNX Runtime", ".rnn": "numpy"}
LONG_US = 2000  # a contender's share of a round

Calls = dict[str, Callable[[], object]]


class Net(nn.Module):
    """A GRU with a dense head."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(INPUTS, hidden, batch_first=True)
        self.out = nn.Linear(hidden, OUTPUTS)

    def forward(self, x: torch.Tensor) -> Any:
        """(1, time, INPUTS) -> (1, time, OUTPUTS)."""
        return self.out(self.rnn(x)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--steps", type=int, default=12, help="per contender and round")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.manual_seed(0)
    torch.set_num_threads(1)
    began, rows = time.monotonic(), []
    for hidden in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += measured(hidden, Path(folder), options)
    about = {"rounds": options.rounds, "steps_per_round": options.steps, "streams": MOST}
    report = {"took_s": round(time.monotonic() - began, 1), "rows": rows}
    results.write("streams", report, results.BACK_TO_BACK, **USUAL, **about)


def measured(hidden: int, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for each form and runtime of a model of this size."""
    frames = np.random.default_rng(0).standard_normal((MOST, INPUTS)).astype(np.float32)
    graph = from_torch(Net(hidden).eval(), torch.randn(1, 8, INPUTS))
    forms = {
        "fp32": graph,
        "dynamic int8": quantize(graph),
        "static int8": quantize(calibrate(graph, [np.tile(frames, (4, 1))]), "static_wi8_ai8"),
    }
    calls: dict[tuple[str, str, str], Callable[[], object]] = {}
    for form, each in forms.items():
        for suffix, runtime in RUNTIMES.items():
            path = folder / f"{form.split()[0]}{suffix}"
            program = opened(each, path)
            if form != "dynamic int8" or suffix != ".onnx":  # which refuses to step them together
                calls |= {(form, runtime, how): call for how, call in contenders(program, frames).items()}
    calls["fp32", "session.run", f"{MOST}"] = session_run(folder / "fp32.onnx", frames)
    counts = {key: MOST if key[2] in ("alone", "apart") else int(key[2]) for key in calls}
    with collector_paused():
        rounds = [{key: timed(call, options.steps) for key, call in calls.items()} for _ in range(options.rounds)][1:]
    times = {key: np.array([each[key] for each in rounds]) / counts[key] for key in calls}
    rows = [row(hidden, form, runtime, times) for form, runtime in dict.fromkeys(key[:2] for key in calls)]
    for each in rows:
        print_row(each)
    return rows


def timed(call: Callable[[], object], most: int) -> float:
    """The median time of a call in microseconds, of fewer calls where one takes long; the first loads the caches."""
    took = []
    for _ in range(1 + most):
        start = time.perf_counter_ns()
        call()
        took.append((time.perf_counter_ns() - start) / 1000)
        if sum(took) > LONG_US and len(took) > 2:
            break
    return median(took[1:])


def opened(graph: Graph, path: Path) -> edgernn.Program:
    """The program of a graph in the format of a suffix."""
    edgernn.save(graph, path) if path.suffix == ".rnn" else export(graph, path)
    return edgernn.open(path)


def contenders(program: edgernn.Program, frames: np.ndarray) -> Calls:
    """The ways to step sixteen frames."""
    one, apart = program.stream(), [program.stream() for _ in frames]
    rows = list(frames)
    calls: Calls = {
        "alone": lambda: [one.step(row) for row in rows],
        "apart": lambda: [stream.step(row) for stream, row in zip(apart, rows, strict=True)],
    }
    for count in COUNTS:
        streams = program.streams(count)
        calls[f"{count}"] = together(streams, frames[:count].copy())
    return calls


def together(streams: edgernn.Streams, frames: np.ndarray) -> Callable[[], object]:
    """One step of as many streams as there are frames."""
    slots = [streams.join() for _ in frames]
    return lambda: streams.step(frames, slots)


def session_run(path: Path, frames: np.ndarray) -> Callable[[], object]:
    """`session.run` on the same file with a batch of sixteen, as users write it, the state handed back."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    name, state = next((node.name, node.shape[1]) for node in session.get_inputs() if node.name != "x")
    carried = np.zeros((len(frames), state), np.float32)

    def step() -> object:
        nonlocal carried
        y, carried = session.run(["y", f"{name.removesuffix('.in')}.out"], {"x": frames, name: carried})
        return y

    return step


def row(hidden: int, form: str, runtime: str, times: dict[tuple[str, str, str], np.ndarray]) -> dict[str, Any]:
    """The medians of a form on a runtime, and the ratios."""
    own = {key[2]: each for key, each in times.items() if key[:2] == (form, runtime)}
    last = own[f"{MOST}"]
    ratios = {f"{MOST} / {how}": last / own[how] for how in ("alone", "apart") if how in own}
    for peer in ("ONNX Runtime", "session.run"):
        if runtime != peer:
            ratios[f"{MOST} / {peer} fp32 {MOST}"] = last / times["fp32", peer, f"{MOST}"]
    return {
        "model": f"GRU-{hidden}",
        "form": form,
        "runtime": runtime,
        "us": {how: round(float(median(each)), 3) for how, each in own.items()},
        "ratios": {name: round(float(median(each)), 3) for name, each in ratios.items()},
    }


def print_row(each: dict[str, Any]) -> None:
    us = "  ".join(f"{how} {time:7.2f}" for how, time in each["us"].items())
    ratios = ", ".join(f"{name}: {ratio:.2f}" for name, ratio in each["ratios"].items())
    print(f"{each['model']:8} {each['form']:13} {each['runtime']:13} {us} us   {ratios}", flush=True)


if __name__ == "__main__":
    main()
