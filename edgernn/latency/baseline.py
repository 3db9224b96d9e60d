"""A baseline: what a model took when it was last looked at, kept in a file, and what has become of it since."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.bursts import dependence
from edgernn.budget.verdict import Budget, at, interval
from edgernn.errors import FileError
from edgernn.files import atomic, bounded_json, typed

US, INSTRUCTIONS = "us", "instructions"

TOLERANCES: Mapping[str, float] = MappingProxyType({US: 0.05, INSTRUCTIONS: 0.01})
"""Unit -> how much more is no regression, as a share."""

SIZE_TOLERANCE = 0.03

MIDDLE = Budget(1.0, percentile=50)  # of which the confidence is asked, and nothing else


@dataclass(frozen=True)
class Baseline:
    """What a step took, with what it belongs to.

    Attributes:
        unit: US or INSTRUCTIONS.
        value: the median time, or the instructions of one step.
        low, high: where the median of all steps lies; the value itself for instructions.
        size: bytes of the model.
        fingerprint: of the machine, or of the compiler: only what has the same is held against it.
    """

    unit: str
    value: float
    low: float
    high: float
    size: int
    fingerprint: Mapping[str, Any]


def of_times(times_us: Sequence[float], size: int, fingerprint: Mapping[str, Any]) -> Baseline:
    """The baseline of a run, from its service times in their order."""
    ordered, middle = sorted(times_us), at(sorted(times_us), 50)
    low, high = interval(ordered, dependence([us > middle for us in times_us]), MIDDLE)
    low, high = ordered[0] if low is None else low, ordered[-1] if high is None else high
    return Baseline(US, middle, low, high, size, json.loads(json.dumps(fingerprint)))


def read(path: str | os.PathLike[str]) -> Baseline | None:
    """The baseline in a file; None where there is no file.

    Raises:
        FileError: the file holds something else.
    """
    if not Path(path).exists():
        return None
    try:
        said = bounded_json.loads(atomic.read(path))
        typed.check(Baseline, dict(said))
        found = Baseline(**said)
    except (ValueError, TypeError) as error:
        raise _none(path, str(error)) from error
    numbers = [found.value, found.low, found.high, found.size]
    if found.unit not in TOLERANCES or not all(each >= 0 for each in numbers):
        raise _none(path, f"it holds {found.unit!r} of {numbers}")
    return found


def _none(path: str | os.PathLike[str], why: str) -> FileError:
    return FileError(f"'{path}' is no baseline: {why}; write it again with --edgernn-update-baseline")


def write(path: str | os.PathLike[str], baseline: Baseline) -> None:
    """Keep a baseline; the folder is made.

    Raises:
        FileError: it cannot be written.
    """
    atomic.make_folder(Path(path).parent)
    atomic.write(path, f"{json.dumps(asdict(baseline), indent=1)}\n".encode())


def against(now: Baseline, before: Baseline | None) -> tuple[str, str]:
    """What has become of a model: the verdict, and why in a sentence."""
    if before is None:
        return NO_VERDICT, "there is no baseline; write one with --edgernn-update-baseline"
    if now.unit != before.unit:
        return NO_VERDICT, f"the baseline has {before.unit} and not {now.unit}; write one of its own"
    other = sorted(
        key
        for key in {*now.fingerprint, *before.fingerprint}
        if now.fingerprint.get(key) != before.fingerprint.get(key)
    )
    if other:
        return NO_VERDICT, f"the baseline is of another machine or runtime: {', '.join(other)} differ"
    if now.size > before.size * (1 + SIZE_TOLERANCE):
        grown = f"{before.size:,} to {now.size:,} bytes"
        return FAIL, f"the model grew from {grown}, by more than {SIZE_TOLERANCE:.0%}"
    most = before.high * (1 + TOLERANCES[now.unit])
    told = f"{now.value:,.6g} {now.unit} against {before.value:,.6g}, {now.value / before.value - 1:+.1%}"
    if now.low > most:
        return FAIL, f"regressed: {told}"
    if now.high > most:
        return NO_VERDICT, f"the times vary too much to tell: {told}"
    return PASS, told
