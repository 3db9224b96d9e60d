"""What the table of targets holds of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A file format that a graph can be written in.

    Attributes:
        suffix: of the file.
        module: renders a graph: `render(graph, stem, destination) -> {name of a file: bytes}`.
        window: renders a Window in the same way; "" where the format holds no whole windows.
        proved_by: the suffix of the target that writes the same code in a form that a runtime opens; "" for its own.
        replay: proves a file that no runtime of edgernn opens where another program that runs it is installed, in place
            of `proved_by`: `prove(graph, name, files) -> whether it is installed`; "" where there is none.
    """

    suffix: str
    module: str
    window: str = ""
    proved_by: str = ""
    replay: str = ""
