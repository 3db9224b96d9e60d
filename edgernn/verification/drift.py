"""What drift is: an error that grows, a state that leaves its range, or memory that is never given back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf, isfinite

import numpy as np

from edgernn.model.graph import OUTPUT
from edgernn.verification.course import Part, Statistics, joined

MOST_ERROR = 1.2
"""The error of the last tenth, as a multiple of that of the first: root mean squares, not below ROUNDING."""

CHANCE = 3.0
"""The standard errors by which it must be above that: an error of rare bursts differs from tenth to tenth."""

MOST_RANGE = 1.5
"""The range of a state over the whole run, as a multiple of that of the first tenth: each with 0 in it."""

MOST_KIB = 1024
"""The resident memory after the last tenth, beyond that after the first."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""The error that is rounding, as a share of the largest magnitude in the first tenth."""


@dataclass(frozen=True)
class Growth:
    """How one value grew.

    Attributes:
        first, last, whole: the statistics of the first tenth, of the last, and of all steps.
        error: the error of the last tenth as a multiple of that of the first, 1 where both are rounding.
        beyond: by how many standard errors the mean square of the last tenth is above MOST_ERROR.
        range: the range of the artifact over all steps, as a multiple of that of the first tenth.
        reference_range: the same of the reference.
    """

    first: Statistics
    last: Statistics
    whole: Statistics
    error: float
    beyond: float
    range: float
    reference_range: float

    @property
    def grows(self) -> bool:
        """Whether the error does, and not by chance."""
        return self.error > MOST_ERROR and self.beyond > CHANCE

    @property
    def leaves(self) -> bool:
        """Whether the artifact leaves its range."""
        return not self.range <= MOST_RANGE


Tenths = Sequence[Sequence[Part]]
"""The parts of each tenth of a run, in order."""


def growths(tenths: Tenths) -> dict[str, Growth]:
    """Return how the output and each state grew, by name, from the first of some tenths to the last."""
    first, last = ({name: [part.values[name] for part in tenths[at]] for name in tenths[0][0].values} for at in (0, -1))
    whole, ends = joined([*chain(*tenths)]).values, [joined(tenths[at]).values for at in (0, -1)]
    return {name: _growth(ends[0][name], ends[1][name], whole[name], (first[name], last[name])) for name in whole}


def _growth(
    first: Statistics, last: Statistics, whole: Statistics, parts: tuple[Sequence[Statistics], Sequence[Statistics]]
) -> Growth:
    floor = ROUNDING * max(abs(first.reference_low), abs(first.reference_high))
    before, after = ([max(part.rms, floor) for part in each] for each in parts)
    return Growth(
        first,
        last,
        whole,
        _multiple(max(last.rms, floor), max(first.rms, floor)),
        _beyond(before, after),
        _multiple(_width(whole.low, whole.high), _width(first.low, first.high)),
        _multiple(_width(whole.reference_low, whole.reference_high), _width(first.reference_low, first.reference_high)),
    )


def _beyond(before: Sequence[float], after: Sequence[float]) -> float:
    """Return by how many standard errors the mean square of some parts is above MOST_ERROR times that of others.

    B. Welch, "The generalization of Student's problem when several different population variances are involved"
    (Biometrika 34, 1947). A single part has no standard error, and is above nothing.
    """
    if not all(map(isfinite, (*before, *after))):
        return inf
    if min(len(before), len(after)) < 2:
        return 0.0
    one, other = MOST_ERROR**2 * np.square(before), np.square(after)
    above = float(other.mean() - one.mean())
    deviation = float(np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)))
    return above / deviation if deviation else (inf if above > 0 else 0.0)


def _width(low: float, high: float) -> float:
    """Return the width of a range with 0 in it; infinite where an end is not a number."""
    width = max(high, 0.0) - min(low, 0.0)
    return width if isfinite(low + high) else inf


def _multiple(of: float, unit: float) -> float:
    """Return a ratio: 1 of two zeros, infinite of a number that is not finite."""
    if not isfinite(of):
        return inf
    return of / unit if unit else (1.0 if of == 0 else inf)


def reasons(tenths: Tenths) -> tuple[str, ...]:
    """Return what drifts, in words; nothing where all is stable."""
    grown = growths(tenths)
    resets = sum(part.health.resets for part in chain(*tenths))
    guard = (f"the state guard found a value that no state may have, and reset the states: {resets:,} times",)
    return (*_errors(grown), *_ranges(grown), *(guard if resets else ()), *_held(tenths[0][-1], tenths[-1][-1]))


def label(name: str) -> str:
    """Return a value in words."""
    return "the output" if name == OUTPUT else f"state '{name}'"


def _errors(grown: Mapping[str, Growth]) -> Iterator[str]:
    for name, each in grown.items():
        if each.grows and not isfinite(each.error):
            yield f"{label(name)} is infinite, or not a number, where the reference is not"
        elif each.grows:
            yield (
                f"the error of {label(name)} grows: {each.first.rms:.3g} RMS in the first tenth, {each.last.rms:.3g} "
                f"in the last, {each.error:.3g} times as much; {MOST_ERROR:g} is allowed"
            )


def _ranges(grown: Mapping[str, Growth]) -> Iterator[str]:
    for name, each in grown.items():
        if name != OUTPUT and each.leaves:
            also = not each.reference_range <= MOST_RANGE
            yield (
                f"{label(name)} grows: {each.first.low:.4g} to {each.first.high:.4g} in the first tenth, "
                f"{each.whole.low:.4g} to {each.whole.high:.4g} in all; "
                + ("so does the reference: it is the model" if also else "the reference does not: it is the artifact")
            )


def _held(first: Part, last: Part) -> Iterator[str]:
    more = last.resident_kib - first.resident_kib
    if more > MOST_KIB:
        yield f"memory grows: {more:,} KiB more than after the first tenth; {MOST_KIB:,} is allowed"
    if last.descriptors > first.descriptors:
        yield f"descriptors stay open: {last.descriptors}, and {first.descriptors} after the first tenth"
