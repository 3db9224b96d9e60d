"""How often a verdict of a budget is wrong, in runs whose true rate of misses and bursts are known; writes JSON.

A slow period begins at random and lasts so many steps, each of which misses with a given probability. At the limit,
where exactly the share that the budget allows is late, every PASS is wrong and every FAIL is too. No clock is asked.
Beside it stands what would pass if few misses were weighed by those that follow one another directly.
"""

import argparse
import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.budget.binomial import FAIL, PASS
from edgernn.budget.bursts import BLOCKS, FEW, cluster_size, dispersion
from edgernn.budget.verdict import Budget, decide

RESULTS = Path(__file__).parent / "results/verdicts.json"
SHAPES = ((1, 1.0), (2, 1.0), (5, 1.0), (9, 1.0), (10, 1.0), (20, 1.0), (18, 0.5), (30, 0.3), (100, 0.1))
STEPS = (300, 3000, 6000, 60_000)
RATES = (0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0)  # the true rate of misses, in parts of what the budget allows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="of each kind")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    for percentile in (99.0, 99.9):
        for steps in STEPS:
            for burst, inside in SHAPES:
                for rate in RATES if (burst, inside) in {(1, 1.0), (5, 1.0)} else (1.0,):
                    rows.append(row(percentile, steps, burst, inside, rate, options.runs))
                    print(rows[-1], flush=True)
    said = {"method": {"runs": options.runs, "few": FEW, "blocks": BLOCKS, "numpy": np.__version__}, "rows": rows}
    options.output.write_text(json.dumps(said, indent=1) + "\n")
    print(f"written to {options.output}")


def row(percentile: float, steps: int, burst: int, inside: float, rate: float, runs: int) -> dict[str, Any]:
    """How many runs of one kind have which verdict."""
    budget = Budget(1000.0, percentile=percentile)
    random = np.random.default_rng(0)

    @lru_cache(None)
    def verdict(misses: int, factor: float) -> str:
        return decide(steps, misses, factor, budget)

    said: Counter[str] = Counter()
    for _ in range(runs):
        late = misses_of(random, steps, (1 - budget.p) * rate, burst, inside)
        factor = dependence(late, steps)
        said[verdict(len(late), factor)] += 1
        said[f"in a row {verdict(len(late), in_a_row(late) if 0 < len(late) < FEW else factor)}"] += 1
    kinds = {"pass": PASS, "fail": FAIL, "pass_by_misses_in_a_row": f"in a row {PASS}"}
    shares = {name: said[kind] / runs for name, kind in kinds.items()}
    return {"percentile": percentile, "steps": steps, "burst": burst, "inside": inside, "rate": rate, **shares}


def misses_of(random: np.random.Generator, steps: int, rate: float, burst: int, inside: float) -> NDArray[np.int64]:
    """The steps that miss, ascending: each with probability `rate`, and so within bursts as described above."""
    begins = 1 - (1 - rate / inside) ** (1 / burst)  # so that a step lies in a burst with probability rate / inside
    starts = random.integers(0, steps + burst - 1, random.binomial(steps + burst - 1, begins)) - burst + 1
    slow = np.unique((starts[:, None] + np.arange(burst)).ravel())
    slow = slow[(slow >= 0) & (slow < steps)]
    return slow[random.random(len(slow)) < inside]


def in_a_row(late: NDArray[np.int64]) -> float:
    """The mean length of misses that follow one another directly: what the dependence of a few is not taken from."""
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
