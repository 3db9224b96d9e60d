"""Recurrent layers that run over the parts of a frame, as over frequency, in one direction or in both."""

from collections.abc import Sequence
from typing import Any

import torch

from edgernn.cells import Concat, Gather, Slice
from edgernn_export.sources.torch.layers.builder import Builder
from edgernn_export.sources.torch.layers.value import Flowing, Stack, Value

LOST = "its cell state after the last part of a frame is no value of its own; use the output, or the hidden state h_n"


def over_parts(b: Builder, x: Flowing) -> bool:
    """Whether a recurrent operation runs over an axis of parts of each frame, and not over time."""
    if not isinstance(x, Value) or len(x.shape) != 3:
        return False
    axis = 1 if b.arguments["batch_first"] else 0
    frames = x.time == 1 - axis or (x.time is None and x.shape[1 - axis] == 1)
    return frames and x.shape[axis] > 1 and x.width == x.shape[axis] * x.shape[2]


def swept(b: Builder, x: Value, cells: Sequence[Any], before: Sequence[Any]) -> tuple[Flowing, ...]:
    """Convert a stack of layers over the parts of a frame.

    Args:
        b: the builder.
        x: a value of shape (time, parts, width), or (parts, time, width).
        cells: layer by layer, forwards and backwards where both directions run.
        before: its initial states.
    """
    if any(not isinstance(state, torch.Tensor) or torch.count_nonzero(state) for state in before):
        raise b.refuse("it runs over the parts of a frame from a state other than zeros; use zeros")
    out, final = (tuple(meta.shape) for meta in b.node.meta["val"][:2])
    directions = 2 if b.arguments["bidirectional"] else 1
    parts = x.shape[1 if b.arguments["batch_first"] else 0]
    shape, finals = (*x.shape[:2], out[2] // directions), []
    for i in range(0, len(cells), directions):
        ways = []
        for cell, direction in zip(cells[i : i + directions], ("forward", "backward"), strict=False):
            suffix = ("_forward" if direction == "forward" else "_backward") if directions == 2 else ""
            suffix = f"_l{i // directions}{suffix}" if len(cells) > directions else suffix
            way = x.of(b.add(cell, [x], suffix, parts, sweep=direction)).at(shape, x.time)
            finals.append(_end(b, way, parts, direction, final))
            ways.append(way)
        x = ways[0] if directions == 1 else _side_by_side(b, ways, parts).at(out, x.time)
    return x, Stack(tuple(finals), final), *[Stack((), ()) for _ in b.node.meta["val"][2:]]


def _end(b: Builder, x: Value, parts: int, direction: str, final: Sequence[int]) -> Value:
    """Return the state after the last part, where an operation takes it."""
    taken = any(user.args[1] == 1 and user.users for user in b.node.users)
    each = x.width // parts
    start = (parts - 1) * each if direction == "forward" else 0
    layer = b.add(Slice(x.width, start, start + each), [x], "_end") if taken else x.layer
    return x.of(layer).at(tuple(final[1:]), None if x.time is None else 0)


def _side_by_side(b: Builder, ways: Sequence[Value], parts: int) -> Value:
    """Return both directions side by side in each part."""
    each = ways[0].width // parts
    both = ways[0].of(b.add(Concat(), ways, "_both"))
    index = torch.arange(2 * parts * each).reshape(2, parts, each).transpose(0, 1).flatten().tolist()
    return both.of(b.add(Gather(len(index), tuple(index)), [both], "_parts"))
