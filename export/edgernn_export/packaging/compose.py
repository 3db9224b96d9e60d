"""The bytes of a package: its artifacts, proved, with goldens that every runtime here was run through."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from edgernn.artifact import rnn
from edgernn.artifact.manifest import graph_manifest, parse_manifest
from edgernn.device import isa
from edgernn.device.runtimes import NATIVE, running
from edgernn.errors import ParityError, UnsupportedError, UsageError
from edgernn.model.cell import settings
from edgernn.model.graph import OUTPUT, Graph
from edgernn.model.window import ONLY_ONNX, Window
from edgernn.package import archive, contents, goldens as recordings, manifest as manifests
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import GOLDENS, GRAPH, Artifact, Member, PackageManifest, Provenance
from edgernn.process import child, interrupt
from edgernn.runtime import packaged
from edgernn.runtime.goldens import replay
from edgernn.runtime.program import of_package
from edgernn.version import VERSION
from edgernn_export.packaging.options import FORMATS, PackageOptions
from edgernn_export.packaging.record import record, tolerances, with_live_states
from edgernn_export.targets.c.library import compilers
from edgernn_export.targets.destination import Destination, destination_of
from edgernn_export.translate import render

STEM = "model"
WRITERS: Mapping[str, str] = {".onnx": "onnx", ".tflite": "ai-edge-litert"}
"""Suffix -> the package that wrote it."""

_GLIBC = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\0])")

Device = str | os.PathLike[str]


@dataclass(frozen=True)
class _Written:
    """An artifact before its tolerance is known."""

    data: bytes
    cpu: str = ""
    triple: str = ""


@interrupt.deferred()
def compose(
    graph: Graph,
    path: str,
    options: PackageOptions,
    devices: Sequence[Device] = (),
    runtime: str | None = None,
    levels: str | Sequence[str] | None = None,
) -> bytes:
    """Return the bytes of a package; the same for the same graph, options and tools.

    Args:
        graph: in its own precision; float64 is written as float32.
        path: of the package; its stem is the name of the model where the options have none.
        options: what it holds.
        devices: the boards that a `.so` is compiled for; none for this machine.
        runtime: the package that will run the `.tflite`.
        levels: the levels of processors that one `.so` holds, as edgernn_export.export takes them.

    Raises:
        UnsupportedError: the model is a Window, or no goldens can be recorded.
        EdgernnError: as edgernn_export.export, for each artifact.
    """
    model: Any = graph
    if isinstance(model, Window):
        raise UnsupportedError(f"a Window cannot be written as '{path}': {ONLY_ONNX}")
    if not isinstance(model, Graph):
        raise UsageError(f"a {type(model).__name__} arrived; expected a Graph: convert a module with from_torch first")
    graph, chosen = model.astype("float32"), destinations(options, devices, runtime, levels)
    written = _artifacts(graph, chosen)
    plain = record(graph)
    allowed = tolerances(graph, plain, sorted({Path(name).suffix for name in written}))
    goldens = with_live_states(graph, plain, [each[OUTPUT] for each in allowed.values()])
    artifacts = tuple(
        Artifact(name, allowed[Path(name).suffix], each.cpu, each.triple) for name, each in written.items()
    )
    members = {name: each.data for name, each in written.items()} | {GOLDENS: recordings.dump(goldens)}
    manifest = _manifest(graph, path, options, artifacts, members, _tools(chosen))
    data = archive.packed({archive.MANIFEST: manifests.dump(manifest), **members})
    _replay(data, path, goldens)
    return data


def _manifest(
    graph: Graph,
    path: str,
    options: PackageOptions,
    artifacts: tuple[Artifact, ...],
    members: Mapping[str, bytes],
    tools: Mapping[str, str],
) -> PackageManifest:
    forms = [f".{form}" for form in options.preferred]
    features = (layer.cell for layer in graph.layers if layer.cell.exact)
    return PackageManifest(
        options.name or Path(path).stem,
        options.model_version,
        graph_manifest(graph),
        tuple(f"{type(cell).__name__}({_settings(cell)})" for cell in features),
        artifacts,
        {name: Member(sha256(data).hexdigest(), len(data)) for name, data in sorted(members.items())},
        tuple(each.file for form in forms for each in artifacts if Path(each.file).suffix == form),
        options.budgets,
        Provenance(options.recipe, options.data, tools),
        options.card,
    )


def _settings(cell: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings(cell).items())


def destinations(
    options: PackageOptions, devices: Sequence[Device], runtime: str | None, levels: str | Sequence[str] | None
) -> dict[str, tuple[Destination, ...]]:
    """Return where the artifacts of each format will run: the suffix -> one destination, or that of each device.

    Raises:
        UsageError: there is no such device, runtime or level; or the devices have different runtimes for a format.
        UnsupportedError: a device does not run a format.
    """
    chosen: dict[str, tuple[Destination, ...]] = {}
    for suffix in (FORMATS[form] for form in options.to):
        name, compiled = f"{STEM}{suffix}", suffix == NATIVE.suffix
        package = runtime if runtime in {each.name for each in running(suffix)} else None
        several = [
            destination_of(name, package, device, levels if compiled else None) for device in (*devices,) or (None,)
        ]
        chosen[suffix] = tuple(several) if compiled else tuple({each.runtime.name: each for each in several}.values())
        if len(chosen[suffix]) > 1 and not compiled:
            raise UsageError(f"the boards have different runtimes for {suffix} files; write a package for each")
    if runtime is not None and all(each.runtime.name != runtime for several in chosen.values() for each in several):
        raise UsageError(f"no format of the package runs on '{runtime}'; there are {', '.join(options.to) or 'none'}")
    if levels is not None and NATIVE.suffix not in chosen:
        raise UsageError("levels of processors arrived for a package without a .so; only a .so has them")
    return chosen


def _artifacts(graph: Graph, chosen: Mapping[str, Sequence[Destination]]) -> dict[str, _Written]:
    """Render the artifacts: the graph, one of each format, and a `.so` for each device."""
    written = {GRAPH: _Written(rnn.dumps(graph))}
    for suffix, several in chosen.items():
        for destination in several:
            name = f"{STEM}{suffix}"
            one = _Written(render(graph, name, destination)[name])
            if suffix == NATIVE.suffix:
                cpu = parse_manifest(one.data, name).cpu
                name = f"{STEM}.{cpu.replace(isa.SEVERAL, '+')}{suffix}"
                one = _Written(one.data, cpu, _triple(one.data, cpu, destination))
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


def _tools(chosen: Mapping[str, Sequence[Destination]]) -> dict[str, str]:
    """Return the versions of what writes the artifacts."""
    packages = ("numpy", *(WRITERS[suffix] for suffix in chosen if suffix in WRITERS))
    tools = {"edgernn": VERSION} | {name: metadata.version(name) for name in packages}
    commands = {compiler.command for each in chosen.get(NATIVE.suffix, ()) for compiler in compilers(each).values()}
    for command in sorted(commands):
        lines = child.run([*command, "--version"]).stdout.splitlines()
        name = " ".join((os.path.basename(command[0]), *command[1:]))
        tools[name] = lines[0] if lines else "unknown"
    return tools


def _replay(data: bytes, path: str, goldens: Goldens) -> None:
    """Run the goldens through every artifact that this machine can run.

    Raises:
        ParityError: an artifact is further from them than it may be, or does not carry its states.
    """
    package = contents.read(data, path)
    for artifact in package.manifest.artifacts:
        if not packaged.obstacle(artifact):
            program = of_package(package, artifact)
            shown = replay(program, goldens, artifact.tolerance)
            fault = shown.beyond or shown.lifeless
            if fault:
                raise ParityError(f"'{artifact.file}' on {program.backend}: {fault}; please report the model")
