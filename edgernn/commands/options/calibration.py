"""What `edgernn compress` and `edgernn sensitivity` have in common: how the ranges of integers are learnt."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.passes.prepare import Calibration

OPTIONS = (
    click.option(
        "--calibrate", "shown", metavar="FILE", help="Real frames: .npy, .csv, or .npz with a sequence in every array."
    ),
    click.option(
        "--calibration-method",
        "method",
        type=click.Choice(["min-max", "percentile", "mse"]),
        default="min-max",
        show_default=True,
        help="What a range holds of what was seen.",
    ),
    click.option(
        "--accept-growing", is_flag=True, help="Calibrate too where a state grows to the end of the sequences."
    ),
)


def calibrated(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def check(scheme: str | None, options: dict[str, Any]) -> None:
    """That the options go with the precision.

    Raises:
        UsageError: they do not.
    """
    from edgernn.errors import UsageError
    from edgernn.model.tensor import STATIC

    for option, given in (
        ("--calibration-method", options["method"] != "min-max"),
        ("--accept-growing", options["accept_growing"]),
    ):
        if given and scheme not in STATIC:
            raise UsageError(f"{option} goes with a precision of integers; give --quantize {' or '.join(STATIC)}")


def calibration(graph: "Graph", options: dict[str, Any]) -> "Calibration":
    """What ranges are learnt from; sequences that cannot enter the model are refused before anything else is done."""
    from edgernn.files.frames import sequences
    from edgernn.passes.calibrate import checked
    from edgernn.passes.prepare import Calibration

    growing = "accept" if options["accept_growing"] else "refuse"
    if options["shown"] is None:
        return Calibration((), options["method"], growing)
    read = sequences(options["shown"], "int32" if graph.vocabulary_size else "float32")
    return Calibration(checked(graph, read), options["method"], growing)
