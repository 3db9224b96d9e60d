"""Write a graph as a folder: a proved artifact with what a tool or a language expects around it."""

import os
import re
from importlib import import_module
from pathlib import Path

from edgernn.device.board import load
from edgernn.errors import UsageError
from edgernn.files import folder
from edgernn.files.spelling import misspelt
from edgernn.model.graph import Graph
from edgernn.process import interrupt
from edgernn_export.packaging.options import PackageOptions
from edgernn_export.projects import PROJECTS
from edgernn_export.projects.project import Contents
from edgernn_export.translate import render

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def export_project(
    graph: Graph,
    path: str | os.PathLike[str],
    kind: str,
    *,
    device: str | os.PathLike[str] | None = None,
    package: PackageOptions | None = None,
) -> None:
    """Write a graph as a folder of a kind; before that, prove its artifact as `export` does.

    Args:
        graph: the graph, in its own precision.
        path: the folder, new or empty. Its name is that of the model: letters, digits, - and _.
        kind: one of edgernn_export.projects.PROJECTS, such as "arduino".
        device: the board, for a kind that is made for one.
        package: `model_version` and `card` are put into metadata that have a place for them.

    Raises:
        UsageError: there is no such kind or board, the name is not valid, or a board is missing or of no use.
        UnsupportedError: the graph cannot be written, or does not fit on the board.
        CompilerError: there is no C compiler for the proof, or it fails.
        ParityError: the artifact and the graph differ; nothing is written.
        FileError: the folder is not empty, or cannot be created.
    """
    check(path, kind, device)
    folder.create(path, rendered(graph, path, kind, device, package or PackageOptions()))


def check(path: str | os.PathLike[str], kind: str, device: str | os.PathLike[str] | None) -> None:
    """Check what `export_project` is given beside a graph, before one is read.

    Raises:
        UsageError, FileError: as `export_project`.
    """
    project, name = PROJECTS.get(kind), _name(path)
    if project is None:
        raise UsageError(f"there is no kind of folder '{kind}'; {misspelt(kind, PROJECTS)}")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' arrived as the name of a folder, which is that of the model in code; expected a letter, then at "
            "most 62 letters, digits, - and _"
        )
    if project.needs_board and device is None:
        raise UsageError(f"a folder of kind '{kind}' is for one board, and none arrived; name it, such as stm32h743")
    if device is not None and not project.needs_board:
        raise UsageError(
            f"board '{os.fspath(device)}' arrived for a folder of kind '{kind}', which is for any: leave it out"
        )
    if device is not None:
        load(device)
    folder.absent(path)


@interrupt.deferred()
def rendered(
    graph: Graph,
    path: str | os.PathLike[str],
    kind: str,
    device: str | os.PathLike[str] | None,
    package: PackageOptions,
) -> dict[str, bytes]:
    """Return the files that `export_project` would write, by their paths inside the folder."""
    project, name = PROJECTS[kind], _name(path)
    files = render(graph, f"{name}{project.suffix}")
    board = None if device is None else load(device)
    contents = Contents(kind, graph, name, files, board, package.card, package.model_version)
    return dict(import_module(project.module).render(contents))


def _name(path: str | os.PathLike[str]) -> str:
    return Path(os.path.abspath(path)).name
