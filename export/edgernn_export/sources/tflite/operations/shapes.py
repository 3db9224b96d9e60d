"""Operators that arrange elements, and reductions over axes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.tflite.call import Call


def _reshape(call: Call, x: Tensor, shape: Any = None) -> Tensor:
    return x.reshape([int(each) for each in (call.get("newShape", ()) if shape is None else _list(shape))])


def _list(numbers: Any) -> list[int]:
    return [int(each) for each in numbers] if isinstance(numbers, list) else [int(numbers)]


def _squeeze(call: Call, x: Tensor) -> Tensor:
    axes = call.get("squeezeDims", None)
    chosen = range(x.dim()) if axes is None or not len(axes) else [int(each) % x.dim() for each in axes]
    return x.reshape([size for i, size in enumerate(x.shape) if i not in chosen or size != 1])


def _strided_slice(call: Call, x: Tensor, begin: Any, end: Any, strides: Any) -> Tensor:
    """One slice or index for each axis from the first; a bit of a mask for each."""
    if call.get("ellipsisMask") or call.get("newAxisMask") or call.get("offset", False):
        raise call.refuse(f"an ellipsis, a new axis or offsets; expected begin, end and strides, {ADOPT}")
    places: list[Any] = []
    for i, (first, last, step) in enumerate(zip(_list(begin), _list(end), _list(strides), strict=True)):
        bit = 1 << i
        if call.get("shrinkAxisMask") & bit:
            places.append(first)
            continue
        if step < 1:
            raise call.refuse(f"stride {step} on axis {i}; expected one above 0, {ADOPT}")
        start = None if call.get("beginMask") & bit else first
        stop = None if call.get("endMask") & bit else last
        places.append(slice(start, stop, step))
    return x[tuple(places)]


def _slice(_: Call, x: Tensor, begin: Any, size: Any) -> Tensor:
    for axis, (first, length) in enumerate(zip(_list(begin), _list(size), strict=True)):
        taken = x.shape[axis] - first if length == -1 else length
        x = x if taken == x.shape[axis] else x.narrow(axis, first, taken)
    return x


def _split(call: Call, axis: Any, x: Tensor) -> Sequence[Tensor]:
    return x.chunk(call.get("numSplits", 1), int(_list(axis)[0]))


def _split_v(_: Call, x: Tensor, sizes: Any, axis: Any) -> Sequence[Tensor]:
    at, lengths = _list(axis)[0], _list(sizes)
    rest = x.shape[at] - sum(each for each in lengths if each != -1)
    return torch.split(x, [rest if each == -1 else each for each in lengths], at)


def _looked_up(call: Call, table: Tensor, index: Tensor) -> Tensor:
    """Return the rows of a table at places that depend on data."""
    if call.get("axis") or call.get("batchDims") or table.dim() != 2:
        raise call.refuse(
            f"places that depend on data, in a table {tuple(table.shape)}; expected rows of a matrix, {ADOPT}"
        )
    return functional.embedding(index, table)


def _taken(call: Call, x: Tensor, places: Any) -> Tensor:
    """Return the parts of an axis at constant places."""
    axis, index = call.get("axis") % max(1, x.dim()), torch.tensor(places, dtype=torch.int64, device=x.device)
    if call.get("batchDims"):
        raise call.refuse(f"batch axes; expected places for all, {ADOPT}")
    if index.dim() == 0:
        return x.select(axis, int(places))
    return x.index_select(axis, index.reshape(-1)).reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _pad(_: Call, x: Tensor, pads: Any, value: Any = None) -> Tensor:
    flat = [int(each) for pair in reversed(pads) for each in pair]
    return functional.pad(x, flat, value=0.0 if value is None else float(_number(value)))


def _number(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)


def _concat(call: Call, *xs: Tensor) -> Tensor:
    if call.get("fusedActivationFunction"):
        raise call.refuse(f"a fused activation, which LiteRT ignores; expected none, {ADOPT}")
    return torch.cat(xs, call.get("axis"))


def _reduced(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operation:
    def reduce(call: Call, x: Tensor, axes: Any) -> Tensor:
        return function(x, [each % x.dim() for each in _list(axes)], bool(call.get("keepDims", False)))

    return static(1)(reduce)


def _flip(_: Call, x: Tensor, axes: Any) -> Tensor:
    return x.flip([each % x.dim() for each in _list(axes)])


TAKEN = static(1)(_taken)
"""GATHER at constant places of a value."""

SHAPES: Mapping[str, Operation] = {
    "RESHAPE": static(1)(_reshape),
    "EXPAND_DIMS": static(1)(lambda _, x, axis: x.unsqueeze(_list(axis)[0])),
    "SQUEEZE": Operation(_squeeze),
    "TRANSPOSE": static(1)(lambda _, x, axes: x.permute(_list(axes))),
    "SPLIT": static(0)(_split),
    "SPLIT_V": static(1, 2)(_split_v),
    "SLICE": static(1, 2)(_slice),
    "STRIDED_SLICE": static(1, 2, 3)(_strided_slice),
    "GATHER": Operation(_looked_up),
    "EMBEDDING_LOOKUP": Operation(lambda _, index, table: functional.embedding(index, table)),
    "CONCATENATION": Operation(_concat),
    "PACK": Operation(lambda call, *xs: torch.stack(xs, call.get("axis"))),
    "UNPACK": Operation(lambda call, x: x.unbind(call.get("axis"))),
    "PAD": static(1)(_pad),
    "PADV2": static(1, 2)(_pad),
    "TILE": static(1)(lambda _, x, times: x.repeat(_list(times))),
    "BROADCAST_TO": static(1)(lambda _, x, shape: x.expand(_list(shape))),
    "REVERSE_V2": static(1)(_flip),
    "MEAN": _reduced(lambda x, axes, keep: x.mean(axes, keep)),
    "SUM": _reduced(lambda x, axes, keep: x.sum(axes, keep)),
    "REDUCE_MAX": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
    "REDUCE_MIN": _reduced(lambda x, axes, keep: x.amin(axes, keep)),
}
"""Operator -> what it computes."""
