"""Operators that rearrange: reshapes, transposes, slices, joins, padding and look-ups."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.operations.places import PLACES
from edgernn_export.sources.onnx.operations.resize import RESIZE

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
"""Modes of Pad -> those of torch."""


@static(1)
def _reshape(call: Call, x: Tensor, shape: list[int] | None = None) -> Tensor:
    sizes = list(call.get("shape") if shape is None else shape)
    if not call.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(call: Call, x: Tensor) -> Tensor:
    axis = call.get("axis", 1)
    axis += x.dim() if axis < 0 else 0
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def _transpose(call: Call, x: Tensor) -> Tensor:
    return x.permute(call.get("perm", list(range(x.dim()))[::-1]))


@static(1)
def _squeeze(call: Call, x: Tensor, axes: list[int] | None = None) -> Tensor:
    axes = call.get("axes") if axes is None else axes
    chosen = {i for i, size in enumerate(x.shape) if size == 1} if axes is None else {a % x.dim() for a in axes}
    if any(x.shape[i] != 1 for i in chosen):
        raise call.refuse(f"axes {sorted(chosen)} of {tuple(x.shape)} are not all of length 1; check shapes= (--shape)")
    return x.reshape([size for i, size in enumerate(x.shape) if i not in chosen])


@static(1)
def _unsqueeze(call: Call, x: Tensor, axes: list[int] | int | None = None) -> Tensor:
    axes = call.get("axes") if axes is None else axes
    chosen: list[int] = [axes] if isinstance(axes, int) else list(axes or ())
    rank = x.dim() + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@static(1)
def _expand(_: Call, x: Tensor, shape: list[int]) -> Tensor:
    rank = max(x.dim(), len(shape))
    own, other = ([*[1] * (rank - len(each)), *each] for each in (x.shape, shape))
    return x.expand([size if length == 1 else length for size, length in zip(other, own, strict=True)])


@static(1)
def _tile(_: Call, x: Tensor, repeats: list[int]) -> Tensor:
    return x.repeat(repeats)


def _concat(call: Call, *operands: Tensor) -> Tensor:
    return torch.cat(operands, call.get("axis", 1))


@static(1)
def _split(call: Call, x: Tensor, sizes: list[int] | None = None) -> tuple[Tensor, ...]:
    axis, sizes = call.get("axis", 0), call.get("split") if sizes is None else sizes
    if sizes is None:
        each = -(-x.shape[axis] // call.results)
        sizes = [min(each, x.shape[axis] - i * each) for i in range(call.results)]
    return torch.split(x, list(sizes), axis)


@static(1, 2, 3, 4)
def _slice(call: Call, x: Tensor, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Tensor:
    starts, ends = call.get("starts", starts), call.get("ends", ends)
    axes = call.get("axes", axes) or range(len(starts))
    for axis, *cut in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        start, end, step = cut
        if step < 0:
            start, end, step = _backward(x.shape[axis], start, end, step)
            x = x.flip(axis)
        if (start, step) != (0, 1) or end < x.shape[axis]:
            x = torch.ops.aten.slice.Tensor(x, axis, start, end, step)
    return x


def _backward(length: int, start: int, end: int, step: int) -> tuple[int, int, int]:
    """Return where a slice with a negative step is in the reversed axis."""
    places = range(length)[slice(start, end if end >= -length else None, step)]
    first = length - 1 - places[0] if places else 0
    return first, first + (len(places) - 1) * -step + 1 if places else 0, -step


def _gather(call: Call, x: Tensor, places: Tensor) -> Tensor:
    axis = call.get("axis", 0) % x.dim()
    if axis == 0 and x.dim() == 2 and not places.is_floating_point():
        return F.embedding(places.to(torch.int64), x)
    raise call.refuse(f"it looks up computed places in an axis of a tensor of shape {tuple(x.shape)}, {ADOPT}")


def _taken(call: Call, x: Tensor, places: Any) -> Tensor:
    """Take constant places of an axis."""
    axis = call.get("axis", 0) % x.dim()
    if isinstance(places, int):
        return x.select(axis, places)
    index = np.array(places, np.int64) % x.shape[axis]
    flat: list[int] = index.ravel().tolist()
    if flat == list(range(flat[0], flat[0] + len(flat))):
        y = x if len(flat) == x.shape[axis] else x.narrow(axis, flat[0], len(flat))
    else:
        y = x.index_select(axis, torch.tensor(flat))
    return y if index.ndim == 1 else y.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


@static(1, 2, 3)
def _pad(call: Call, x: Tensor, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    pads = list(call.get("pads") if pads is None else pads)
    mode, value = call.get("mode", "constant"), call.get("value", 0.0) if value is None else value
    axes = list(range(x.dim())) if axes is None else [axis % x.dim() for axis in axes]
    if mode not in _MODES:
        raise call.refuse(f"mode '{mode}' is not known; expected one of {', '.join(_MODES)}")
    return padded(x, dict(zip(axes, zip(pads, pads[len(axes) :], strict=False), strict=True)), _MODES[mode], value)


def padded(x: Tensor, pads: Mapping[int, Sequence[int]], mode: str = "constant", value: Any = 0.0) -> Tensor:
    """Pad axes of x: axis -> (before, after); negative numbers cut off."""
    first = min((axis for axis, pair in pads.items() if any(pair)), default=None)
    if first is None:
        return x
    if isinstance(value, list):
        (value,) = value
    sizes = [int(each) for axis in range(x.dim() - 1, first - 1, -1) for each in pads.get(axis, (0, 0))]
    return F.pad(x, sizes, mode, value) if mode == "constant" else F.pad(x, sizes, mode)


def _depth_to_space(call: Call, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    block = call.get("blocksize")
    if call.get("mode", "DCR") == "DCR":
        y = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        y = x.reshape(n, c // block**2, block, block, h, w).permute(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // block**2, h * block, w * block)


def _space_to_depth(call: Call, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    block, order = call.get("blocksize"), (0, 3, 5, 1, 2, 4) if call.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    y = x.reshape(n, c, h // block, block, w // block, block).permute(order)
    return y.reshape(n, c * block**2, h // block, w // block)


SHAPES: Mapping[str, Operation] = {
    "Reshape": _reshape,
    "Flatten": Operation(_flatten),
    "Transpose": Operation(_transpose),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Expand": _expand,
    "Tile": _tile,
    "Concat": Operation(_concat),
    "Split": _split,
    "Slice": _slice,
    "Gather": Operation(_gather),
    "Pad": _pad,
    "DepthToSpace": Operation(_depth_to_space),
    "SpaceToDepth": Operation(_space_to_depth),
    **RESIZE,
    **PLACES,
}
"""Operator -> what it computes."""

TAKEN = Operation(_taken, frozenset({1}))
"""Gather of constant places."""
