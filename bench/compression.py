"""What compression costs and gains on spoken digits, three seeds: prints tables and writes results/compression.json.

Trainings and fine-tunings stay in a cache, so that an interrupted run goes on; `--only steps` times steps again, while
nothing else runs. Every figure is of the test part of the official split, 300 clips: 900 answers of three seeds.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import edgernn
import results
from edgernn.cells import Dense, Gru
from edgernn.device import runtimes
from edgernn.errors import EdgernnError
from edgernn.interpreters.numpy import random_frames
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import SCHEMES, STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from machine import machine, versions
from spoken_digits import SEEDS, Digits, compressed, digits, elsewhere, evaluated, model, trained

HERE = Path(__file__).parent
TFLITE = HERE.parent / ".venv-tflite/bin/python"

PYTHONS = {"tflite-runtime": str(TFLITE)}
RUNTIMES = {
    runtime.title: (runtime.suffix, runtime.name, PYTHONS.get(runtime.name, sys.executable))
    for runtime in sorted(runtimes.RUNTIMES.values(), key=lambda each: each.name != "numpy")
}
"""The title of a runtime -> its suffix, its name, and the Python that has it; numpy first."""

TINY = (8, 10, 12)  # units

Form = Callable[[Graph, Digits], Graph]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data", help="the folder of real data")
    parser.add_argument("--only", choices=PARTS, nargs="*", default=list(PARTS))
    options = parser.parse_args()
    known = results.read("compression").data if (results.FOLDER / "compression.json").exists() else {}
    for name in options.only:
        known[name] = PARTS[name](options.data)
        print(f"\n{name}\n{json.dumps(known[name], indent=1)}", flush=True)
        results.write("compression", {name: known[name] for name in PARTS if name in known}, results.BACK_TO_BACK)


# --- precisions


def precisions(data: Path) -> dict[str, Any]:
    """Answers of GRU-32 that change in each precision, on each runtime."""
    results_by_form: dict[str, Any] = {}
    forms = {scheme: formed(scheme) for scheme in ("", *SCHEMES)}
    for seed in SEEDS:
        graph = trained(32, seed, data)
        exact = answers(graph, ".rnn", "", sys.executable, digits(data))
        for scheme, form in forms.items():
            smaller = form(graph, digits(data))
            entry = results_by_form.setdefault(
                scheme or "fp32", {"bytes": len(edgernn.artifact.rnn.dumps(smaller)), "runtimes": {}}
            )
            for runtime, (suffix, name, python) in RUNTIMES.items():
                scores = answers(smaller, suffix, name, python, digits(data))
                entry["runtimes"].setdefault(runtime, []).append(compared(scores, exact, digits(data).expected))
    for entry in results_by_form.values():
        entry["runtimes"] = {name: pooled(rows) for name, rows in entry["runtimes"].items()}
    return results_by_form


def formed(scheme: str) -> Form:
    """What makes a form of a graph."""
    if not scheme:
        return lambda graph, _: graph
    return lambda graph, spoken: quantize(spoken.calibrated(graph) if scheme in STATIC else graph, scheme)


def answers(graph: Graph, suffix: str, runtime: str, python: str, spoken: Digits) -> np.ndarray | str:
    """The last scores of every test clip, float32 (clips, classes); or why there are none."""
    if not Path(python).exists():
        return "not installed"
    with TemporaryDirectory() as folder:
        path, clips, out = (Path(folder, name) for name in (f"model{suffix}", "clips.npz", "scores.npy"))
        try:
            write(graph, path, runtime)
        except EdgernnError as error:
            return f"{type(error).__name__}: {error}"
        np.savez(clips, *spoken.data.test.frames)
        elsewhere(python, HERE / "answers.py", path, clips, out)
        return np.load(out)


def compared(scores: np.ndarray | str, exact: np.ndarray | str, expected: np.ndarray) -> dict[str, Any]:
    if isinstance(scores, str) or isinstance(exact, str):
        return {"refused": scores}
    noise = float(np.square(scores - exact, dtype=np.float64).sum())
    return {
        "changed": int((scores.argmax(-1) != exact.argmax(-1)).sum()),
        "answers": len(expected),
        "accuracy": float((scores.argmax(-1) == expected).mean()),
        "snr_db": None
        if noise == 0
        else round(10 * float(np.log10(np.square(exact, dtype=np.float64).sum() / noise)), 1),
    }


def pooled(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The seeds together."""
    if "refused" in rows[0]:
        return rows[0]
    ratios = [row["snr_db"] for row in rows if row["snr_db"] is not None]
    return {
        "changed": sum(row["changed"] for row in rows),
        "answers": sum(row["answers"] for row in rows),
        "accuracy": round(mean(row["accuracy"] for row in rows), 4),
        "snr_db": round(mean(ratios), 1) if ratios else None,
    }


# --- pruning


def units(data: Path) -> dict[str, Any]:
    """GRU-64 with half of its units removed and trained further, beside GRU-32 trained from nothing."""
    how = ("--prune", "units=0.5", "--importance", "taylor")
    rows = [compressed(64, seed, data, "units", how, ("training.rate=4e-3", "training.epochs=40")) for seed in SEEDS]
    scratch = [evaluated(trained(32, seed, data), data) for seed in SEEDS]
    return {"rows": rows, **means(rows), "from_scratch": round(mean(scratch), 4)}


