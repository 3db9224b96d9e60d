"""A step on numpy, bound and replayed, against one that is written by hand; writes results/numpy_step.json.

The definition replays the operations of a step with new arrays for all values, and copies the answer; the bound step
makes the same calls on arrays that stay. Both have the same bits. The step by hand is what an expert writes for one
cell and one size: gates side by side, every result in an array of its own.
"""

import os
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import results
from edgernn.cells import Dense, Gru, Lstm
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.latency.steps import interleaved
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.backends.numpy import NumpyEngine
from machine import INPUTS, OUTPUTS, USUAL

SIZES, ROUNDS, STEPS = (32, 64, 128), 21, 60
SCHEMES = ("fp32", DYNAMIC, *STATIC)
GATES = {"gru": 3, "lstm": 4}
HALF = np.array(0.5, np.float32)

Step = Callable[[], Any]


def model(cell: str, hidden: int) -> Graph:
    """A recurrent layer of random weights, and a dense one."""
    random = np.random.default_rng(hidden)

    def weight(*shape: int) -> Tensor:
        return Tensor((random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))

    gates = GATES[cell] * hidden
    w, u, b = weight(gates, INPUTS), weight(gates, hidden), weight(gates)
    recurrent = Gru(w, u, b, weight(gates)) if cell == "gru" else Lstm(w, u, b)
    return Graph((Layer("rnn", recurrent), Layer("out", Dense(weight(OUTPUTS, hidden), weight(OUTPUTS)))), INPUTS)


def sigmoid(x: np.ndarray) -> None:
    """In place, as half a hyperbolic tangent."""
    np.multiply(x, HALF, out=x)
    np.tanh(x, out=x)
    np.multiply(x, HALF, out=x)
    np.add(x, HALF, out=x)


def gru(graph: Graph, x: np.ndarray) -> Step:
    """A GRU and its head by hand."""
    cell, head = (layer.cell for layer in graph.layers)
    w, u, b, c, v, d = (each.dense() for each in (cell.w, cell.u, cell.b, cell.c, head.w, head.b))
    n = len(u[0])
    fx, fh, gates, new, rest, h, y = (np.zeros(size, np.float32) for size in (3 * n, 3 * n, 2 * n, n, n, n, len(v)))
    r, z, x_rz, h_rz, x_n, h_n = gates[:n], gates[n:], fx[: 2 * n], fh[: 2 * n], fx[2 * n :], fh[2 * n :]

    def step() -> np.ndarray:
        np.dot(w, x, out=fx)
        np.add(fx, b, out=fx)
        np.dot(u, h, out=fh)
        np.add(fh, c, out=fh)
        np.add(x_rz, h_rz, out=gates)
        sigmoid(gates)
        np.multiply(r, h_n, out=new)
        np.add(x_n, new, out=new)
        np.tanh(new, out=new)
        np.subtract(h, new, out=rest)
        np.multiply(z, rest, out=rest)
        np.add(new, rest, out=h)
        np.dot(v, h, out=y)
        return np.add(y, d, out=y)

    return step


def lstm(graph: Graph, x: np.ndarray) -> Step:
    """An LSTM and its head by hand."""
    cell, head = (layer.cell for layer in graph.layers)
    w, u, b, v, d = (each.dense() for each in (cell.w, cell.u, cell.b, head.w, head.b))
    n = len(u[0])
    gates, fh, h, c, new, y = (np.zeros(size, np.float32) for size in (4 * n, 4 * n, n, n, n, len(v)))
    i, f, g, o = np.split(gates, 4)
    i_f = gates[: 2 * n]

    def step() -> np.ndarray:
        np.dot(w, x, out=gates)
        np.add(gates, b, out=gates)
        np.dot(u, h, out=fh)
        np.add(gates, fh, out=gates)
        sigmoid(i_f)
        np.tanh(g, out=g)
        sigmoid(o)
        np.multiply(f, c, out=c)
        np.multiply(i, g, out=new)
        np.add(c, new, out=c)
        np.tanh(c, out=new)
        np.multiply(o, new, out=h)
        np.dot(v, h, out=y)
        return np.add(y, d, out=y)

    return step


def steps(graph: Graph, frame: np.ndarray) -> dict[str, Step]:
    """The bound step and the replay of a graph, both on this frame, with the integers of the artifact outside."""
    engine = NumpyEngine(graph.astype("float32"))
    bound, params, carried = engine.bind(), engine.manifest.quantization, [{}]
    bound.x[...] = params[INPUT].integers(frame) if INPUT in params else frame
    wide, answer = np.int64 if INPUT in params else np.float32, np.zeros_like(bound.y)
    static = any(layer.scheme for layer in graph.layers)
    stepper = IntegerStepper(engine.graph) if static else Stepper(engine.graph, "float32")
    define = stepper.step_integers if static else stepper.step
    for name, state in stepper.initial_state().items():
        carried[0][name] = params[name].integers(state) if name in params else state
    bound.set_states(tuple(carried[0].values()))

    def replay() -> np.ndarray:
        answer[:], carried[0] = define(bound.x.astype(wide), carried[0])
        return answer

    def step() -> np.ndarray:
        bound.step()
        return bound.y

    return {"bound": step, "replayed": replay}


def measure(cell: str, hidden: int) -> dict[str, Any]:
    """The medians of all rounds in microseconds, and the medians of their ratios."""
    graph, frame = model(cell, hidden), np.random.default_rng(0).standard_normal(INPUTS).astype(np.float32)
    seen = calibrate(graph, [np.random.default_rng(1).standard_normal((64, INPUTS)).astype(np.float32)])
    contenders: dict[str, Step] = {"fp32 by hand": (gru if cell == "gru" else lstm)(graph, frame)}
    for scheme in SCHEMES:
        smaller = graph if scheme == "fp32" else quantize(seen if scheme in STATIC else graph, scheme)
        contenders |= {f"{scheme} {name}": step for name, step in steps(smaller, frame).items()}
    for _ in range(8):
        answers = {name: np.array(step(), np.float64) for name, step in contenders.items()}
    np.testing.assert_allclose(answers["fp32 by hand"], answers["fp32 bound"], atol=1e-5)
    for scheme in SCHEMES:
        np.testing.assert_array_equal(answers[f"{scheme} bound"], answers[f"{scheme} replayed"])
    rounds = interleaved(contenders, ROUNDS, STEPS)
    pairs = {f"{scheme}: replayed / bound": (f"{scheme} replayed", f"{scheme} bound") for scheme in SCHEMES}
    pairs["fp32: bound / by hand"] = ("fp32 bound", "fp32 by hand")
    return {
        "cell": cell,
        "hidden": hidden,
        "p50_us": {name: round(median(each[name] for each in rounds), 3) for name in contenders},
        "ratios": {name: round(median(each[a] / each[b] for each in rounds), 3) for name, (a, b) in pairs.items()},
    }


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = [measure(cell, hidden) for cell in GATES for hidden in SIZES]
    about = USUAL | {"rounds": ROUNDS - 1, "steps_per_round": STEPS}
    results.write("numpy_step", {"rows": rows}, results.BACK_TO_BACK, **about)
    for row in rows:
        print(f"\n{row['cell']} {row['hidden']}: p50 in us")
        for name, took in (row["p50_us"] | row["ratios"]).items():
            print(f"  {name:36} {took:8.2f}")


if __name__ == "__main__":
    main()
