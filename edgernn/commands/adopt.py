"""`edgernn adopt`: a model file of another tool that streams as it is."""

import json
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.adopting import adopting_options, parsed_adopting
from edgernn.commands.options.foreign import parsed_signature, signature_options
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.artifact.manifest import Manifest


@click.command(no_args_is_help=True)
@click.argument("model", type=PATH)
@shared.out("FILE", required=True)
@signature_options
@adopting_options
@shared.as_json
def adopt(
    model: str,
    out: str,
    context: tuple[str, ...],
    delay: int,
    initial_state: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Let a file of another tool stream as it is.

    MODEL is an .onnx or .tflite file whose states are inputs and outputs. FILE begins with its bytes, unchanged, and a
    manifest follows: what is a frame, a state, a constant and an answer, and recorded answers to random frames, which
    are compared wherever FILE is opened. Every verb that takes an artifact takes FILE. It has no graph: to quantize,
    compress or compile a model, use `edgernn import`.

    States are matched by name, then in order and by shape; what was chosen is printed. Nothing is written unless the
    stream answers as plain calls of the runtime do, and every frame and state changes the answers.
    """
    from edgernn.artifact.adopted import lines
    from edgernn_export.adoption.adopt import adopt as adopt_file

    arguments = parsed_signature(**options) | parsed_adopting(context, delay, initial_state)
    with status("adopting"):
        manifest = adopt_file(model, out, **arguments)
    assert manifest.adopted is not None
    if as_json:
        click.echo(json.dumps({"file": out, **_result(manifest)}))
        return
    click.echo(f"{out}: {model} as it is, {manifest.adopted.size:,} bytes, on {manifest.adopted.runtime}")
    for line in lines(manifest.adopted):
        click.echo(line)


def _result(manifest: "Manifest") -> dict[str, Any]:
    from dataclasses import asdict

    adopted = asdict(manifest)["adopted"]
    return {**adopted, "period_ms": manifest.period_ms, "delay_frames": manifest.delay_frames}
