"""`edgernn devices`: the board profiles and their figures."""

import json
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import complete_boards

if TYPE_CHECKING:
    from edgernn.device.board import Device
    from edgernn.device.rates import StepRate


@click.command()
@click.argument("name", required=False, shell_complete=complete_boards)
@shared.as_json
def devices(name: str | None, as_json: bool) -> None:
    """List the board profiles, or show one with its sources.

    NAME is a name in the list, "this" for this machine, or a .toml file.
    """
    from edgernn.device.board import load, names

    if name is None:
        boards = [load(board) for board in names()]
        click.echo(json.dumps([_row(board) for board in boards], indent=2) if as_json else _table(boards))
        return
    device = load(name)
    click.echo(json.dumps(_row(device) | _details(device), indent=2) if as_json else _text(device))


def _row(device: "Device") -> dict[str, Any]:
    return {"name": device.name, "title": device.title, "formats": device.formats}


def _table(devices: list["Device"]) -> str:
    head = f"{'name':22} {'cores':>5} {'MHz':>6} {'level':20} runs"
    rows = [
        f"{device.name:22} {_or_unknown(device.cores, 5)} {_or_unknown(device.clock_mhz, 6)} "
        f"{device.level or device.isa or 'unknown':20} {' '.join(device.formats)}"
        for device in devices
    ]
    return "\n".join([head, *rows])


def _or_unknown(value: int | None, width: int) -> str:
    return f"{'?' if value is None else value:>{width}}"


def _details(device: "Device") -> dict[str, Any]:
    from dataclasses import asdict

    rates = {name: asdict(rate) for name, rate in device.rates.items()}
    return {"figures": _figures(device), "rates": rates, "sources": dict(device.sources)}


def _figures(device: "Device") -> dict[str, Any]:
    """Return each figure of a profile of this kind, with value and source; None where it is unknown."""
    from edgernn.device.profile import COMPUTER, MICROCONTROLLER

    figures = {key: device.figures.get(key) for key in (MICROCONTROLLER if device.microcontroller else COMPUTER)}
    return {key: figure and {"value": figure.value, "source": figure.source} for key, figure in figures.items()}


def _text(device: "Device") -> str:
    lines = [f"{device.name}: {device.title}", f"{'runs':16} {' '.join(device.formats)}", ""]
    for key, figure in _figures(device).items():
        lines.append(f"{key:16} {_value(figure['value']):26} {figure['source']}" if figure else f"{key:16} unknown")
    rates = [f"{'rate':16} {name}: {_rate(rate)}" for name, rate in device.rates.items()]
    return "\n".join([*lines, "", *rates, "", *(f"{name}: {source}" for name, source in device.sources.items())])


def _rate(rate: "StepRate") -> str:
    period, deadline = (f"{round(us, 2):,.9g} us" for us in (rate.period_us, rate.deadline_us))
    return f"a step every {period}, and {rate.percentile:g} % of them done within {deadline}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
