"""Step rates: how often a step is due for audio or control, by name; the profile of a board may state others."""

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
    """How often a step is due, and its deadline.

    Attributes:
        period_us: from one step to the next, in microseconds.
        deadline_us: from when a step is due until it must be done, in microseconds; at most the period.
        percentile: the percentage of steps that must meet the deadline.
    """

    period_us: float
    deadline_us: float
    percentile: float = 99.0


def every(period_us: float) -> StepRate:
    """A rate whose deadline is the period."""
    return StepRate(period_us, period_us)


RATES: Mapping[str, StepRate] = MappingProxyType(
    {
        "audio": every(10_000),  # a frame of 10 ms
        "control": every(1_000),  # a loop of 1 kHz
        "sample": every(1e6 / 44_100),  # one sample of sound at 44.1 kHz
    }
)
"""Name -> rate of every device; a table [budgets.NAME] of its profile replaces one or adds another."""


def parse_rates(document: Document) -> Mapping[str, StepRate]:
    """The rates that a profile states, such as [budgets.audio] with period_us, deadline_us and percentile below it.

    Raises:
        FileError: a rate is not a table or has no period, a key is unknown, or a number is out of range; with the line.
    """
    table = document.values.get(SECTION, {})
    if not isinstance(table, dict):
        raise document.error(f"'{SECTION}' is not a table; expected [{SECTION}.audio] with lines below it", SECTION)
    return MappingProxyType({name: _rate(document, name, entry) for name, entry in table.items()})


def _rate(document: Document, name: str, entry: Any) -> StepRate:
    section = f"{SECTION}.{name}"
    if not isinstance(entry, dict):
        raise document.error(
            f"'{name}' is {entry!r}; expected [{section}] with period_us = ... below it", name, SECTION
        )

    def error(key: str, message: str) -> FileError:
        return document.error(message, key, section)

    for key in entry:
        if key not in StepRate.__dataclass_fields__:
            raise error(key, f"there is no '{key}' in [{section}]; {misspelt(key, StepRate.__dataclass_fields__)}")
    if "period_us" not in entry:
        raise error(name, f"[{section}] has no period_us; write period_us = 10_000 for a step every 10 ms")
    period = _number(entry, "period_us", lambda value: 0 < value <= LONGEST_US, "microseconds, up to an hour", error)
    values = {"deadline_us": period, "percentile": 99} | entry
    unit = f"microseconds, up to the period of {period:g}"
    deadline = _number(values, "deadline_us", lambda value: 0 < value <= period, unit, error)
    unit = "steps in a hundred, from 50 to below 100"
    percentile = _number(values, "percentile", lambda value: 50 <= value < 100, unit, error)
    return StepRate(period, deadline, percentile)


def _number(
    values: Mapping[str, Any],
    key: str,
    allows: Callable[[float], bool],
    unit: str,
    error: Callable[[str, str], FileError],
) -> float:
    value = values[key]
    if type(value) not in {int, float} or not isfinite(value) or not allows(value):
        raise error(key, f"'{key}' is {value!r}; expected a number of {unit}")
    return float(value)
