"""Named uses: how often a step comes due for sound or control, and what the profile of a board says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any

from edgernn.errors import FileError
from edgernn.files.document import Document
from edgernn.files.spelling import misspelt

SECTION = "budgets"
LONGEST_US = 3.6e9  # an hour


@dataclass(frozen=True)
class StepRate:
    """How often a step comes due, by when it must be done, and how many of a hundred must be."""

    period_us: float
    deadline_us: float  # after it came due; at most the period
    percentile: float = 99.0


def every(period_us: float) -> StepRate:
    """A use whose steps have the whole period to be done."""
    return StepRate(period_us, period_us)


RATES: Mapping[str, StepRate] = MappingProxyType(
    {
        "audio": every(10_000),  # a frame of 10 ms
        "control": every(1_000),  # a loop of 1 kHz
        "sample": every(1e6 / 44_100),  # one sample of sound at 44.1 kHz
    }
)
"""What every device has; a table [budgets.NAME] of its profile says otherwise, or adds a use."""


def read(document: Document) -> Mapping[str, StepRate]:
    """The uses that a profile states, such as [budgets.audio] with period_us, deadline_us and percentile below it.

    Raises:
        FileError: no table, no period, an unknown key or an impossible number; with the line.
    """
    table = document.values.get(SECTION, {})
    if not isinstance(table, dict):
        raise document.error(f"'{SECTION}' is no table; expected [{SECTION}.audio] with lines below it", SECTION)
    return MappingProxyType({name: _rate(document, name, said) for name, said in table.items()})


def _rate(document: Document, name: str, said: Any) -> StepRate:
    section = f"{SECTION}.{name}"
    if not isinstance(said, dict):
        raise document.error(f"'{name}' is {said!r}; expected [{section}] with period_us = ... below it", name, SECTION)

    def wrong(key: str, told: str) -> FileError:
        return document.error(told, key, section)

    for key in said:
        if key not in StepRate.__dataclass_fields__:
            raise wrong(key, f"there is no '{key}' in [{section}]; {misspelt(key, StepRate.__dataclass_fields__)}")
    if "period_us" not in said:
        raise wrong(name, f"[{section}] has no period_us; write period_us = 10_000 for a step every 10 ms")
    period = _number(said, "period_us", lambda value: 0 < value <= LONGEST_US, "microseconds, up to an hour", wrong)
    words = f"microseconds, up to the period of {period:g}"
    deadline = _number({"deadline_us": period} | said, "deadline_us", lambda value: 0 < value <= period, words, wrong)
    words = "steps in a hundred, from 50 to below 100"
    percentile = _number({"percentile": 99} | said, "percentile", lambda value: 50 <= value < 100, words, wrong)
    return StepRate(period, deadline, percentile)


def _number(
    said: Mapping[str, Any],
    key: str,
    allows: Callable[[float], bool],
    words: str,
    wrong: Callable[[str, str], FileError],
) -> float:
    value = said[key]
    if type(value) not in {int, float} or not isfinite(value) or not allows(value):
        raise wrong(key, f"'{key}' is {value!r}; expected a number of {words}")
    return float(value)
