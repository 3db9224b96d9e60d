"""Whether a model fits a board, before it is trained: flash, RAM, and the time of a step."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from edgernn.device.board import Device
from edgernn.latency.estimate import estimate_frame
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC
from edgernn.model.window import Window
from edgernn.passes.quantize import quantize
from edgernn.train.convert import Model
from edgernn_export.targets.c.footprint import footprint

SMALLER: Mapping[str, str] = MappingProxyType(
    {
        "flash": "a smaller model.hidden, or `edgernn compress` after the training",
        "RAM": "a smaller model.hidden or fewer layers",
    }
)
"""What does not fit -> what helps."""


def misfits(model: Model, board: Device) -> Iterator[str]:
    """A sentence for each limit of the board that the model exceeds in float32.

    Args:
        model: the model; its weights do not matter.
        board: a board with known flash and RAM, or with known rates.
    """
    if isinstance(model, Window):
        yield f"the model takes whole windows; it is exported as .onnx, and {board.name} cannot stream it"
        return
    if board.microcontroller:
        yield from _memory(model, board)
    predicted = estimate_frame([model], board).step_us
    if predicted is not None and model.period_ms is not None and predicted > 1000 * model.period_ms:
        yield (
            f"a step takes about {predicted:,.3g} us on {board.name}, and a new one is due every "
            f"{1000 * model.period_ms:,.6g} us; take a smaller model.hidden"
        )


def _memory(graph: Graph, board: Device) -> Iterator[str]:
    known = footprint(graph, board)
    for name, size, available, fits in (
        ("flash", known.flash, known.flash_available, known.flash_fits),
        ("RAM", known.ram, known.ram_available, known.ram_fits),
    ):
        if fits is False and available is not None:
            quantized = footprint(quantize(graph), board)
            fitting = quantized.flash_fits if name == "flash" else quantized.ram_fits
            hint = f"{DYNAMIC} would fit; otherwise " if fitting else ""
            yield (
                f"the model takes {size:,} bytes of {name} in float32, and {board.name} has {available:,}; {hint}take "
                f"{SMALLER[name]}"
            )
