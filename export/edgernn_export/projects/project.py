"""What the table of projects holds of each, and what each is given to write a folder."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.device.board import Device
from edgernn.model.graph import Graph
from edgernn.package.manifest import Card


@dataclass(frozen=True)
class Project:
    """A kind of folder that a graph can be written as.

    Attributes:
        name: of the kind, as `--as` takes it.
        module: renders a folder: `render(contents) -> {path inside the folder: bytes}`.
        suffix: of the artifact that the folder is made around; it is proved before anything is written.
        needs_board: whether the folder is for one board.
    """

    name: str
    module: str
    suffix: str = ".c"
    needs_board: bool = False


@dataclass(frozen=True)
class Contents:
    """What a folder is made of.

    Attributes:
        kind: the name of the project.
        graph: in its own precision.
        name: of the folder and of the model: letters, digits, - and _.
        files: the proved artifact, by file name: "NAME.c" and "NAME.h", or what its target writes.
        board: the board that it is for; None where none arrived.
        card: the model card, of which the description and the licence are used.
        version: of the model.
    """

    kind: str
    graph: Graph
    name: str
    files: Mapping[str, bytes]
    board: Device | None
    card: Card
    version: str
