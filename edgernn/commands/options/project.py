"""The option of `edgernn export` for a folder, and which of its outputs are folders."""

from collections.abc import Sequence
from pathlib import Path

import click

project_option = click.option(
    "--as",
    "kind",
    metavar="KIND",
    help="Kind of folder: arduino, cmake, cpp, demo, esp-idf, firmware, go, micropython, platformio, rust or zephyr.",
)

PROJECTED = ("card",)
"""The options of a package that a folder has too."""


def folders_of(out: Sequence[str], kind: str | None) -> tuple[str, ...]:
    """Return the outputs that are folders: their names have no suffix, or end in a slash.

    Raises:
        UsageError: there is none for the kind that arrived.
    """
    from edgernn.errors import UsageError

    folders = tuple(path for path in dict.fromkeys(out) if path.endswith("/") or not Path(path).suffix)
    if kind is not None and not folders:
        raise UsageError(f"--as {kind} arrived for '{out[0]}', a file; give the name of a folder, without a suffix")
    return folders


def kind_of(path: str, kind: str | None, board: str | None) -> str:
    """Return the kind of a folder: the one that arrived, or with a board the one that is made for boards.

    Raises:
        UsageError: there is none.
    """
    from edgernn.errors import UsageError
    from edgernn_export.projects import PROJECTS

    if kind is None and board is not None:
        kind = next((each.name for each in PROJECTS.values() if each.needs_board), None)
    if kind is None:
        raise UsageError(
            f"'{path}' has no suffix, so it is a folder, and --as is missing; there are {', '.join(PROJECTS)}; a file "
            "needs its suffix, such as .so"
        )
    return kind
