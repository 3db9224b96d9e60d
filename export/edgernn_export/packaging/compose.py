"""The bytes of a package: its artifacts, proved, with goldens that every runtime here was run through."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from edgernn.artifact.manifest import graph_manifest
from edgernn.device.runtimes import NATIVE, running
from edgernn.errors import ParityError, UnsupportedError, UsageError
from edgernn.model.cell import settings
from edgernn.model.graph import Graph
from edgernn.model.window import ONLY_ONNX, Window
from edgernn.package import archive, contents, manifest as manifests
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import Artifact, Member, PackageManifest, Provenance
from edgernn.package.precisions import beyond_quantization
from edgernn.package.translation import ENCODER
from edgernn.process import child, interrupt
from edgernn.runtime import packaged
from edgernn.runtime.goldens import replay
from edgernn.runtime.program import of_package
from edgernn.version import VERSION
from edgernn_export.packaging.artifacts import STEM, written
from edgernn_export.packaging.options import FORMATS, PackageOptions
from edgernn_export.targets.c.library import compilers
from edgernn_export.targets.destination import Destination, destination_of

WRITERS: Mapping[str, str] = {".onnx": "onnx", ".tflite": "ai-edge-litert"}
"""Suffix -> the package that wrote it."""

Device = str | os.PathLike[str]


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
        graph: in the model's own precision; float64 is written as float32.
        path: of the package; its stem is the name of the model where the options have none.
        options: what it holds.
        devices: the boards that a `.so` is compiled for; none for this machine.
        runtime: the package that will run the `.tflite`.
        levels: the levels of processors that one `.so` holds, as edgernn_export.export takes them.

    Raises:
        UnsupportedError: the model is a Window, or no goldens can be recorded.
        UsageError: a further precision comes twice, or is that of another model.
        EdgernnError: as edgernn_export.export, for each artifact.
    """
    model: Any = graph
    if isinstance(model, Window):
        raise UnsupportedError(f"a Window cannot be written as '{path}': {ONLY_ONNX}")
    if not isinstance(model, Graph):
        raise UsageError(f"a {type(model).__name__} arrived; expected a Graph: convert a module with from_torch first")
    graphs, chosen = _graphs(model, options), destinations(options, devices, runtime, levels)
    own, *further = (written(each, chosen) for each in graphs.values())
    forms = dict(zip(graphs, (own, *(each.beside() for each in further)), strict=True))
    members = {name: data for each in forms.values() for name, data in each.members.items()}
    artifacts = tuple(artifact for each in forms.values() for artifact in each.artifacts)
    if options.encoder is not None:
        alone = replace(options, translation=None, encoder=None)
        members[ENCODER] = compose(options.encoder, f"{path}:{ENCODER}", alone, devices, runtime, levels)
    manifest = _manifest((*graphs.values(),), path, options, artifacts, members, _tools(chosen))
    data = archive.packed({archive.MANIFEST: manifests.dump(manifest), **members})
    _replay(data, path, {precision: each.goldens for precision, each in forms.items()})
    return data


def _graphs(graph: Graph, options: PackageOptions) -> dict[str, Graph]:
    """Return the precisions of a package by name, the model's own first.

    Raises:
        UsageError: a precision comes twice, or is that of another model.
    """
    graphs: dict[str, Graph] = {}
    for each in (graph, *options.also):
        single = each.astype("float32")
        if single.precision in graphs:
            raise UsageError(f"two of the graphs are in {single.precision}; a package has each precision once")
        graphs[single.precision] = single
    own, *further = map(graph_manifest, graphs.values())
    for contract in further:
        differ = beyond_quantization(own, contract)
        if differ:
            raise UsageError(
                f"the graph in {contract.precision} is another model: its {differ}; quantize the same graph"
            )
    return graphs


def _manifest(
    graphs: tuple[Graph, ...],
    path: str,
    options: PackageOptions,
    artifacts: tuple[Artifact, ...],
    members: Mapping[str, bytes],
    tools: Mapping[str, str],
) -> PackageManifest:
    forms = [f".{form}" for form in options.preferred]
    features = (layer.cell for layer in graphs[0].layers if layer.cell.exact)
    contract, *also = map(graph_manifest, graphs)
    return PackageManifest(
        options.name or Path(path).stem,
        options.model_version,
        contract,
        tuple(also),
        tuple(f"{type(cell).__name__}({_settings(cell)})" for cell in features),
        artifacts,
        {name: Member(sha256(data).hexdigest(), len(data)) for name, data in sorted(members.items())},
        tuple(each.file for form in forms for each in artifacts if Path(each.file).suffix == form),
        options.budgets,
        Provenance(options.recipe, options.data, tools),
        options.card,
        options.translation,
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


def _replay(data: bytes, path: str, goldens: Mapping[str, Goldens]) -> None:
    """Run the goldens of each precision through every artifact of it that this machine can run.

    Raises:
        ParityError: an artifact is further from them than it may be, or does not carry its states.
    """
    package = contents.read(data, path)
    package.encoder()  # was run already; here it must fit
    for artifact in package.manifest.artifacts:
        if not packaged.obstacle(artifact):
            program = of_package(package, artifact)
            shown = replay(program, goldens[artifact.precision], artifact.tolerance)
            fault = shown.beyond or shown.lifeless
            if fault:
                raise ParityError(f"'{artifact.file}' on {program.backend}: {fault}; please report the model")
