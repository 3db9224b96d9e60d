"""Operators with weights: products of matrices, convolutions, and pooling."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from edgernn_export.sources.foreign.nodes import ADOPT, Operation
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.operations.shapes import padded

_CONV = {1: F.conv1d, 2: F.conv2d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d}
_AVERAGE_POOL: Mapping[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d}
"""The number of axes besides batch and channels -> the function."""


def _gemm(call: Call, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    a = a.t() if call.get("transA", 0) else a
    b = b if call.get("transB", 0) else b.t()
    if alpha != 1.0:
        b = b * alpha
    if c is not None and beta != 1.0:
        c = c * beta
    vector = c is not None and c.numel() == b.shape[0] and c.shape[-1] == b.shape[0]
    if c is None or vector:
        return F.linear(a, b, None if c is None else c.reshape(-1))
    return F.linear(a, b) + c


def _matmul(_: Call, a: Tensor, b: Tensor) -> Tensor:
    return a @ b


def _einsum(call: Call, *operands: Tensor) -> Tensor:
    return torch.einsum(call.get("equation"), *operands)


def _pads(call: Call, x: Tensor, kernel: Sequence[int]) -> list[tuple[int, int]]:
    """Return what is padded before and after each axis over which a kernel moves."""
    rank, auto = len(kernel), call.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return [(0, 0)] * rank
    if auto == "NOTSET":
        pads = call.get("pads", [0] * 2 * rank)
        return list(zip(pads[:rank], pads[rank:], strict=True))
    steps, dilations = call.get("strides", [1] * rank), call.get("dilations", [1] * rank)
    pairs = []
    for size, each, step, dilation in zip(x.shape[2:], kernel, steps, dilations, strict=True):
        total = max(0, (-(-size // step) - 1) * step + dilation * (each - 1) + 1 - size)
        small, large = total // 2, total - total // 2
        pairs.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return pairs


def _of(table: Mapping[int, Any], call: Call, rank: int) -> Any:
    if rank not in table:
        raise call.refuse(f"it has {rank} axes besides batch and channels; expected 1 or 2, {ADOPT}")
    return table[rank]


def _moving(call: Call, rank: int) -> dict[str, list[int]]:
    return {"stride": call.get("strides", [1] * rank), "dilation": call.get("dilations", [1] * rank)}


def _conv(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    rank = w.dim() - 2
    pairs, function = _pads(call, x, w.shape[2:]), _of(_CONV, call, rank)
    even = all(before == after for before, after in pairs)
    if not even:
        x = padded(x, {axis + 2: pair for axis, pair in enumerate(pairs)})
    padding = [before for before, _ in pairs] if even else 0
    y: Tensor = function(x, w, b, padding=padding, groups=call.get("group", 1), **_moving(call, rank))
    return y


def _conv_transpose(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    rank = w.dim() - 2
    function, moving = _of(_TRANSPOSED, call, rank), _moving(call, rank)
    extra = call.get("output_padding", [0] * rank)
    full = [
        step * (size - 1) + more + dilation * (kernel - 1) + 1
        for size, kernel, step, dilation, more in zip(
            x.shape[2:], w.shape[2:], moving["stride"], moving["dilation"], extra, strict=True
        )
    ]
    cuts = _cuts(call, x, full, moving["stride"])
    even = all(before == after >= 0 for before, after in cuts)
    settings = {"groups": call.get("group", 1), "output_padding": extra, **moving}
    y: Tensor = function(x, w, b, padding=[before for before, _ in cuts] if even else 0, **settings)
    return y if even else padded(y, {axis: (-before, -after) for axis, (before, after) in enumerate(cuts, 2)})


def _cuts(call: Call, x: Tensor, full: Sequence[int], steps: Sequence[int]) -> list[tuple[int, int]]:
    """Return what is cut off before and after each axis of a transposed convolution."""
    rank, auto, sizes = len(full), call.get("auto_pad", "NOTSET"), call.get("output_shape")
    if sizes is None and auto in {"NOTSET", "VALID"}:
        pads = call.get("pads", [0] * 2 * rank) if auto == "NOTSET" else [0] * 2 * rank
        return list(zip(pads[:rank], pads[rank:], strict=True))
    sizes = [size * step for size, step in zip(x.shape[2:], steps, strict=True)] if sizes is None else sizes[-rank:]
    totals = [whole - size for whole, size in zip(full, sizes, strict=True)]
    pairs = [(total // 2, total - total // 2) for total in totals]
    return pairs if auto == "SAME_UPPER" else [(after, before) for before, after in pairs]


def _windows(call: Call, x: Tensor) -> tuple[list[int], list[int], dict[int, tuple[int, int]]]:
    """Return the kernel of a pooling, its own padding, and what must be padded before it, by axis."""
    kernel = call.get("kernel_shape")
    pairs = _pads(call, x, kernel)
    own = all(before == after <= each // 2 for (before, after), each in zip(pairs, kernel, strict=True))
    before = {} if own else {axis + 2: pair for axis, pair in enumerate(pairs)}
    return kernel, [first if own else 0 for first, _ in pairs], before


def _max_pool(call: Call, x: Tensor) -> Tensor:
    kernel, padding, before = _windows(call, x)
    function, moving = _of(_MAX_POOL, call, len(kernel)), _moving(call, len(kernel))
    x = padded(x, before, value=float("-inf"))
    y: Tensor = function(x, kernel, padding=padding, ceil_mode=bool(call.get("ceil_mode", 0)), **moving)
    return y


def _average_pool(call: Call, x: Tensor) -> Tensor:
    kernel, padding, before = _windows(call, x)
    function, counted = _of(_AVERAGE_POOL, call, len(kernel)), bool(call.get("count_include_pad", 0))
    if any(each != 1 for each in call.get("dilations", [1])):
        raise call.refuse(f"dilations {call.get('dilations')}; expected 1, {ADOPT}")
    strides, ceil = call.get("strides", [1] * len(kernel)), bool(call.get("ceil_mode", 0))
    y: Tensor = function(padded(x, before), kernel, strides, padding, ceil, counted)
    if before and not counted:  # the share of each window that is no padding
        y = y / function(padded(torch.ones_like(x), before), kernel, strides, padding, ceil, counted)
    return y


def _axes(x: Tensor) -> list[int]:
    return list(range(2, x.dim()))


PRODUCTS: Mapping[str, Operation] = {
    "Gemm": Operation(_gemm),
    "MatMul": Operation(_matmul),
    "Einsum": Operation(_einsum),
    "Conv": Operation(_conv),
    "ConvTranspose": Operation(_conv_transpose),
    "MaxPool": Operation(_max_pool),
    "AveragePool": Operation(_average_pool),
    "GlobalAveragePool": Operation(lambda _, x: x.mean(_axes(x), keepdim=True)),
    "GlobalMaxPool": Operation(lambda _, x: x.amax(_axes(x), keepdim=True)),
}
"""Operator -> what it computes."""
