"""What only `edgernn adopt` takes: numbers that are carried between frames, a delay, initial states."""

from typing import Any

import click

from edgernn.commands.options.shared import several
from edgernn.commands.options.types import PATH

adopting_options = several(
    click.option(
        "--context",
        multiple=True,
        metavar="[IN=]COUNT",
        help="Put so many of the last numbers of an input before the next; repeatable.",
    ),
    click.option(
        "--delay", type=click.IntRange(0), default=0, show_default=True, help="Answers are late by so many frames."
    ),
    click.option(
        "--initial-state", type=PATH, metavar="FILE.npz", help="Read the initial states that are not zero, by name."
    ),
)


def parsed_adopting(context: tuple[str, ...], delay: int, initial_state: str | None) -> dict[str, Any]:
    """Return the values of `adopting_options` as arguments of `edgernn_export.adopt`.

    Raises:
        UsageError: a context cannot be parsed, or names an input twice.
        FileError: the file of initial states cannot be read.
    """
    from edgernn.files import atomic
    from edgernn.files.arrays import load_npz

    states = {} if initial_state is None else load_npz(atomic.read(initial_state), initial_state)
    return {"context": _counts(context), "delay_frames": delay, "initial_state": states}


def _counts(texts: tuple[str, ...]) -> int | dict[str, int]:
    from edgernn.errors import UsageError

    counts: dict[str, int] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if not (number.isascii() and number.isdecimal() and 0 < int(number) < 10**9) or name in counts:
            raise UsageError(f"--context {text} is no whole number above 0, or names an input twice; give [IN=]COUNT")
        counts[name] = int(number)
    return counts[""] if len(counts) == 1 and "" in counts else counts