def blocks(data: Path) -> dict[str, Any]:
    """GRU-128 with 80 % of its blocks zero in int8, trained further and taught by itself as it was."""
    how = ("--prune", "blocks=0.8", "--precision", "dynamic_wi8_afp32", "--teacher")
    rows = [compressed(128, seed, data, "blocks", (*how, model(128, seed)), ("training.epochs=60",)) for seed in SEEDS]
    for row, seed in zip(rows, SEEDS, strict=True):
        row["bytes_int8"] = len(edgernn.artifact.rnn.dumps(quantize(trained(128, seed, data))))
    smaller = {
        "than_fp32": round(mean(row["bytes_before"] / row["bytes"] for row in rows), 2),
        "than_int8": round(mean(row["bytes_int8"] / row["bytes"] for row in rows), 2),
    }
    return {"rows": rows, **means(rows), "smaller": smaller}


def smallest(data: Path) -> dict[str, Any]:
    """Small models of four bits, trained further as such: which of them keeps 96 %."""
    how, settings = ("--precision", "weight_only_wi4_afp32", "--qat"), ("training.rate=4e-3", "training.epochs=8")
    results_by_form = {
        f"GRU-{hidden}": [compressed(hidden, seed, data, "four-bits", how, settings) for seed in SEEDS]
        for hidden in TINY
    }
    return {name: {"rows": rows, **means(rows)} for name, rows in results_by_form.items()}


def means(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {when: round(mean(row[when] for row in rows), 4) for when in ("before", "cut", "after")}


# --- steps


def steps(_: Path) -> dict[str, Any]:
    """What a step takes in each form on each runtime, as Python calls it; ratios of the same run."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sizes = {hidden: forms(random_graph(hidden)) for hidden in (32, 128, 256)}
    rows = []
    for runtime in RUNTIMES:
        rows += [
            {"runtime": runtime, "hidden": hidden, **raced(runtime, sizes[hidden], "fp32")} for hidden in (32, 128)
        ]
        for scheme in ("fp32", "dynamic_wi8_afp32", *STATIC):
            pair = {"256": sizes[256][scheme], "128": sizes[128][scheme]}
            row = {"runtime": runtime, "hidden": "256 to 128", "scheme": scheme}
            rows.append({**row, **raced(runtime, pair, "256")})
            if scheme in STATIC and RUNTIMES[runtime][0] == ".tflite":
                rows.append({**row, "scheme": f"{scheme}, raw", **raced(runtime, pair, "256", "--raw")})
        print(*(row for row in rows if row["runtime"] == runtime), sep="\n", flush=True)
    return {"machine": machine() | {"versions": versions()}, "rows": rows}


def random_graph(hidden: int) -> Graph:
    """A GRU of 20 inputs and a dense layer of 10 outputs, with random weights."""
    random = np.random.default_rng(hidden)

    def weights(*shape: int) -> Tensor:
        return Tensor((random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))

    gru = Gru(weights(3 * hidden, 20), weights(3 * hidden, hidden), weights(3 * hidden), weights(3 * hidden))
    return Graph((Layer("gru", gru), Layer("out", Dense(weights(10, hidden), weights(10)))), 20)


def forms(graph: Graph) -> dict[str, Graph]:
    """A graph in every precision."""
    known = calibrate(graph, [random_frames(graph.inputs, graph.vocabulary_size, 512)])
    return {"fp32": graph} | {scheme: quantize(known, scheme) for scheme in SCHEMES}


def raced(runtime: str, graphs: dict[str, Graph], base: str, *how: str) -> dict[str, Any]:
    """Medians in microseconds, how many times as fast as the base each is, and what the runtime refused."""
    suffix, name, python = RUNTIMES[runtime]
    if not Path(python).exists():
        return {"refused": dict.fromkeys(graphs, "not installed")}
    with TemporaryDirectory() as folder:
        paths, refused = {}, {}
        for form, graph in graphs.items():
            path = Path(folder, f"{form}{suffix}")
            try:
                write(graph, path, name)
                paths[form] = path
            except EdgernnError as error:
                refused[form] = f"{type(error).__name__}: {error}"
        rounds = json.loads(elsewhere(python, HERE / "interleaved.py", *how, *paths.values()))
    took = {form: [each[str(path)] for each in rounds] for form, path in paths.items()}
    return {
        "us": {form: round(median(each), 3) for form, each in took.items()},
        "times_as_fast": {
            form: round(median(a / b for a, b in zip(took[base], each, strict=True)), 3) for form, each in took.items()
        },
        "refused": refused,
    }


def write(graph: Graph, path: Path, runtime: str) -> None:
    """An artifact, or the graph itself."""
    if path.suffix == ".rnn":
        edgernn.save(graph, path)
    else:
        export(graph, path, runtime=runtime)


PARTS = {"precisions": precisions, "units": units, "blocks": blocks, "smallest": smallest, "steps": steps}

if __name__ == "__main__":
    main()
