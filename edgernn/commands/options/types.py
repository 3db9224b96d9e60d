"""Types of options: a choice that suggests, a path, and the names that a shell completes."""

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


def complete_boards(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list["CompletionItem"]:
    """Complete the name of a board profile, or the path of one."""
    from edgernn.device.board import names

    return _completions(names(), incomplete)


def complete_recipes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list["CompletionItem"]:
    """Complete the name of a recipe, or the path of one."""
    from importlib.resources import files

    folder = files("edgernn.train") / "recipes"  # edgernn.train.recipe lists them too, and imports torch
    names = sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))
    return _completions(names, incomplete)


def _completions(names: Iterable[str], incomplete: str) -> list["CompletionItem"]:
    from click.shell_completion import CompletionItem

    matching = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return matching or [CompletionItem(incomplete, type="file")]
