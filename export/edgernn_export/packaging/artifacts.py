"""The artifacts of one precision of a package, with their tolerances, and its goldens."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgernn.artifact import rnn
from edgernn.artifact.manifest import parse_manifest
from edgernn.device import isa
from edgernn.device.runtimes import NATIVE
from edgernn.errors import UsageError
from edgernn.model.graph import OUTPUT, Graph
from edgernn.package import goldens as recordings
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import GOLDENS, GRAPH, Artifact
from edgernn.package.precisions import member_of
from edgernn_export.packaging.record import record, tolerances, with_live_states
from edgernn_export.targets.destination import Destination
from edgernn_export.translate import render

STEM = "model"

_GLIBC = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\0])")


@dataclass(frozen=True)
class Written:
    """One precision, written.

    Attributes:
        artifacts: the graph first.
        goldens: of the graph.
        members: the bytes of both, by name.
    """

    artifacts: tuple[Artifact, ...]
    goldens: Goldens
    members: Mapping[str, bytes]

    def beside(self) -> "Written":
        """Return it as a further precision of a package, under the names of one."""
        artifacts = (replace(each, file=member_of(each.file, each.precision)) for each in self.artifacts)
        precision = self.artifacts[0].precision
        members = {member_of(name, precision): data for name, data in self.members.items()}
        return Written(tuple(artifacts), self.goldens, members)


@dataclass(frozen=True)
class _File:
    """An artifact before its tolerance is known."""

    data: bytes
    cpu: str = ""
    triple: str = ""


def written(graph: Graph, chosen: Mapping[str, Sequence[Destination]]) -> Written:
    """Write a graph in every format, proved, and record its goldens.

    Args:
        graph: in its own precision, in float32.
        chosen: the suffix of a format -> where it will run.

    Raises:
        UnsupportedError: no goldens can be recorded.
        EdgernnError: as edgernn_export.export, for each artifact.
    """
    files = _files(graph, chosen)
    plain = record(graph)
    allowed = tolerances(graph, plain, sorted({Path(name).suffix for name in files}))
    goldens = with_live_states(graph, plain, [each[OUTPUT] for each in allowed.values()])
    artifacts = tuple(
        Artifact(name, graph.precision, allowed[Path(name).suffix], each.cpu, each.triple)
        for name, each in files.items()
    )
    members = {name: each.data for name, each in files.items()} | {GOLDENS: recordings.dump(goldens)}
    return Written(artifacts, goldens, members)


def _files(graph: Graph, chosen: Mapping[str, Sequence[Destination]]) -> dict[str, _File]:
    """Render the artifacts: the graph, one of each format, and a `.so` for each device."""
    written = {GRAPH: _File(rnn.dumps(graph))}
    for suffix, several in chosen.items():
        for destination in several:
            name = f"{STEM}{suffix}"
            one = _File(render(graph, name, destination)[name])
            if suffix == NATIVE.suffix:
                cpu = parse_manifest(one.data, name).cpu
                name = f"{STEM}.{cpu.replace(isa.SEVERAL, '+')}{suffix}"
                one = _File(one.data, cpu, _triple(one.data, cpu, destination))
            if name in written:
                raise UsageError(f"two of the boards have the level of '{name}'; name one of them")
            written[name] = one
    return written


def _triple(data: bytes, cpu: str, destination: Destination) -> str:
    """Return machine, system and the oldest C library that loads a `.so`."""
    machine = isa.level(isa.split(cpu)[0]).machine
    versions = [tuple(map(int, version)) for version in _GLIBC.findall(data)]
    board = destination.device
    system = f"{machine}-linux{'-gnu' if versions else ''}"
    if board is not None and board.triple:
        system = re.sub(r"[\d.]+$", "", board.triple)
    return ".".join((system, *map(str, max(versions)))) if versions and "-gnu" in system else system
