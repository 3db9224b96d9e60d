"""Models of other tools as arguments of verbs: the options that tell their inputs and states, and the graph of one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared

if TYPE_CHECKING:
    from edgernn.model.graph import Graph

signature_options = shared.several(
    click.option(
        "--state", "states", multiple=True, metavar="OUT=IN", help="Feed output OUT back as input IN; repeatable."
    ),
    click.option("--inputs", metavar="A,B", help="Inputs that are frames.", show_default="all but states"),
    click.option("--outputs", metavar="A,B", help="Outputs to take.", show_default="all but states"),
    click.option(
        "--shape",
        "shapes",
        multiple=True,
        metavar="IN=SHAPE",
        help="Shape of an input whose sizes the file leaves open, such as x=1x50x40; repeatable.",
    ),
    click.option(
        "--constant",
        "constants",
        multiple=True,
        metavar="IN=VALUE",
        help="Value of an input that never changes, such as sr=16000; repeatable.",
    ),
    shared.period,
    shared.labels,
)
"""What the file of another tool may not say."""


def parsed_signature(
    states: tuple[str, ...],
    inputs: str | None,
    outputs: str | None,
    shapes: tuple[str, ...],
    constants: tuple[str, ...],
    period: str | None,
    labels: str | None,
) -> dict[str, Any]:
    """Return the values of `signature_options` as the arguments of `edgernn_export.from_file`.

    Raises:
        UsageError: an option cannot be parsed, or names an input twice.
    """
    return {
        "states": {before: after for after, before in _pairs("--state", "OUT=IN", states, key=1)},
        "inputs": _names(inputs),
        "outputs": _names(outputs),
        "shapes": {name: shape_of(f"--shape {name}", text) for name, text in _pairs("--shape", "IN=SHAPE", shapes)},
        "constants": {name: _number(name, text) for name, text in _pairs("--constant", "IN=VALUE", constants)},
        "period_ms": period_ms(period),
        "labels": _names(labels),
    }


def load(model: str) -> "Graph":
    """Return the graph of a model file: a `.rnn`, or the file of another tool that converts as it is.

    Raises:
        UsageError: the file is neither.
        EdgernnError: as `edgernn_export.from_file` raises, and `edgernn.artifact.rnn.load`.
    """
    from edgernn.artifact import rnn
    from edgernn.errors import UsageError
    from edgernn_export import from_file
    from edgernn_export.sources.suffixes import SOURCES

    suffix = Path(model).suffix
    if suffix == rnn.SUFFIX:
        return rnn.load(model)
    if suffix not in SOURCES:
        raise UsageError(f"'{model}' is not a model; there are {', '.join((rnn.SUFFIX, *SOURCES))}")
    return from_file(model)


def shape_of(option: str, text: str) -> tuple[int, ...]:
    """Return a shape that was typed as 1x50x40.

    Raises:
        UsageError: it is not one.
    """
    from edgernn.errors import UsageError

    parts = text.split("x")
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise UsageError(f"{option} {text} is not a shape; expected numbers above 0 with x between them, as in 1x50x40")
    return tuple(map(int, parts))


def period_ms(text: str | None) -> float | None:
    """Return the milliseconds of a period that was typed as 10ms, 250us or 1kHz."""
    from edgernn.budget.verdict import microseconds

    return None if text is None else microseconds(text) / 1000


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _pairs(option: str, form: str, texts: tuple[str, ...], key: int = 0) -> list[tuple[str, str]]:
    """Return the two sides of each text, none of which has the same input."""
    from edgernn.errors import UsageError

    pairs = []
    for text in texts:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise UsageError(f"{option} {text} arrived; expected {form}")
        pairs.append((left, right))
    inputs = [pair[key] for pair in pairs]
    twice = next((name for name in inputs if inputs.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{option} names input '{twice}' twice; give each input once")
    return pairs


def _number(name: str, text: str) -> float:
    from edgernn.errors import UsageError

    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--constant {name}={text} arrived; expected a number, as in {name}=16000") from None
