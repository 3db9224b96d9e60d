"""How often the verdict on a budget is wrong, in simulated runs with known miss rate and bursts; writes JSON.

A slow period begins at random and lasts a number of steps, each of which misses with a given probability. At the limit,
where exactly the allowed share is late, every PASS and every FAIL is wrong. Nothing is timed. The table also has the
passes if clusters of few misses were formed by consecutive misses alone.
"""

import argparse
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import results
from edgernn.budget.binomial import FAIL, PASS
from edgernn.budget.bursts import BLOCKS, FEW, cluster_size, dispersion
from edgernn.budget.verdict import Budget, decide

SHAPES = ((1, 1.0), (2, 1.0), (5, 1.0), (9, 1.0), (10, 1.0), (20, 1.0), (18, 0.5), (30, 0.3), (100, 0.1))
STEPS = (300, 3000, 6000, 60_000)
RATES = (0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0)  # true miss rate, relative to the allowed one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="runs of each kind")
    parser.add_argument("--output", type=Path, default=results.FOLDER / "verdicts.json")
    options = parser.parse_args()
    rows = []
    for percentile in (99.0, 99.9):
        for steps in STEPS:
            for burst, inside in SHAPES:
                for rate in RATES if (burst, inside) in {(1, 1.0), (5, 1.0)} else (1.0,):
                    rows.append(row(percentile, steps, burst, inside, rate, options.runs))
                    print(rows[-1], flush=True)
    method = {"runs": options.runs, "few": FEW, "blocks": BLOCKS}
    results.write(options.output, {"method": method, "rows": rows}, results.UNTIMED)


def row(percentile: float, steps: int, burst: int, inside: float, rate: float, runs: int) -> dict[str, Any]:
    """The shares of the verdicts in runs of one kind."""
    budget = Budget(1000.0, percentile=percentile)
    random = np.random.default_rng(0)

    @lru_cache(None)
    def verdict(misses: int, factor: float) -> str:
        return decide(steps, misses, factor, budget)

    counts: Counter[str] = Counter()
    for _ in range(runs):
        late = misses_of(random, steps, (1 - budget.p) * rate, burst, inside)
        factor = dependence(late, steps)
        counts[verdict(len(late), factor)] += 1
        counts[f"in a row {verdict(len(late), in_a_row(late) if 0 < len(late) < FEW else factor)}"] += 1
    kinds = {"pass": PASS, "fail": FAIL, "pass_by_misses_in_a_row": f"in a row {PASS}"}
    shares = {name: counts[kind] / runs for name, kind in kinds.items()}
    return {"percentile": percentile, "steps": steps, "burst": burst, "inside": inside, "rate": rate, **shares}


def misses_of(random: np.random.Generator, steps: int, rate: float, burst: int, inside: float) -> NDArray[np.int64]:
    """The steps that miss, ascending: each with probability `rate`, in bursts as described above."""
    begins = 1 - (1 - rate / inside) ** (1 / burst)  # a step is in a burst with probability rate / inside
    starts = random.integers(0, steps + burst - 1, random.binomial(steps + burst - 1, begins)) - burst + 1
    slow = np.unique((starts[:, None] + np.arange(burst)).ravel())
    slow = slow[(slow >= 0) & (slow < steps)]
    return slow[random.random(len(slow)) < inside]


def in_a_row(late: NDArray[np.int64]) -> float:
    """The mean number of consecutive misses, an alternative to the cluster size."""
    return len(late) / (1 + int((np.diff(late) > 1).sum()))


def dependence(late: NDArray[np.int64], steps: int) -> float:
    """As edgernn.budget.bursts.dependence, from the steps that missed."""
    if len(late) < FEW:
        return cluster_size(late.tolist(), steps)
    length = steps // BLOCKS
    whole = late[late < length * BLOCKS] // length
    return dispersion(np.bincount(whole, minlength=BLOCKS).tolist(), length)


if __name__ == "__main__":
    main()
