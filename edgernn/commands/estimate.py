"""`edgernn estimate`: what a step of a model costs on a board that is not here."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.device.board import Device
    from edgernn.latency.estimate import Estimate
    from edgernn.model.graph import Graph
    from edgernn_export.targets.c.footprint import Footprint


@click.command(no_args_is_help=True)
@click.argument("model", metavar="MODEL.rnn")
@click.option("--device", "name", metavar="NAME", default="this", show_default=True, help="See `edgernn devices`.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def estimate(model: str, name: str, as_json: bool) -> None:
    """Count what one step of MODEL.rnn costs, and predict its time on a board.

    The counts are exact, as the model's own step has them; compiled code shares some of the room and adds buffers of
    its own. The time is an estimate for the compiled step, from the figures of the board's profile; what
    it assumes is printed with it. There is none where the profile lacks a figure that is needed.

    For a microcontroller it is said whether the step in C fits: its arrays are exact, its code and stack predicted.
    """
    from edgernn.artifact.rnn import load as load_graph
    from edgernn.device.board import load
    from edgernn.errors import UsageError
    from edgernn.latency import estimate as estimates

    if Path(model).suffix != ".rnn":
        raise UsageError(f"'{model}' cannot be counted: give the .rnn file that it was exported from")
    device = load(name)
    graph = load_graph(model)
    found = estimates.estimate(graph, device)
    taken = _footprint(graph, device) if device.microcontroller else None
    if as_json:
        told = {"model": model, **asdict(found), "formats": device.formats}
        click.echo(json.dumps(told | (_fitting(taken) if taken else {}), indent=2))
    else:
        click.echo("\n".join([_text(model, found, device), *(_flash_and_ram(taken) if taken else ())]))


def _footprint(graph: "Graph", device: "Device") -> "Footprint":
    from edgernn_export.targets.c.footprint import footprint

    return footprint(graph, device)


def _fitting(taken: "Footprint") -> dict[str, Any]:
    fits = {"flash": taken.flash, "ram": taken.ram, "flash_fits": taken.flash_fits, "ram_fits": taken.ram_fits}
    return {"footprint": asdict(taken) | fits}


def _flash_and_ram(taken: "Footprint") -> list[str]:
    """Lines of what the step in C takes, exactly where that is known, and whether it fits."""
    code, stack = (f"{part:,} predicted" if part is not None else "unknown" for part in (taken.code, taken.stack))
    flash = f"weights {taken.weights:,}, contract {taken.manifest:,}, code {code}"
    ram = f"states {taken.states:,}, scratch {taken.scratch:,}, stack {stack}"
    lines = ["", _fit("flash", taken.flash, taken.flash_available, taken.flash_fits, flash)]
    lines.append(_fit("RAM", taken.ram, taken.ram_available, taken.ram_fits, ram))
    said = [f"- {one}" for one in taken.assumptions]
    return [*lines, "", *(["It assumes that", *said] if said else [f"Not told: {taken.unpredicted}."])]


def _fit(name: str, taken: int, there: int | None, fits: bool | None, parts: str) -> str:
    verdict = {True: "fits", False: "does not fit", None: "cannot be told"}[fits]
    of = "an unknown size" if there is None else f"{there:,} bytes"
    return f"{name:10} {verdict}: {taken:,} of {of} ({parts})"


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
