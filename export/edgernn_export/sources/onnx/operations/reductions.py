"""Operators over whole axes: reductions, softmax, normalizations and cumulative sums."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.onnx.call import Call


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operation:
    """Return an operator that reduces axes, which are an attribute or, in newer operator sets, an operand."""

    def reduced(call: Call, x: Tensor, axes: Any = None) -> Tensor:
        axes = call.get("axes") if axes is None else axes
        if not axes and call.get("noop_with_empty_axes", 0):
            return x
        return function(x, [axis % x.dim() for axis in axes or range(x.dim())], bool(call.get("keepdims", 1)))

    return static(1)(reduced)


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _extreme(function: Callable[..., Tensor]) -> Operation:
    def found(call: Call, x: Tensor) -> Tensor:
        if call.get("select_last_index", 0):
            raise call.refuse(f"select_last_index is 1; expected 0, {ADOPT}")
        return function(x, call.get("axis", 0), keepdim=bool(call.get("keepdims", 1)))

    return Operation(found)


def _softmax(function: Callable[..., Tensor]) -> Operation:
    """Return softmax: before operator set 13 over all axes from `axis` on, then over that axis."""

    def computed(call: Call, x: Tensor) -> Tensor:
        if call.opset >= 13:
            return function(x, call.get("axis", -1))
        axis = call.get("axis", 1) % x.dim()
        if prod(x.shape[axis:]) == x.shape[axis]:
            return function(x, axis)
        return function(x.flatten(axis), -1).reshape(x.shape)

    return Operation(computed)


def _layer_norm(call: Call, x: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[call.get("axis", -1) % x.dim() :]
    weight, shift = (None if each is None else each.expand(shape) for each in (scale, bias))
    return F.layer_norm(x, list(shape), weight, shift, call.get("epsilon", 1e-5))


def _rms_norm(call: Call, x: Tensor, scale: Tensor) -> Tensor:
    shape = x.shape[call.get("axis", -1) % x.dim() :]
    return F.rms_norm(x, list(shape), scale.expand(shape), call.get("epsilon", 1e-5))


def _batch_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    if call.get("training_mode", 0) or call.get("spatial", 1) != 1:
        raise call.refuse("it is in training mode; export the model in evaluation mode: model.eval()")
    return F.batch_norm(x, mean, var, scale, bias, False, 0.0, call.get("epsilon", 1e-5))


def _instance_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=call.get("epsilon", 1e-5))


def _group_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = call.get("num_groups")
    if call.opset < 21:  # a scale for each group; since then, for each channel
        scale, bias = (each.repeat_interleave(x.shape[1] // groups) for each in (scale, bias))
    return F.group_norm(x, groups, scale, bias, call.get("epsilon", 1e-5))


def _lp_norm(call: Call, x: Tensor) -> Tensor:
    axis, p = call.get("axis", -1), call.get("p", 2)
    size = x.abs().sum(axis, keepdim=True) if p == 1 else (x * x).sum(axis, keepdim=True).sqrt()
    return x / torch.clamp(size, min=1e-30)  # zeros stay zeros


@static(1)
def _cumsum(call: Call, x: Tensor, axis: Any) -> Tensor:
    axis = axis[0] if isinstance(axis, list) else axis
    if call.get("exclusive", 0) or call.get("reverse", 0):
        raise call.refuse(f"exclusive or reverse is 1; expected 0, {ADOPT}")
    return x.cumsum(axis)


@static(1, 2)
def _dropout(call: Call, x: Tensor, _ratio: Any = None, training: Any = None) -> Any:
    if training:
        raise call.refuse("it is in training mode; export the model in evaluation mode: model.eval()")
    return (x, torch.ones_like(x, dtype=torch.bool)) if call.results > 1 else x


REDUCTIONS: Mapping[str, Operation] = {
    "ReduceSum": _reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMax": _reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "ReduceProd": _reduction(_product),
    "ReduceL1": _reduction(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduction(lambda x, axes, keep: (x * x).sum(axes, keepdim=keep).sqrt()),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: (x * x).sum(axes, keepdim=keep)),
    "ReduceLogSum": _reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep).log()),
    "ReduceLogSumExp": _reduction(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "Softmax": _softmax(F.softmax),
    "LogSoftmax": _softmax(F.log_softmax),
    "LayerNormalization": Operation(_layer_norm),
    "RMSNormalization": Operation(_rms_norm),
    "BatchNormalization": Operation(_batch_norm),
    "InstanceNormalization": Operation(_instance_norm),
    "GroupNormalization": Operation(_group_norm),
    "LpNormalization": Operation(_lp_norm),
    "CumSum": _cumsum,
    "Dropout": _dropout,
}
"""Operator -> what it computes."""
