"""`edgernn estimate`: the cost of a step on a board, without the board."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.foreign import load
from edgernn.commands.options.types import PATH

if TYPE_CHECKING:
    from edgernn.device.board import Device
    from edgernn.latency.estimate import Estimate
    from edgernn.model.graph import Graph
    from edgernn_export.targets.c.footprint import Footprint


@click.command(no_args_is_help=True)
@click.argument("model", type=PATH)
@shared.board()
@shared.as_json
def estimate(model: str, board: str, as_json: bool) -> None:
    """Predict the cost of a step on a board.

    MODEL is a .rnn file, or the file of another tool as `edgernn import` reads it. Its counts are exact, and so are the
    bytes of the files that the board runs, feature cells included; compiled code shares some buffers and adds its own.
    The time is an estimate for the compiled step, from the figures in the
    board's profile, and its assumptions are printed. There is no time where the profile lacks a figure.

    For a microcontroller the output states whether the step in C fits. Its arrays are exact. Its code and stack are
    those of a linker where the board's compiler is installed (gcc-arm-none-eabi), and predicted elsewhere.
    """
    from edgernn.device import board as boards
    from edgernn.latency import estimate as estimates

    device, graph = boards.load(board), load(model)
    cost = estimates.estimate(graph, device)
    footprint = _footprint(graph, device) if device.microcontroller else None
    files = _files(graph, device)
    if as_json:
        result = {"model": model, **asdict(cost), "formats": device.formats, "deployed": files}
        click.echo(json.dumps(result | (_fitting(footprint) if footprint else {}), indent=2))
    else:
        click.echo("\n".join([_text(model, cost, device, files), *(_flash_and_ram(footprint) if footprint else ())]))


def _footprint(graph: "Graph", device: "Device") -> "Footprint":
    from edgernn_export.targets.c.footprint import footprint

    return footprint(graph, device)


def _fitting(footprint: "Footprint") -> dict[str, Any]:
    totals = {name: getattr(footprint, name) for name in ("flash", "ram", "flash_fits", "ram_fits")}
    return {"footprint": asdict(footprint) | totals}


def _flash_and_ram(footprint: "Footprint") -> list[str]:
    """Return lines with the flash and RAM of the step in C, and whether they fit."""
    how = "linked" if footprint.compiler else "predicted"
    code, stack = (f"{n:,} {how}" if n is not None else "unknown" for n in (footprint.code, footprint.stack))
    flash = f"weights {footprint.weights:,}, code {code}; the manifest, {footprint.manifest:,}, is left out"
    library = f", C library {footprint.variables:,}" if footprint.variables else ""
    ram = f"states {footprint.states:,}, scratch {footprint.scratch:,}{library}, stack {stack}"
    lines = ["", _fit("flash", footprint.flash, footprint.flash_available, footprint.flash_fits, flash)]
    lines.append(_fit("RAM", footprint.ram, footprint.ram_available, footprint.ram_fits, ram))
    assumptions = [f"- {assumption}" for assumption in footprint.assumptions]
    return [*lines, "", *(["It assumes that", *assumptions] if assumptions else [f"Unknown: {footprint.unpredicted}."])]


def _fit(name: str, size: int, available: int | None, fits: bool | None, parts: str) -> str:
    verdict = {True: "fits", False: "does not fit", None: "unknown"}[fits]
    of = "an unknown size" if available is None else f"{available:,} bytes"
    return f"{name:10} {verdict}: {size:,} of {of} ({parts})"


def _files(graph: "Graph", device: "Device") -> dict[str, int | None]:
    """Return the bytes of the files that the board runs, by suffix; a `.so` is not compiled: it has the arrays of C."""
    from edgernn_export.targets.deployed import SUFFIXES, deployed

    return deployed(graph, [suffix for suffix in SUFFIXES if suffix == ".c" or suffix in {*device.formats} - {".so"}])


def _text(model: str, estimate: "Estimate", device: "Device", files: dict[str, int | None]) -> str:
    lines = [f"{model} on {device.name}: {device.title}", ""]
    for name, value, unit in (
        ("MACs", estimate.cost.macs, ""),
        ("weights", estimate.cost.weight_bytes, " bytes"),
        ("state", estimate.cost.state_bytes, " bytes"),
        ("scratch", estimate.cost.scratch_bytes, " bytes"),
    ):
        lines.append(f"{name:10} {value:,}{unit}")
    for suffix, size in files.items():
        note = ", constants and manifest in C, without code" if suffix == ".c" else ""
        lines.append(f"{suffix:10} {'unknown' if size is None else f'{size:,} bytes{note}'}")
    lines.append(f"{'runs as':10} {' '.join(device.formats)}")
    if estimate.step_us is None:
        return "\n".join([*lines, f"{'step':10} unknown: {estimate.unknown}"])
    parts = ", ".join(f"{name} {us:.3g}" for name, us in estimate.parts_us.items())
    lines.append(f"{'step':10} {estimate.step_us:.3g} us, an estimate, not a measurement ({parts})")
    return "\n".join([*lines, "", "It assumes that", *(f"- {line}" for line in estimate.assumptions)])
