"""`edgernn info`: the manifest of a file, verified."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.foreign import load
from edgernn.commands.options.types import PATH

if TYPE_CHECKING:
    from edgernn.model.graph import Graph


@click.command(no_args_is_help=True)
@click.argument("path", type=PATH)
@shared.as_json
def info(path: str, as_json: bool) -> None:
    """Verify a model file and print what it contains.

    PATH is a .rnn, .onnx, .tflite, .so or .wasm file, or a .edge package; no runtime is needed. The sha256 is the
    checksum in the file, of a package that of its manifest: the hash with the checksum itself blank, so sha256sum
    prints another. The file of another tool is converted as `edgernn import` does, and the sha256 is that of sha256sum.
    """
    entries, lines = _read(path)
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for name, text in _texts(entries).items():
        click.echo(f"{name:14} {text}")
    for line in lines:
        click.echo(line.rstrip())
    for layer in entries.get("layers", ()):
        click.echo(
            f"  {layer['name']:20} {layer['cell']:12} {layer['outputs']:5} values  from {', '.join(layer['inputs'])}"
        )


def _read(path: str) -> tuple[dict[str, Any], list[str]]:
    """Return what a file contains, and lines on a package or on an adopted file of another tool."""
    from edgernn.artifact.checksum import is_artifact, verify
    from edgernn.device.runtimes import ELSEWHERE, opening
    from edgernn.files import atomic
    from edgernn_export.sources.suffixes import SOURCES

    if Path(path).suffix == ".edge":
        return _package(path)
    foreign = Path(path).suffix in SOURCES
    if not foreign and Path(path).suffix not in ELSEWHERE:
        opening(path)
    data = atomic.read(path)
    if foreign and not is_artifact(data):
        return {"path": path, "bytes": len(data), "sha256": sha256(data).hexdigest(), **_of_graph(load(path))}, []
    checksum = verify(data, path)
    return {"path": path, "bytes": len(data), "sha256": checksum, **_manifest(data, path)}, _adopted(data, path)


def _package(path: str) -> tuple[dict[str, Any], list[str]]:
    """Return what a package contains, and a line for each artifact."""
    from edgernn.files import atomic
    from edgernn.package.contents import read
    from edgernn.runtime.packaged import ordered

    data = atomic.read(path)
    package = read(data, path)
    manifest = package.manifest
    entries = {
        "path": path,
        "bytes": len(data),
        "sha256": package.sha256,
        "name": manifest.name,
        "model_version": manifest.model_version,
        **asdict(manifest.card),
        **asdict(manifest.contract),
        "precisions": manifest.precisions,
        "features": manifest.features,
        "budgets": {name: asdict(each) for name, each in manifest.budgets.items()},
        "recipe": manifest.provenance.recipe,
        "data": manifest.provenance.data,
        "tools": dict(manifest.provenance.tools),
        "artifacts": [asdict(each) | asdict(manifest.members[each.file]) for each in ordered(manifest)],
    }
    encoder = package.encoder()
    if encoder is not None:
        entries["translation"] = manifest.translation and asdict(manifest.translation)
        entries["encoder"] = asdict(encoder.manifest.contract)
    width, longest = (max(map(len, names)) for names in (manifest.files, manifest.precisions))
    lines = [
        f"  {each.file:{width}}  {each.precision:{longest}}  {manifest.members[each.file].size:9,} bytes  {each.triple}"
        for each in ordered(manifest)
    ]
    return entries, lines


def _texts(entries: dict[str, Any]) -> dict[str, str]:
    """Return the line of each entry that has one."""
    from edgernn.artifact.manifest import RARE, WINDOWS
    from edgernn.integer.reproducible import SAME_BITS

    texts = {"window": WINDOWS[entries["window"]], "same_bits": SAME_BITS[entries["same_bits"]]}
    texts["quantization"] = _quantization(entries["quantization"])
    texts |= _timing(entries)
    texts |= _translator(entries)
    texts["recipe"] = "in the manifest" if entries.get("recipe") else ""
    texts["description"] = " ".join(
        "".join(c if c.isprintable() else " " for c in entries.get("description", "")).split()
    )
    texts["budgets"] = ", ".join(
        f"{name} ({each['deadline_us']:g} us of {each['period_us']:g} us)"
        for name, each in entries.get("budgets", {}).items()
    )
    return {
        name: texts.get(name) or _text(value)
        for name, value in entries.items()
        if name not in {"layers", "adopted", "artifacts"} and value != RARE.get(name, ...)
    }


def _translator(entries: dict[str, Any]) -> dict[str, str]:
    """Return the lines about an encoder and how it is used with its decoder; empty for any other model."""
    if not entries.get("translation"):
        return {}
    how, encoder = entries["translation"], entries["encoder"]
    return {
        "translation": f"{how['unit']}s, {len(how['source']):,} to {len(how['target']):,}; a memory of "
        f"{how['memory']}, results of at most {how['longest']}, a beam of {how['beam']}",
        "encoder": f"{encoder['precision']}, {encoder['outputs']:,} outputs, graph {encoder['graph']}",
    }


def _manifest(data: bytes, path: str) -> dict[str, Any]:
    from edgernn.artifact.manifest import parse_manifest
    from edgernn.artifact.rnn import loads

    if Path(path).suffix != ".rnn":
        return asdict(parse_manifest(data, path))
    return _of_graph(loads(data, path))


def _of_graph(graph: "Graph") -> dict[str, Any]:
    from edgernn.artifact.manifest import graph_manifest
    from edgernn.interpreters.count import count

    layers = [
        {
            "name": layer.name,
            "cell": type(layer.cell).__name__,
            "outputs": graph.layer_traces[layer.name].y.width,
            "inputs": layer.inputs,
        }
        for layer in graph.layers
    ]
    return {**asdict(graph_manifest(graph)), **asdict(count(graph)), "layers": layers}


def _adopted(data: bytes, path: str) -> list[str]:
    """Return what is said of a file that another tool wrote."""
    from edgernn.artifact.adopted import lines
    from edgernn.artifact.manifest import parse_manifest

    adopted = None if Path(path).suffix == ".rnn" else parse_manifest(data, path).adopted
    if adopted is None:
        return []
    return [f"{'adopted':14} its first {adopted.size:,} bytes, on {adopted.runtime}", *lines(adopted)]


def _timing(entries: dict[str, Any]) -> dict[str, str]:
    """Return what is said of a model that takes several frames in a step, answers late or begins late."""
    frames, delay, warmup = (entries[name] for name in ("frames_per_step", "delay_frames", "warmup_frames"))
    texts = {
        "delay_frames": f"{delay}: an output is about the frame so many before the newest",
        "warmup_frames": f"{warmup}: the first {warmup // frames} outputs do not count",
    }
    if frames > 1:
        width = entries["inputs"] // frames
        texts["window"] = f"no: one step for {frames} frames"
        texts["frames_per_step"] = f"{frames}: x is {frames} frames of {width} values, oldest first"
    return texts


def _quantization(quantization: dict[str, Any]) -> str:
    """Return the values that an artifact's integer inputs and outputs stand for."""
    formulas = (f"{name} = (int{q['bits']} - {q['zero']}) * {q['scale']:.7g}" for name, q in quantization.items())
    return ", ".join(formulas).replace("- -", "+ ")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({_text(entry)})" for name, entry in value.items()) or "none"
    if isinstance(value, tuple):
        return f"{len(value)} values" if value and isinstance(value[0], float) else ", ".join(value) or "none"
    if value is None or value == "":
        return "not stated"
    return f"{value:,}" if isinstance(value, int) else str(value)
