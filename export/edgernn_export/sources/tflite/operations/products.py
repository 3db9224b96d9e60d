"""Matrix products, convolutions and pooling; images are (batch, height, width, channels)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor
from torch.nn import functional

from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.tflite.call import Call
from edgernn_export.sources.tflite.operations.pointwise import activated


def _fully_connected(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """x (..., inputs), w (outputs, inputs) -> (..., outputs); without keepNumDims, two axes."""
    if call.get("weightsFormat"):
        raise call.refuse(f"shuffled weights; expected those of the default format, {ADOPT}")
    x = x if call.get("keepNumDims", False) else x.reshape(-1, w.shape[1])
    return activated(call, functional.linear(x, w, b))


def _batch_matmul(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a = a.transpose(-1, -2) if call.get("adjX", False) else a
    b = b.transpose(-1, -2) if call.get("adjY", False) else b
    return torch.matmul(a, b)


def _padded(call: Call, x: Tensor, kernel: tuple[int, int], value: float = 0.0) -> Tensor:
    """Return planes (batch, channels, height, width) with the padding of the operator: SAME or VALID."""
    if call.get("padding") == schema.Padding.VALID:
        return x
    pads: list[int] = []
    for size, taps, stride, dilation in (
        (x.shape[3], kernel[1], call.get("strideW", 1), call.get("dilationWFactor", 1)),
        (x.shape[2], kernel[0], call.get("strideH", 1), call.get("dilationHFactor", 1)),
    ):
        reach = max(0, (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size)
        pads += [reach // 2, reach - reach // 2]
    return functional.pad(x, pads, value=value) if any(pads) else x


def _sizes(call: Call) -> dict[str, Any]:
    return {
        "stride": (call.get("strideH", 1), call.get("strideW", 1)),
        "dilation": (call.get("dilationHFactor", 1), call.get("dilationWFactor", 1)),
    }


def _conv(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Weight (outputs, height, width, inputs / groups)."""
    planes = _padded(call, x.permute(0, 3, 1, 2), (w.shape[1], w.shape[2]))
    groups = planes.shape[1] // w.shape[3]
    y = functional.conv2d(planes, w.permute(0, 3, 1, 2), b, **_sizes(call), groups=groups)
    return activated(call, y.permute(0, 2, 3, 1))


def _depthwise(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Weight (1, height, width, outputs): the outputs of one input follow each other."""
    planes = _padded(call, x.permute(0, 3, 1, 2), (w.shape[1], w.shape[2]))
    y = functional.conv2d(planes, w.permute(3, 0, 1, 2), b, **_sizes(call), groups=planes.shape[1])
    return activated(call, y.permute(0, 2, 3, 1))


def _pooled(function: Callable[..., Tensor], value: float) -> Operation:
    def pool(call: Call, x: Tensor) -> Tensor:
        kernel = (call.get("filterHeight", 1), call.get("filterWidth", 1))
        planes = x.permute(0, 3, 1, 2)
        padded = _padded(call, planes, kernel, value)
        if function is functional.avg_pool2d and padded.shape != planes.shape:
            raise call.refuse(f"an average over a padded image, whose divisor varies; expected VALID padding, {ADOPT}")
        y = function(padded, kernel, (call.get("strideH", 1), call.get("strideW", 1)))
        return activated(call, y.permute(0, 2, 3, 1))

    return Operation(pool)


def _transposed(call: Call, shape: Any, w: Tensor, x: Tensor, b: Tensor | None = None) -> Tensor:
    """TRANSPOSE_CONV: weight (outputs, height, width, inputs); what SAME padding cuts off, from the declared shape."""
    stride = (call.get("strideH", 1), call.get("strideW", 1))
    y = functional.conv_transpose2d(x.permute(0, 3, 1, 2), w.permute(3, 0, 1, 2), b, stride=stride)
    for axis, size in ((2, int(shape[1])), (3, int(shape[2]))):
        surplus = y.shape[axis] - size
        if surplus < 0:
            y = functional.pad(y, [0, -surplus] if axis == 3 else [0, 0, 0, -surplus])
        elif surplus:
            y = y.narrow(axis, surplus // 2 if call.get("padding") == schema.Padding.SAME else 0, size)
    return activated(call, y.permute(0, 2, 3, 1))


PRODUCTS: Mapping[str, Operation] = {
    "FULLY_CONNECTED": Operation(_fully_connected),
    "BATCH_MATMUL": Operation(_batch_matmul),
    "CONV_2D": Operation(_conv),
    "DEPTHWISE_CONV_2D": Operation(_depthwise),
    "TRANSPOSE_CONV": static(0)(_transposed),
    "AVERAGE_POOL_2D": _pooled(functional.avg_pool2d, 0.0),
    "MAX_POOL_2D": _pooled(functional.max_pool2d, float("-inf")),
}
"""Operator -> what it computes."""
