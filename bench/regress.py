"""How often `edgernn regress` is right: identical artifacts, and a step made 10 % slower by real work; writes JSON.

The slower model has a dense layer beside the base's network, with as many outputs as make its step 10 % slower here:
that is measured first, both in turn, in one process. Then each run is a whole comparison, as the command makes it.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import edgernn
from edgernn import Graph, Layer, Tensor
from edgernn.cells import Concat, Dense, Gru
from edgernn.interpreters.numpy import random_frames
from edgernn.latency.ab import ABTest, compared
from edgernn.latency.regress import BLOCK_US, FRESH, PAIRS, REGRESSED
from edgernn.latency.steps import in_turn
from edgernn_export import export
from machine import INPUTS, OUTPUTS, machine

RESULTS = Path(__file__).parent / "results/regress.json"
HIDDEN = 128
SLOWER = 1.10  # the ratio that is wanted
ROWS = 16  # outputs that are added at a time: what compiled code computes at once
MOST = 4096
OPENINGS = 9  # where the data of each lie decides some percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="of each kind")
    parser.add_argument("--suffix", default=".so", help="of the artifacts, and so the runtime")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = model(Path(folder), 0, options.suffix)
        extra, ratio = calibrated(Path(folder), options.suffix)
        slower = model(Path(folder), extra, options.suffix)
        print(f"{extra} more outputs make a step {ratio - 1:.1%} slower")
        kinds = {"identical": base, "slower": slower}
        runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
        for k in range(options.runs):
            for kind, candidate in kinds.items():
                runs[kind].append(run(base, candidate, k))
                told = runs[kind][-1]
                print(k + 1, kind, told["verdict"], told["pairs"], "pairs", told["seconds"], "s", flush=True)
    rows = {kind: summary(each) for kind, each in runs.items()}
    said = {
        "machine": machine() | {"pinned": False, "hidden": HIDDEN, "suffix": options.suffix},
        "method": {"pairs": PAIRS, "block_us": BLOCK_US, "processes_afresh_after_pairs": FRESH},
        "calibration": {"more_outputs": extra, "ratio": round(ratio, 4)},
        "rows": rows,
        "runs": runs,
    }
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(said, indent=1) + "\n")
    for kind, row in rows.items():
        print(f"{kind}: {row['flagged']} of {row['runs']} flagged, {row['no_verdict']} open, {row['seconds']} s each")
    print(f"written to {options.output}")


def model(folder: Path, extra: int, suffix: str) -> Path:
    """The artifact of one GRU and a dense head, with so many more outputs beside it."""
    path = folder / f"plus{extra}{suffix}"
    if not path.exists():
        graph = network(extra)
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
    return path


def network(extra: int) -> Graph:
    random = np.random.default_rng(0)

    def weights(*shape: int) -> Tensor:
        return Tensor((random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))

    gates = 3 * HIDDEN
    gru = Gru(weights(gates, INPUTS), weights(gates, HIDDEN), weights(gates), weights(gates))
    layers = (Layer("gru", gru), Layer("out", Dense(weights(OUTPUTS, HIDDEN))))
    if not extra:
        return Graph(layers, INPUTS)
    more = Layer("more", Dense(weights(extra, INPUTS)), ("x",))
    return Graph((*layers, more, Layer("all", Concat(), ("out", "more"))), INPUTS)


def calibrated(folder: Path, suffix: str) -> tuple[int, float]:
    """How many more outputs make a step 10 % slower, and the ratio that was measured."""
    low, high, tried = 0, ROWS, {0: 1.0}
    while (tried.setdefault(high, slowdown(folder, high, suffix))) < SLOWER and high < MOST:
        low, high = high, high * 2
    while high - low > ROWS:
        between = (low + high) // (2 * ROWS) * ROWS
        ratio = tried.setdefault(between, slowdown(folder, between, suffix))
        low, high = (between, high) if ratio < SLOWER else (low, between)
    found = min(tried, key=lambda extra: abs(tried[extra] - SLOWER))
    return found, slowdown(folder, found, suffix)  # again, for the nearest of several is near by luck too


def slowdown(folder: Path, extra: int, suffix: str) -> float:
    """How much slower a step is with so many more outputs: the median of several openings, both in turn in each."""
    frame, ratios = random_frames(INPUTS, 0, 1)[0], []
    for _ in range(OPENINGS):
        streams = {str(more): edgernn.open(model(folder, more, suffix)).stream() for more in (0, extra)}
        steps = {name: (lambda stream=stream: stream.step(frame)) for name, stream in streams.items()}
        ratios.append(median(took[str(extra)] / took["0"] for took in in_turn(steps, 9, 2000)))
    return median(ratios)


def run(base: Path, candidate: Path, seed: int) -> dict[str, Any]:
    """One comparison, as the command makes it."""
    began = time.perf_counter()
    said = compared(ABTest(str(base), str(candidate), seed=seed)).regression
    rows = [
        {
            "metric": each.metric,
            "slower": round(each.slower, 4),
            "interval": [round(each.low, 4), round(each.high, 4)],
            "again": [round(each.again_low, 4), round(each.again_high, 4)],
        }
        for each in said.compared
    ]
    seconds = round(time.perf_counter() - began, 1)
    return {"verdict": said.verdict, "reason": said.reason, "pairs": said.pairs, "seconds": seconds, "compared": rows}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    verdicts = [each["verdict"] for each in runs]
    return {
        "runs": len(runs),
        "flagged": verdicts.count(REGRESSED),
        "no_verdict": len(verdicts) - verdicts.count(REGRESSED) - verdicts.count("OK"),
        "seconds": round(median(each["seconds"] for each in runs), 1),
    }


if __name__ == "__main__":
    main()
