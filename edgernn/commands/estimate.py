"""`edgernn estimate`: what a step of a model costs on a board that is not here."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgernn.cost import Estimate
    from edgernn.device import Device


@click.command(no_args_is_help=True)
@click.argument("model", metavar="MODEL.rnn")
@click.option("--device", "name", metavar="NAME", default="this", show_default=True, help="See `edgernn devices`.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def estimate(model: str, name: str, as_json: bool) -> None:
    """Count what one step of MODEL.rnn costs, and predict its time on a board.

    The counts are exact, as the model's own step has them; compiled code shares some of the room and adds buffers of
    its own. The time is an estimate for the compiled step, from the figures of the board's profile; what
    it assumes is printed with it. There is none where the profile lacks a figure that is needed.
    """
    from edgernn import cost
    from edgernn.device import load
    from edgernn.errors import UsageError
    from edgernn.file import load as load_graph

    if Path(model).suffix != ".rnn":
        raise UsageError(f"'{model}' cannot be counted: give the .rnn file that it was exported from")
    device = load(name)
    found = cost.estimate(load_graph(model), device)
    if as_json:
        click.echo(json.dumps({"model": model, **asdict(found), "formats": device.formats}, indent=2))
    else:
        click.echo(_text(model, found, device))


def _text(model: str, found: "Estimate", device: "Device") -> str:
    lines = [f"{model} on {device.name}: {device.title}", ""]
    for name, value, unit in (
        ("MACs", found.cost.macs, ""),
        ("weights", found.cost.weight_bytes, " bytes"),
        ("state", found.cost.state_bytes, " bytes"),
        ("scratch", found.cost.scratch_bytes, " bytes"),
    ):
        lines.append(f"{name:10} {value:,}{unit}")
    lines.append(f"{'runs as':10} {' '.join(device.formats)}")
    if found.step_us is None:
        return "\n".join([*lines, f"{'step':10} unknown: {found.unknown}"])
    parts = ", ".join(f"{name} {took:.3g}" for name, took in found.parts_us.items())
    lines.append(f"{'step':10} {found.step_us:.3g} us, an estimate and no measurement ({parts})")
    return "\n".join([*lines, "", "It assumes that", *(f"- {said}" for said in found.assumptions)])
