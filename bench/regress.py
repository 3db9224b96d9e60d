"""How often `edgernn regress` is right, on identical artifacts and on a step that is 10 % slower; writes JSON.

The slower model has an additional dense layer beside the network of the base. The number of its outputs that makes the
step 10 % slower is measured first, interleaved in one process. Then each run is a whole comparison, as by the command.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import edgernn
import results
from edgernn import Graph, Layer, Tensor
from edgernn.cells import Concat, Dense, Gru
from edgernn.interpreters.numpy import random_frames
from edgernn.latency.ab import ABTest, run_ab_test
from edgernn.latency.regress import BLOCK_US, PAIRS, PAIRS_PER_PROCESS, REGRESSED
from edgernn.latency.steps import interleaved
from edgernn_export import export
from machine import INPUTS, OUTPUTS, USUAL

HIDDEN = 128
SLOWER = 1.10  # target ratio
ROWS = 16  # outputs are added in multiples of this, the rows that compiled code computes at once
MOST = 4096
OPENINGS = 9  # the memory layout of an opened model changes its time by some percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of each kind")
    parser.add_argument("--suffix", default=".so", help="suffix of the artifacts, which selects the runtime")
    parser.add_argument("--output", type=Path, default=results.FOLDER / "regress.json")
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
                result = runs[kind][-1]
                print(k + 1, kind, result["verdict"], result["pairs"], "pairs", result["seconds"], "s", flush=True)
    rows = {kind: summary(each) for kind, each in runs.items()}
    report = {
        "method": {"pairs": PAIRS, "block_us": BLOCK_US, "processes_afresh_after_pairs": PAIRS_PER_PROCESS},
        "calibration": {"more_outputs": extra, "ratio": round(ratio, 4)},
        "rows": rows,
        "runs": runs,
    }
    about = USUAL | {"pinned": False, "hidden": HIDDEN, "suffix": options.suffix}
    for kind, row in rows.items():
        print(f"{kind}: {row['flagged']} of {row['runs']} flagged, {row['no_verdict']} open, {row['seconds']} s each")
    results.write(options.output, report, results.BACK_TO_BACK, **about)


def model(folder: Path, extra: int, suffix: str) -> Path:
    """The artifact of one GRU and a dense head, with `extra` more outputs beside it."""
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
    """The number of additional outputs that makes a step 10 % slower, and the measured ratio."""
    low, high, tried = 0, ROWS, {0: 1.0}
    while (tried.setdefault(high, slowdown(folder, high, suffix))) < SLOWER and high < MOST:
        low, high = high, high * 2
    while high - low > ROWS:
        between = (low + high) // (2 * ROWS) * ROWS
        ratio = tried.setdefault(between, slowdown(folder, between, suffix))
        low, high = (between, high) if ratio < SLOWER else (low, between)
    nearest = min(tried, key=lambda extra: abs(tried[extra] - SLOWER))
    return nearest, slowdown(folder, nearest, suffix)  # again: the nearest of several ratios is biased


def slowdown(folder: Path, extra: int, suffix: str) -> float:
    """The relative time of a step with `extra` more outputs: the median over several openings, interleaved in each."""
    frame, ratios = random_frames(INPUTS, 0, 1)[0], []
    for _ in range(OPENINGS):
        streams = {str(more): edgernn.open(model(folder, more, suffix)).stream() for more in (0, extra)}
        steps = {name: (lambda stream=stream: stream.step(frame)) for name, stream in streams.items()}
        ratios.append(median(took[str(extra)] / took["0"] for took in interleaved(steps, 9, 2000)))
    return median(ratios)


def run(base: Path, candidate: Path, seed: int) -> dict[str, Any]:
    """One comparison, as by the command."""
    began = time.perf_counter()
    comparison = run_ab_test(ABTest(str(base), str(candidate), seed=seed)).comparison
    rows = [
        {
            "metric": each.metric,
            "slower": round(each.slower, 4),
            "interval": [round(each.low, 4), round(each.high, 4)],
            "again": [round(each.repeat_low, 4), round(each.repeat_high, 4)],
        }
        for each in comparison.metrics
    ]
    seconds = round(time.perf_counter() - began, 1)
    fields = {"verdict": comparison.verdict, "reason": comparison.reason, "pairs": comparison.pairs}
    return {**fields, "seconds": seconds, "compared": rows}


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
