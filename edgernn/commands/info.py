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

    PATH is a .rnn, .onnx, .tflite or .so file; no runtime is needed. The sha256 is the checksum in the file: the hash
    of the file with the checksum itself blank, so sha256sum prints another. The file of another tool is converted as
    `edgernn import` does, and the sha256 is that of sha256sum.
    """
    from edgernn.artifact.checksum import is_artifact, verify
    from edgernn.artifact.manifest import RARE, WINDOWS
    from edgernn.device.runtimes import opening
    from edgernn.files import atomic
    from edgernn.integer.reproducible import SAME_BITS
    from edgernn_export.sources.suffixes import SOURCES

    foreign = Path(path).suffix in SOURCES
    if not foreign:
        opening(path)
    data = atomic.read(path)
    if foreign and not is_artifact(data):
        checksum, manifest = sha256(data).hexdigest(), _of_graph(load(path))
    else:
        checksum, manifest = verify(data, path), _manifest(data, path)
    entries: dict[str, Any] = {"path": path, "bytes": len(data), "sha256": checksum, **manifest}
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    adopted_lines = _adopted(data, path)
    texts = {"window": WINDOWS[entries["window"]], "same_bits": SAME_BITS[entries["same_bits"]]}
    texts["quantization"] = _quantization(entries["quantization"])
    texts |= _timing(entries)
    for name, value in entries.items():
        if name not in {"layers", "adopted"} and value != RARE.get(name, ...):
            click.echo(f"{name:14} {texts.get(name) or _text(value)}")
    for line in adopted_lines:
        click.echo(line)
    for layer in entries.get("layers", ()):
        click.echo(
            f"  {layer['name']:20} {layer['cell']:12} {layer['outputs']:5} values  from {', '.join(layer['inputs'])}"
        )


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
