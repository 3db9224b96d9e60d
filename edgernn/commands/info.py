"""`edgernn info`: what a file is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click


@click.command(no_args_is_help=True)
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def info(path: str, as_json: bool) -> None:
    """Verify a .rnn, .onnx, .tflite or .so file and say what it reads, carries and answers. No runtime is needed.

    The sha256 is the checksum in the file: the hash of the file with the checksum itself blank, so
    sha256sum says another.
    """
    from edgernn.artifact.checksum import verify
    from edgernn.artifact.manifest import WINDOWS
    from edgernn.device.runtimes import opening
    from edgernn.files import atomic
    from edgernn.integer.reproducible import SAME_BITS

    opening(path)
    data = atomic.read(path)
    said: dict[str, Any] = {"path": path, "bytes": len(data), "sha256": verify(data, path), **_manifest(data, path)}
    if as_json:
        click.echo(json.dumps(said, indent=2))
        return
    worded = {"window": WINDOWS[said["window"]], "same_bits": SAME_BITS[said["same_bits"]]}
    worded["quantization"] = _quantization(said["quantization"])
    for name, value in said.items():
        if name != "layers":
            click.echo(f"{name:14} {worded.get(name) or _text(value)}")
    for layer in said.get("layers", ()):
        click.echo(
            f"  {layer['name']:20} {layer['cell']:12} {layer['outputs']:5} values  reads {', '.join(layer['inputs'])}"
        )


def _manifest(data: bytes, path: str) -> dict[str, Any]:
    from edgernn.artifact.manifest import graph_manifest, read
    from edgernn.artifact.rnn import loads
    from edgernn.interpreters.count import count

    if Path(path).suffix != ".rnn":
        return asdict(read(data, path))
    graph = loads(data, path)
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


def _quantization(quantization: dict[str, Any]) -> str:
    """What the integers at an artifact's door stand for."""
    each = (f"{name} = (int{one['bits']} - {one['zero']}) * {one['scale']:.7g}" for name, one in quantization.items())
    return ", ".join(each).replace("- -", "+ ")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({_text(each)})" for name, each in value.items()) or "none"
    if isinstance(value, tuple):
        return f"{len(value)} values" if value and isinstance(value[0], float) else ", ".join(value) or "none"
    if value is None or value == "":
        return "not stated"
    return f"{value:,}" if isinstance(value, int) else str(value)
