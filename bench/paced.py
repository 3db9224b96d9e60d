"""One step when frames come one by one: back to back, paced, paced and primed. Writes results/paced.json.

GRU-128 on every runtime, in one run: each round takes every contender in turn, back to back and then on frames of one
schedule, of which every other one is primed. edgernn primes with `Stream.prime`. The other ways to step have nothing of
the kind: they are primed by running the same code on a second state, with the same session or interpreter. On a machine
with other work to do, `chrt --fifo 10 python bench/paced.py` measures a device program with real-time priority.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

import edgernn
import results
from contenders import Model, make, ort_session
from edgernn.latency.paced import run_alternately, time_steps
from edgernn.latency.steps import collector_paused, percentiles
from machine import INPUTS, USUAL

CELL, HIDDEN, PERIOD_MS = "gru", 128, 10.0
POLICIES = {os.SCHED_OTHER: "normal", os.SCHED_FIFO: "real time", os.SCHED_RR: "real time"}
FIRST = 2  # frames of each kind at the start of a turn that are not counted: another contender ran before them


@dataclass(frozen=True)
class Contender:
    """A way to step, and what primes it."""

    step: Callable[[np.ndarray], object]
    prime: Callable[[], object]


def on_two_states(step: Callable[[np.ndarray, Any], object], first: Callable[[], Any], frame: np.ndarray) -> Contender:
    """A step that keeps its state in an object, primed by itself with another such object."""
    state, scratch = first(), first()
    return Contender(lambda x: step(x, state), lambda: step(frame, scratch))


def torch_eager(model: Model) -> Contender:
    """The module, one frame at a time, with its state handed back."""

    def step(frame: np.ndarray, state: list[Any]) -> object:
        with torch.inference_mode():
            y, state[0] = model.net(torch.from_numpy(frame).reshape(1, 1, INPUTS), state[0])
        return y

    return on_two_states(step, lambda: [None], model.frames[0])


def session_run(model: Model) -> Contender:
    """`session.run` with dictionaries, one thread."""
    session, zeros = ort_session(model.paths[".onnx"])
    names = list(zeros)

    def step(frame: np.ndarray, feed: dict[str, np.ndarray]) -> object:
        feed["x"] = frame[None]
        y, *states = session.run(None, feed)
        feed.update(zip(names[1:], states, strict=True))
        return y

    return on_two_states(step, zeros.copy, model.frames[0])


def litert(suffix: str) -> Callable[[Model], Contender]:
    """set_tensor, invoke and get_tensor, as the documentation of LiteRT shows."""

    def contender(model: Model) -> Contender:
        interpreter = Interpreter(model_path=str(model.paths[suffix]), num_threads=1)
        interpreter.allocate_tensors()
        x, *states = interpreter.get_input_details()
        y, *afters = interpreter.get_output_details()

        def step(frame: np.ndarray, held: list[np.ndarray]) -> object:
            interpreter.set_tensor(x["index"], frame[None])
            for state, value in zip(states, held, strict=True):
                interpreter.set_tensor(state["index"], value)
            interpreter.invoke()
            held[:] = [interpreter.get_tensor(after["index"]) for after in afters]
            return interpreter.get_tensor(y["index"])

        return on_two_states(step, lambda: [np.zeros(each["shape"], np.float32) for each in states], model.frames[0])

    return contender


def ours(suffix: str) -> Callable[[Model], Contender]:
    """`Stream.step` and `Stream.prime`."""

    def contender(model: Model) -> Contender:
        stream = edgernn.open(model.paths[suffix]).stream()
        return Contender(stream.step, stream.prime)

    return contender


CONTENDERS: dict[str, Callable[[Model], Contender]] = {
    "torch eager": torch_eager,
    "onnxruntime session.run": session_run,
    "onnxruntime (edgernn)": ours(".onnx"),
    "LiteRT set/invoke/get": litert(".tflite"),
    "LiteRT (edgernn)": ours(".tflite"),
    "LiteRT int8 set/invoke/get": litert(".int8.tflite"),
    "LiteRT int8 (edgernn)": ours(".int8.tflite"),
    "numpy (edgernn)": ours(".rnn"),
    "compiled fp32 (edgernn)": ours(".so"),
    "compiled int8 (edgernn)": ours(".int8.so"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="turns of each contender")
    parser.add_argument("--frames", type=int, default=40, help="of each kind, paced and primed, in a turn")
    parser.add_argument("--steps", type=int, default=300, help="back to back in a turn")
    parser.add_argument("--out", type=Path, default=results.FOLDER / "paced.json")
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = make(CELL, HIDDEN, Path(folder))
        rows = measure(model, options)
    for name, row in rows.items():
        print(line(name, row))
    about = {"rounds": options.rounds, "frames": options.frames, "steps": options.steps, "period_ms": PERIOD_MS}
    about |= {"scheduling": POLICIES.get(os.sched_getscheduler(0), "unknown"), "load": os.getloadavg()[0]}
    report = {"cell": CELL, "hidden": HIDDEN, "rows": rows}
    results.write(options.out, report, results.BOTH, **USUAL, **about)


def measure(model: Model, options: argparse.Namespace) -> dict[str, Any]:
    """Times all contenders in turn. Returns the percentiles of each way, in microseconds."""
    contenders = {name: contender(model) for name, contender in CONTENDERS.items()}
    took: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {name: [] for name in contenders}
    frames = list(model.frames)
    for turn in range(options.rounds + 1):
        for name, each in contenders.items():
            with collector_paused():
                fast = time_steps(each.step, cycle(frames), options.steps)
            slow = run_alternately(each.step, each.prime, frames, 1000 * PERIOD_MS, options.frames + FIRST)
            if turn:  # the first is the warm-up
                took[name].append((fast[options.steps // 3 :], slow[0][FIRST:], slow[1][FIRST:]))
        print(f"turn {turn} of {options.rounds}", file=sys.stderr)
    ways = ("back to back", "paced", "primed")
    return {
        name: {
            way: percentiles(np.concatenate(times)) for way, times in zip(ways, zip(*turns, strict=True), strict=True)
        }
        for name, turns in took.items()
    }


def line(name: str, row: dict[str, dict[str, float]]) -> str:
    return f"{name:30}" + "".join(f"  {way} {us['p50_us']:7.2f} {us['p99_us']:8.2f}" for way, us in row.items())


if __name__ == "__main__":
    main()
