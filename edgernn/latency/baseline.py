"""A baseline: the cost of a model's step as stored in a file, and the comparison of a new measurement with it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.bursts import dependence
from edgernn.budget.verdict import Budget, interval, nearest_rank
from edgernn.errors import FileError
from edgernn.files import atomic, bounded_json, typed

US, INSTRUCTIONS = "us", "instructions"

TOLERANCES: Mapping[str, float] = MappingProxyType({US: 0.05, INSTRUCTIONS: 0.01})
"""Unit -> the relative increase that is not a regression."""

SIZE_TOLERANCE = 0.03

MEDIAN = Budget(1.0, percentile=50)  # only its percentile and confidence are used


@dataclass(frozen=True)
class Baseline:
    """The cost of a step, and the conditions that it is valid for.

    Attributes:
        unit: US or INSTRUCTIONS.
        value: the median time, or the instructions of one step.
        low, high: confidence bounds of the median; equal to the value for instructions.
        size: bytes of the model.
        fingerprint: of the machine or the compiler; baselines are comparable only if it is equal.
    """

    unit: str
    value: float
    low: float
    high: float
    size: int
    fingerprint: Mapping[str, Any]


def from_times(times_us: Sequence[float], size: int, fingerprint: Mapping[str, Any]) -> Baseline:
    """The baseline of a run, from its service times in the order of the steps."""
    ordered, median = sorted(times_us), nearest_rank(sorted(times_us), 50)
    low, high = interval(ordered, dependence([us > median for us in times_us]), MEDIAN)
    low, high = ordered[0] if low is None else low, ordered[-1] if high is None else high
    return Baseline(US, median, low, high, size, json.loads(json.dumps(fingerprint)))


def load(path: str | os.PathLike[str]) -> Baseline | None:
    """Read a baseline from a file; None if the file does not exist.

    Raises:
        FileError: the file is not a baseline.
    """
    if not Path(path).exists():
        return None
    try:
        fields = bounded_json.loads(atomic.read(path))
        typed.check(Baseline, dict(fields))
        baseline = Baseline(**fields)
    except (ValueError, TypeError) as error:
        raise _not_a_baseline(path, str(error)) from error
    numbers = [baseline.value, baseline.low, baseline.high, baseline.size]
    if baseline.unit not in TOLERANCES or not all(each >= 0 for each in numbers):
        raise _not_a_baseline(path, f"it holds {baseline.unit!r} with values {numbers}")
    return baseline


def _not_a_baseline(path: str | os.PathLike[str], reason: str) -> FileError:
    return FileError(f"'{path}' is not a baseline: {reason}; write it again with --edgernn-update-baseline")


def save(path: str | os.PathLike[str], baseline: Baseline) -> None:
    """Write a baseline; its folder is created.

    Raises:
        FileError: the file cannot be written.
    """
    atomic.make_folder(Path(path).parent)
    atomic.write(path, f"{json.dumps(asdict(baseline), indent=1)}\n".encode())


def compare(current: Baseline, before: Baseline | None) -> tuple[str, str]:
    """Compare a measurement with a baseline. Returns the verdict and its reason."""
    if before is None:
        return NO_VERDICT, "there is no baseline; write one with --edgernn-update-baseline"
    if current.unit != before.unit:
        return NO_VERDICT, f"the baseline is in {before.unit}, not in {current.unit}; write a separate one"
    other = sorted(
        key
        for key in {*current.fingerprint, *before.fingerprint}
        if current.fingerprint.get(key) != before.fingerprint.get(key)
    )
    if other:
        return NO_VERDICT, f"the baseline is from another machine or runtime: {', '.join(other)} differ"
    if current.size > before.size * (1 + SIZE_TOLERANCE):
        sizes = f"{before.size:,} to {current.size:,} bytes"
        return FAIL, f"the model grew from {sizes}, by more than {SIZE_TOLERANCE:.0%}"
    limit = before.high * (1 + TOLERANCES[current.unit])
    change = f"{current.value:,.6g} {current.unit} against {before.value:,.6g}, {current.value / before.value - 1:+.1%}"
    if current.low > limit:
        return FAIL, f"regressed: {change}"
    if current.high > limit:
        return NO_VERDICT, f"the times vary too much for a verdict: {change}"
    return PASS, change
