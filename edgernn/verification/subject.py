"""What a long run tests: a program, and the graph that it was made from."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgernn.artifact import rnn
from edgernn.device.runtimes import named
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.model.graph import Graph
from edgernn.package import archive, contents
from edgernn.package.contents import Package
from edgernn.package.manifest import GRAPH, Artifact
from edgernn.package.trust import demanded
from edgernn.runtime import packaged
from edgernn.runtime.program import Program, of_package, open as open_program


@dataclass(frozen=True)
class Subject:
    """An artifact, open, and its graph."""

    program: Program
    graph: Graph


def subject(path: str | os.PathLike[str], reference: str | None = None, backend: str | None = None) -> Subject:
    """Open an artifact and find its graph.

    Args:
        path: a `.edge` package or a `.rnn` file, which hold the graph, or another artifact.
        reference: the `.rnn` file that has the graph instead.
        backend: the name of the runtime whose artifact of a package is opened; None for the best.

    Raises:
        UsageError: no graph, or another one than the artifact was made from; or no artifact of that runtime.
        UnsupportedError: the model takes whole windows, or the artifact of that runtime cannot run here.
        EdgernnError: as edgernn.open.
    """
    name = os.fspath(path)
    program, own = _packaged(name, backend) if Path(name).suffix == archive.SUFFIX else _single(name, backend)
    if program.manifest.window:
        raise UnsupportedError(
            f"'{name}' is bidirectional: it takes whole windows and carries no state; give a model that streams"
        )
    graph = own if reference is None else rnn.load(reference)
    if graph is None:
        raise UsageError(f"'{name}' does not hold its graph; give the model that it came from: --reference MODEL.rnn")
    if program.manifest.graph != rnn.digest(graph):
        raise UsageError(f"'{name}' was not exported from the reference; give the .rnn that it came from")
    return Subject(program, graph)


def _packaged(name: str, backend: str | None) -> tuple[Program, Graph]:
    package = contents.read(atomic.read(name), name, demanded(None, None))
    artifact = packaged.best(package) if backend is None else _artifact(package, backend)
    return of_package(package, artifact), rnn.loads(package.bytes_of(GRAPH), name)


def _single(name: str, backend: str | None) -> tuple[Program, Graph | None]:
    program = open_program(name)
    if backend is not None and named(backend).name != named(program.backend).name:
        raise UsageError(f"'{name}' runs on {program.backend}, not on {backend}; omit --backend, or give a package")
    return program, rnn.loads(program.data, name) if Path(name).suffix == rnn.SUFFIX else None


def _artifact(package: Package, backend: str) -> Artifact:
    """Return the first artifact of a package, in the model's own precision, for a runtime that this machine can run."""
    suffix, precision = named(backend).suffix, package.manifest.contract.precision
    own = [each for each in packaged.ordered(package.manifest) if each.precision == precision]
    artifacts = [each for each in own if Path(each.file).suffix == suffix]
    obstacles = {each.file: packaged.obstacle(each) for each in artifacts}
    for artifact in artifacts:
        if not obstacles[artifact.file]:
            return artifact
    if not artifacts:
        files = ", ".join(each.file for each in own)
        raise UsageError(f"'{package.name}' holds nothing for {backend}; its artifacts are {files}")
    reasons = "; ".join(f"{file}: {reason}" for file, reason in obstacles.items())
    raise UnsupportedError(f"no artifact of '{package.name}' runs here on {backend}: {reasons}")
