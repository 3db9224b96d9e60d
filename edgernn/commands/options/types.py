"""Types of options: a choice that suggests, a path, a count, and the names that a shell completes."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PATH = click.Path(readable=False)
"""A path as it was typed. Whether it can be read or written is decided where that happens."""


class Choice(click.Choice):  # type: ignore[type-arg]  # generic since click 8.2
    """One of a closed set; the error for any other value suggests the closest member."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the member that equals the value.

        Raises:
            BadParameter: the value is not in the set.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from edgernn.files.spelling import closest

            close = closest(str(value), self.choices)
            suggestion = f" Did you mean {close!r}?" if close else ""
            raise click.BadParameter(f"{error.message}{suggestion}", ctx, param) from None


class Count(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """A whole number of at least `least`, such as 2000 or 1e6."""

    name = "count"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number.

        Raises:
            BadParameter: it is none, has a fraction, or is below the least.
        """
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not number.is_integer() or number < self.least:
            self.fail(
                f"{value!r} arrived; expected a whole number of at least {self.least:,}, such as 1e6.", param, ctx
            )
        return int(number)


def complete_boards(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list["CompletionItem"]:
    """Complete the name of a board profile, or the path of one."""
    from edgernn.device.board import names

    return _completions(names(), incomplete)


def complete_recipes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list["CompletionItem"]:
    """Complete the name of a recipe, or the path of one."""
    from edgernn.train.catalog import names

    return _completions(names(), incomplete)


def _completions(names: Iterable[str], incomplete: str) -> list["CompletionItem"]:
    from click.shell_completion import CompletionItem

    matching = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return matching or [CompletionItem(incomplete, type="file")]
