"""Progress on standard error: drawn on a terminal; lines, or nothing, elsewhere."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

CLEAR = "\r\033[K"  # back to the start of the line, and erase it


@contextmanager
def bar(label: str, length: int, *, lines: bool = False) -> Iterator[Callable[[int, str], None]]:
    """Draw a bar while the block runs.

    Args:
        label: what is counted.
        length: the number of steps.
        lines: whether notes are printed, a line each, where there is no terminal.

    Yields:
        A function of a number of steps and a note: it advances the bar, and shows the note behind it.
    """
    if not sys.stderr.isatty():
        yield lambda _, note: _line(note, lines=lines)
        return
    shown = click.progressbar(length=length, label=label, file=sys.stderr, item_show_func=lambda note: note or "")
    with shown as drawn:
        drawn.render_progress()
        yield drawn.update


@contextmanager
def status(label: str, *, lines: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what goes on while the block runs, where nobody knows how many steps it takes.

    Args:
        label: what goes on.
        lines: as for `bar`.

    Yields:
        A function that replaces the note behind the label.
    """
    if not sys.stderr.isatty():
        yield lambda note: _line(note, lines=lines)
        return

    def show(note: str) -> None:
        text = f"{label}: {note}" if note else f"{label} ..."
        click.echo(CLEAR + text[: shutil.get_terminal_size().columns - 1], err=True, nl=False)

    show("")
    try:
        yield show
    finally:
        click.echo(CLEAR, err=True, nl=False)


def _line(note: str, *, lines: bool) -> None:
    if lines and note:
        click.echo(note, err=True)
