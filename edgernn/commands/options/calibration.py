"""How `edgernn compress`, `edgernn export` and `edgernn sensitivity` learn the ranges of integers."""

from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options.shared import several
from edgernn.commands.options.types import PATH, Choice

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.passes.prepare import Calibration

calibration_options = several(
    click.option(
        "--calibrate",
        type=PATH,
        metavar="FILE",
        help="Learn ranges from real frames: .npy, .csv, or .npz with a sequence in each array.",
    ),
    click.option(
        "--calibration-method",
        type=Choice(["min-max", "percentile", "mse"]),
        default="min-max",
        show_default=True,
        help="Choose each range from its values by this method.",
    ),
    click.option("--accept-growing", is_flag=True, help="Calibrate although a state still grows when sequences end."),
)

CALIBRATING = ("calibrate", "calibration_method", "accept_growing")
"""The names of these options in Python."""


def check_calibration(precision: str | None, options: dict[str, Any]) -> None:
    """Check that the options fit the precision.

    Raises:
        UsageError: they need a static precision.
    """
    from edgernn.errors import UsageError
    from edgernn.model.tensor import STATIC

    for option, changed in (
        ("--calibration-method", options["calibration_method"] != "min-max"),
        ("--accept-growing", options["accept_growing"]),
    ):
        if changed and precision not in STATIC:
            raise UsageError(f"{option} needs a precision of integers; give --precision {' or '.join(STATIC)}")


def read_calibration(graph: "Graph", options: dict[str, Any]) -> "Calibration":
    """Read the frames that ranges are learned from, and check that the model accepts them."""
    from edgernn.files.frames import sequences
    from edgernn.model.timing import frame_widths
    from edgernn.passes.calibrate import checked
    from edgernn.passes.prepare import Calibration

    growing = "accept" if options["accept_growing"] else "refuse"
    if options["calibrate"] is None:
        return Calibration((), options["calibration_method"], growing)
    widths = frame_widths(graph.frames_per_step, graph.named_inputs)
    arrays = sequences(options["calibrate"], "int32" if graph.vocabulary_size else "float32", widths)
    checked(graph, arrays)
    return Calibration(arrays, options["calibration_method"], growing)
