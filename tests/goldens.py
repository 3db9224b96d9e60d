"""What the host hands to a device: artifacts, frames, and the answers that it expects, for tests/device/check.py."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

import edgernn
from edgernn.artifact.manifest import graph_manifest
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.proof.floats import sides
from edgernn_export.targets.naming import WEIGHTS
from zoo import GRAPHS, frames

STEPS = 40
ATOL = 1e-5
SMALLER = ("stack", "Embedding", "Product")
ROUNDED = (*WEIGHTS, *STATIC)
FREE = tuple(scheme for scheme in WEIGHTS if scheme != DYNAMIC)  # those in which no runtime rounds in its own way
AMPLIFYING = ("LayerNormGru", "LayerNormLstm", "LayerNormGru shared", "Mask of a spectrum")
"""Graphs whose runs drift apart by more than a step loses: a norm or a logarithm amplifies what is small."""
COUNT = len(GRAPHS) + len(SMALLER) * len(ROUNDED)
"""The number of models that a device checks."""

Write = Callable[[Graph, Path], None]
"""Writes a graph as an artifact."""


def stem(name: str) -> str:
    """The stem of the files of a graph of the zoo."""
    return name.replace(" ", "_")


def in_scheme(name: str, scheme: str) -> Graph:
    """A graph of the zoo in a smaller precision; a static one is calibrated first."""
    graph = GRAPHS[name]
    if scheme in STATIC:
        graph = calibrate(graph, [frames(graph, 48, seed) for seed in range(4)], growing="accept")
    return quantize(graph, scheme)


def write_floats(folder: Path, writers: Mapping[str, Write]) -> None:
    """Every graph of the zoo in each format, suffix -> writer, with frames and what numpy in float64 answers.

    Each step of one that amplifies has its states before, and its bounds, which are those of every runtime in float.
    """
    for name, graph in GRAPHS.items():
        path = folder / stem(name)
        if name in AMPLIFYING:
            np.savez(f"{path}.npz", **step_by_step(graph, frames(graph, STEPS), "numpy"))
        else:
            save_free_running(graph, path)
        write(graph, path, writers)


def write_smaller(folder: Path, runtime: str, writers: Mapping[str, Write]) -> None:
    """A few graphs in each smaller precision, in the folder of a runtime.

    Where inputs are rounded, a runtime may round in its own way: so each step has its states before, and its bounds.
    """
    (folder / runtime).mkdir(exist_ok=True)
    for scheme, name in product(ROUNDED, SMALLER):
        graph, path = in_scheme(name, scheme), folder / runtime / f"{name}_{scheme}"
        if scheme in FREE:
            save_free_running(graph, path)
        else:
            np.savez(f"{path}.npz", **step_by_step(graph, frames(graph, STEPS), runtime))
        write(graph, path, writers)


def write(graph: Graph, path: Path, writers: Mapping[str, Write]) -> None:
    """The graph as `.rnn` and in each format."""
    edgernn.save(graph, f"{path}.rnn")
    for suffix, of_suffix in writers.items():
        of_suffix(graph, Path(f"{path}{suffix}"))


def exported(runtime: str | None = None) -> Write:
    """The writer of users, who prove what they write."""
    return lambda graph, path: export(graph, path, runtime=runtime)


def save_free_running(graph: Graph, path: Path) -> None:
    """Frames, the answers from rest to the last of them, and the states after it, in float64."""
    xs = frames(graph, STEPS)
    expected, states = Stepper(graph).run(xs)
    np.savez(f"{path}.npz", frames=xs, expected=expected, **{f"state.{key}": state for key, state in states.items()})


def step_by_step(graph: Graph, xs: np.ndarray, runtime: str) -> dict[str, np.ndarray]:
    """For each step: the states before it, every result, and how far from that the runtime may be."""
    reference, bounds, _ = sides(graph, runtime, len(xs))
    states, rows = reference.initial_state(), []
    for x in xs:
        y, after = reference.step(x, states)
        expected = {"y": y, **after}
        parts = {"before": states, "after": expected, "bound": bounds.of(x, states, expected)}
        rows.append({f"{kind}.{name}": value for kind, values in parts.items() for name, value in values.items()})
        states = after
    return {"frames": xs, **{key: np.stack([row[key] for row in rows]) for key in rows[0]}}


def definition(graph: Graph) -> Stepper:
    """What a graph is compared with from rest to the last frame: in float64, or where it rounds with all its roundings.

    Raises:
        ValueError: it rounds, and no bits are promised; so one step alone can be compared.
    """
    if not any(scheme in graph.precision for scheme in (DYNAMIC, *STATIC)):
        return Stepper(graph)
    if not graph_manifest(graph).same_bits:
        raise ValueError(f"no bits are promised for a graph in {graph.precision}")
    return IntegerStepper(graph) if any(layer.scheme for layer in graph.layers) else Stepper(graph, "float32")


def write_for_bare_python(folder: Path, names: Sequence[str]) -> None:
    """For a Python without numpy: a JSON for each of these artifacts, with frames, answers and how far they may be."""
    for name in names:
        if name in map(stem, AMPLIFYING):
            continue  # each of its steps is compared where there is numpy
        graph = edgernn.load(folder / f"{name}.rnn")
        xs, promised = frames(graph, STEPS), graph_manifest(graph).same_bits
        expected = definition(graph).run(xs)[0]
        most = 0.0 if promised == "all" else ATOL * max(1.0, float(np.abs(expected).max()))
        golden = {"frames": xs.tolist(), "expected": expected.tolist(), "most": most}
        (folder / f"{name}.json").write_text(json.dumps(golden))
