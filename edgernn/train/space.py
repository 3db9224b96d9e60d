"""The search space of a recipe: a list of choices or a range for each setting."""

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
    """One of several values, unordered."""

    values: tuple[Choice, ...]

    @property
    def ends(self) -> tuple[Choice, ...]:
        """The values to check: if they are valid, all of the domain is."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included.

    Attributes:
        low, high: the ends; two integers for a range of integers.
        step: the distance between values; 0 for any value, or for every integer.
        log: whether the distribution is uniform on a logarithmic scale.
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
        """Whether all values are integers."""
        return all(type(each) is int for each in (self.low, self.high, self.step))

    @property
    def ends(self) -> tuple[Choice, ...]:
        """The values to check: if they are valid, all of the domain is."""
        return self.low, self.high


Domain: TypeAlias = Choices | Range
Space: TypeAlias = Mapping[str, Domain]
"""A setting, "section.key" -> its domain."""


def domain(definition: Any, kind: type[Any] | None) -> Domain:
    """Parse a value of the section [search].

    Args:
        definition: a list of choices, or a table of low, high and optionally step or log.
        kind: the type of the setting; None if only the reader knows it.

    Raises:
        UsageError: The definition is neither, or the range is invalid.
    """
    if isinstance(definition, list):
        if not definition or any(type(each) not in {bool, int, float, str} for each in definition):
            raise UsageError(
                f"{definition} arrived; expected at least one choice, each a number, a word, true or false"
            )
        if len({repr(each) for each in definition}) < len(definition):
            raise UsageError(f"{definition} arrived; expected each choice once")
        return Choices(tuple(definition))
    if not isinstance(definition, dict):
        raise UsageError(
            f"{definition!r} arrived; expected a list of choices or a table such as {{ low = 1, high = 8 }}"
        )
    for key in definition:
        if key not in {"low", "high", "step", "log"}:
            raise UsageError(f"there is no '{key}' in a range; {misspelt(key, ('low', 'high', 'step', 'log'))}")
    for key in ("low", "high", "step"):
        if type(definition.get(key, 0)) not in {int, float} or (key not in definition and key != "step"):
            raise UsageError(f"'{key}' is {definition.get(key, 'missing')!r}; expected a number")
    if type(definition.get("log", False)) is not bool:
        raise UsageError(f"'log' is {definition['log']!r}; expected true or false")
    result = Range(**definition)
    if result.whole and kind is not float:
        return result
    return Range(float(result.low), float(result.high), float(result.step) if result.step else 0, result.log)


def parse_option(text: str) -> tuple[str, Any]:
    """Parse a setting and its domain from the command line, as a key and a value of [search].

    `model.hidden=16,32,64` gives choices; `model.hidden=16..64` gives a range, `16..64:8` a range with a step, and
    `1e-3..1e-2:log` a range on a logarithmic scale.

    Raises:
        UsageError: The text has none of these forms.
    """
    setting, equals, definition = text.partition("=")
    if not equals or not setting or not definition:
        raise UsageError(f"'{text}' is not a search space; write section.key=16,32,64 or section.key=1e-3..1e-2:log")
    low, dots, rest = definition.partition("..")
    if not dots:
        return setting, [value(each) for each in definition.split(",")]
    high, colon, scale = rest.partition(":")
    extra = {"log": True} if scale == "log" else {"step": value(scale)} if colon else {}
    return setting, {"low": value(low), "high": value(high), **extra}
