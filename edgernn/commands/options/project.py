"""The option of `edgernn export` for a folder, and which of its outputs are folders."""

from pathlib import Path

import click

project_option = click.option(
    "--as",
    "kind",
    metavar="KIND",
    help="Kind of folder: arduino, cmake, demo, esp-idf, platformio or zephyr.",
)

PROJECTED = ("card",)
"""The options of a package that a folder has too."""


def is_folder(path: str) -> bool:
    """Whether a path that was typed as an output is the name of a folder: it has no suffix, or ends in a slash."""
    return path.endswith("/") or not Path(path).suffix


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
