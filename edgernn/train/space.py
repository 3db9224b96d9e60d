"""What a search may vary: for each setting of a recipe a list of choices, or a range."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isinf
from typing import Any, TypeAlias

from edgernn.errors import UsageError
from edgernn.files.bounded_toml import value
from edgernn.files.spelling import misspelt

Choice: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Choices:
    """One of several values, in no order."""

    values: tuple[Choice, ...]

    @property
    def ends(self) -> tuple[Choice, ...]:
        """What must be right for all of it to be right."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A number from `low` up to and with `high`.

    Attributes:
        low, high: the ends; two whole numbers for a range of whole numbers.
        step: from one value to the next; 0 for any value, or for every whole number.
        log: whether each factor is as likely as another, and not each difference.
    """

    low: float
    high: float
    step: float = 0
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or isinf(self.low) or isinf(self.high):
            raise UsageError(f"a range from {self.low} to {self.high} arrived; expected the lower end first")
        if self.log and (self.low <= 0 or self.step):
            raise UsageError(
                f"a logarithmic range from {self.low} by steps of {self.step} arrived; expected it above 0, and no step"
            )
        if self.step < 0 or (
            self.step and (Decimal(str(self.high)) - Decimal(str(self.low))) % Decimal(str(self.step))
        ):
            raise UsageError(
                f"steps of {self.step} do not lead from {self.low} to {self.high}; give another end or another step"
            )

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return all(type(each) is int for each in (self.low, self.high, self.step))

    @property
    def ends(self) -> tuple[Choice, ...]:
        """What must be right for all of it to be right."""
        return self.low, self.high


Domain: TypeAlias = Choices | Range
Space: TypeAlias = Mapping[str, Domain]
"""A setting, "section.key" -> what it may be."""


def domain(said: Any, kind: type[Any] | None) -> Domain:
    """What a value of the section [search] means.

    Args:
        said: a list of choices, or a table of low, high and perhaps step or log.
        kind: of the setting; None when only its reader knows it.

    Raises:
        UsageError: neither of the two, or a range without sense.
    """
    if isinstance(said, list):
        if not said or any(type(each) not in {bool, int, float, str} for each in said):
            raise UsageError(f"{said} arrived; expected at least one choice, each a number, a word, true or false")
        if len({repr(each) for each in said}) < len(said):
            raise UsageError(f"{said} arrived; expected each choice once")
        return Choices(tuple(said))
    if not isinstance(said, dict):
        raise UsageError(f"{said!r} arrived; expected a list of choices or a table such as {{ low = 1, high = 8 }}")
    for key in said:
        if key not in {"low", "high", "step", "log"}:
            raise UsageError(f"there is no '{key}' in a range; {misspelt(key, ('low', 'high', 'step', 'log'))}")
    for key in ("low", "high", "step"):
        if type(said.get(key, 0)) not in {int, float} or (key not in said and key != "step"):
            raise UsageError(f"'{key}' is {said.get(key, 'missing')!r}; expected a number")
    if type(said.get("log", False)) is not bool:
        raise UsageError(f"'log' is {said['log']!r}; expected true or false")
    found = Range(**said)
    if found.whole and kind is not float:
        return found
    return Range(float(found.low), float(found.high), float(found.step) if found.step else 0, found.log)


def given(text: str) -> tuple[str, Any]:
    """A setting and its domain from the command line, as they would stand in [search].

    `model.hidden=16,32,64` are choices; `model.hidden=16..64` is a range, `16..64:8` one with a step, and
    `1e-3..1e-2:log` one on a logarithmic scale.

    Raises:
        UsageError: neither of these.
    """
    place, equals, said = text.partition("=")
    if not equals or not place or not said:
        raise UsageError(f"'{text}' says nothing to search; write section.key=16,32,64 or section.key=1e-3..1e-2:log")
    low, dots, rest = said.partition("..")
    if not dots:
        return place, [value(each) for each in said.split(",")]
    high, colon, how = rest.partition(":")
    extra = {"log": True} if how == "log" else {"step": value(how)} if colon else {}
    return place, {"low": value(low), "high": value(high), **extra}
