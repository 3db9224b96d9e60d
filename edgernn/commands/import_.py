"""`edgernn import`: the model file of another tool becomes a .rnn file."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.foreign import parsed_signature, signature_options
from edgernn.commands.options.types import PATH, Choice
from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.model.graph import Graph


@click.command("import", no_args_is_help=True)
@click.argument("model", type=PATH)
@click.argument("out", metavar="OUT.rnn", type=PATH)
@signature_options
@shared.time_axis
@click.option(
    "--running",
    type=Choice(["mean", "max"]),
    multiple=True,
    help="Let a mean or a maximum over time run over the frames so far; repeatable.",
)
@shared.as_json
def import_(
    model: str, out: str, time_axis: int | None, running: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Convert a model of another tool to a .rnn file.

    MODEL is an .onnx or .tflite file, a .keras or .h5 file of Keras, or a .json or .nam file with the weights of a
    recurrent network. It is replayed on its own runtime, and the graph against it; nothing is written unless they
    agree. What cannot be converted may run as it is: see `edgernn adopt`.
    """
    from edgernn.artifact import rnn
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn_export.sources.foreign.options import ImportOptions
    from edgernn_export.translate import read

    if Path(out).suffix != rnn.SUFFIX:
        raise UsageError(f"a model is written as {rnn.SUFFIX}, not as '{out}'; `edgernn export` makes artifacts of it")
    os.environ.setdefault("KERAS_BACKEND", "torch")  # where Keras is installed, it replays its models
    signature = ImportOptions(time_axis=time_axis, running=running, **parsed_signature(**options))
    with status("importing"):
        graph, reference = read(model, signature)
    atomic.write(out, rnn.dumps(graph))
    summary = {
        "compared_with": reference or "nothing: its own runtime is not here, or lacks these layers",
        **_summary(graph),
    }
    if as_json:
        click.echo(json.dumps({"graph": rnn.digest(graph), "file": out, **summary}))
        return
    for name, value in summary.items():
        if name != "layers" and value:
            click.echo(f"{name:16} {_text(value)}")
    for layer, cell in summary["layers"].items():
        click.echo(f"  {layer:20} {cell}")
    click.echo(out)


def _summary(graph: "Graph") -> dict[str, Any]:
    """Return what a graph consists of."""
    from edgernn.interpreters.count import count

    return {
        "inputs": dict(graph.named_inputs) or graph.inputs,
        "outputs": dict(graph.named_outputs) or graph.outputs,
        "states": dict(graph.states),
        "initial_state": sorted(graph.initial_state),
        "frames_per_step": graph.frames_per_step,
        "delay_frames": graph.delay_frames,
        "warmup_frames": graph.warmup_frames,
        "period_ms": graph.period_ms,
        "parameters": count(graph).parameters,
        "layers": {layer.name: type(layer.cell).__name__ for layer in graph.layers},
    }


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{name} ({width:,})" for name, width in value.items())
    return ", ".join(value) if isinstance(value, list) else f"{value:,}"
