"""Refusing a model that is too large for a board: by how many bytes, and which compression would fit."""

from collections.abc import Iterator
from math import ceil
from warnings import catch_warnings, simplefilter

from edgernn.device.board import Device
from edgernn.errors import CalibrationError, UnsupportedError
from edgernn.interpreters.numpy import random_frames
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES, STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export.projects.firmware.machines import KIB, Machine
from edgernn_export.targets.c.footprint import Footprint, footprint

FRAMES = 32  # from which ranges are taken for sizes, which do not depend on their values


def refuse_large(graph: Graph, name: str, board: Device, machine: Machine) -> None:
    """Check that the step fits into the memory of the board, and of the machine that stands for it.

    Raises:
        UnsupportedError: it does not; the message has the excess and the precisions that fit.
    """
    needed = footprint(graph, board)
    excess = _excess(needed, board, machine)
    for memory, (size, available) in excess.items():
        smaller = [scheme for scheme, each in _smaller(graph, board) if not _excess(each, board, machine)]
        raise UnsupportedError(
            f"'{name}' takes {size:,} bytes of {memory} in {graph.precision}, {size - available:,} more than the "
            f"{available:,} of '{board.name}'; {_advice(needed, memory, size - available, smaller)}"
        )


def _excess(needed: Footprint, board: Device, machine: Machine) -> dict[str, tuple[int, int]]:
    """Memory -> (bytes that are needed, bytes that there are), where there are too few."""
    flash = min(machine.flash[1], board.flash_kib or machine.flash[1]) * KIB
    ram = min(machine.ram[1], board.sram_kib or machine.ram[1]) * KIB
    sizes = {"flash": (needed.flash, flash), "RAM": (needed.ram, ram)}
    return {memory: (size, available) for memory, (size, available) in sizes.items() if size > available}


def _smaller(graph: Graph, board: Device) -> Iterator[tuple[str, Footprint]]:
    """The precisions in which the graph can be written, with what it takes in each; a quantized graph has none."""
    if graph.precision not in {"fp32", "fp64"}:
        return
    with catch_warnings():
        simplefilter("ignore")  # what a precision costs in accuracy is another question
        frames = random_frames(graph.inputs, graph.vocabulary_size, FRAMES, seed=1)
        for scheme in SCHEMES:
            try:
                known = calibrate(graph, [frames], growing="accept") if scheme in STATIC else graph
                yield scheme, footprint(quantize(known, scheme), board)
            except (UnsupportedError, CalibrationError):  # no layer has a form in this scheme
                continue


def _advice(needed: Footprint, memory: str, excess: int, smaller: list[str]) -> str:
    if smaller:
        return f"it fits in {', '.join(smaller)}: give --precision"
    if memory == "flash" and excess < needed.weights:
        share = ceil(100 * excess / needed.weights)
        return f"no precision makes it fit: prune at least {share} % of its weights in blocks, or train fewer units"
    return "no precision makes it fit: train fewer units"
