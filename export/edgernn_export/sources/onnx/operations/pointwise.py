"""Operators on single elements: arithmetic, activations, comparisons and casts."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.onnx.call import Call

_SELU = 1.67326319217681884765625, 1.05070102214813232421875
"""alpha and gamma of Selu by default."""

_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}
_HALVES = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
_WHOLE = {
    onnx.TensorProto.INT64: torch.int64,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT16: torch.int16,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.BOOL: torch.bool,
}
"""Types of ONNX -> dtypes of torch."""


def _plain(function: Callable[..., Any]) -> Operation:
    """Return an operator without attributes."""
    return Operation(lambda _, *operands: function(*operands))


def _many(function: Callable[..., Any]) -> Operation:
    """Return an operator of any number of operands, applied from the left."""
    return Operation(lambda _, *operands: reduce(function, operands))


def _divide(_: Call, x: Tensor, y: Tensor) -> Tensor:
    whole = not (x.is_floating_point() or y.is_floating_point())
    return torch.div(x, y, rounding_mode="trunc") if whole else x / y


def _mean(_: Call, *operands: Tensor) -> Tensor:
    total: Tensor = reduce(torch.add, operands)
    return total / len(operands)


def _modulo(call: Call, x: Tensor, y: Tensor) -> Tensor:
    return torch.fmod(x, y) if call.get("fmod", 0) else torch.remainder(x, y)


def _elu(call: Call, x: Tensor) -> Tensor:
    return F.elu(x, call.get("alpha", 1.0))


def _selu(call: Call, x: Tensor) -> Tensor:
    alpha, gamma = call.get("alpha", _SELU[0]), call.get("gamma", _SELU[1])
    y: Tensor = F.elu(x, alpha) * gamma
    return y


def _leaky_relu(call: Call, x: Tensor) -> Tensor:
    return F.leaky_relu(x, call.get("alpha", 0.01))


def _hard_sigmoid(call: Call, x: Tensor) -> Tensor:
    return torch.clamp(x * call.get("alpha", 0.2) + call.get("beta", 0.5), 0.0, 1.0)


def _hard_swish(_: Call, x: Tensor) -> Tensor:
    return x * torch.clamp(x / 6 + 0.5, 0.0, 1.0)


def _thresholded_relu(call: Call, x: Tensor) -> Tensor:
    alpha = call.get("alpha", 1.0)
    return F.threshold(x, alpha, 0.0)


def _prelu(_: Call, x: Tensor, slope: Tensor) -> Tensor:
    return torch.relu(x) - slope * torch.relu(-x)


def _gelu(call: Call, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=call.get("approximate", "none"))


def _swish(call: Call, x: Tensor) -> Tensor:
    alpha = call.get("alpha", 1.0)
    return F.silu(x) if alpha == 1.0 else x * torch.sigmoid(x * alpha)


def _shrink(call: Call, x: Tensor) -> Tensor:
    bias, lambd = call.get("bias", 0.0), call.get("lambd", 0.5)
    if bias == lambd:
        return F.softshrink(x, lambd)
    if bias == 0.0:
        return F.hardshrink(x, lambd)
    raise call.refuse(f"bias is {bias:g} and lambd {lambd:g}; expected bias 0, or equal to lambd, {ADOPT}")


@static(1, 2)
def _clip(call: Call, x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    low = call.get("min") if low is None else low
    high = call.get("max") if high is None else high
    return x if low is None and high is None else torch.clamp(x, low, high)


def _cast(call: Call, x: Tensor) -> Tensor:
    kind = call.get("to")
    if kind in _FLOATS:
        return x if x.is_floating_point() else x.to(torch.get_default_dtype())
    if kind in _HALVES:
        raise call.refuse(f"it rounds to 16 bits; export the model in float32, {ADOPT}")
    if kind not in _WHOLE:
        raise call.refuse(f"it casts to type {kind}, which is not supported; cast to float, {ADOPT}")
    return x.to(_WHOLE[kind])


POINTWISE: Mapping[str, Operation] = {
    "Abs": _plain(torch.abs),
    "Neg": _plain(torch.neg),
    "Sign": _plain(torch.sign),
    "Reciprocal": _plain(torch.reciprocal),
    "Exp": _plain(torch.exp),
    "Log": _plain(torch.log),
    "Sqrt": _plain(torch.sqrt),
    "Erf": _plain(torch.erf),
    "Sin": _plain(torch.sin),
    "Cos": _plain(torch.cos),
    "Atan": _plain(torch.atan),
    "Floor": _plain(torch.floor),
    "Ceil": _plain(torch.ceil),
    "Round": _plain(torch.round),
    "Relu": _plain(torch.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "Tanh": _plain(torch.tanh),
    "Softsign": _plain(F.softsign),
    "Softplus": _plain(F.softplus),
    "Mish": _plain(F.mish),
    "HardSwish": Operation(_hard_swish),
    "HardSigmoid": Operation(_hard_sigmoid),
    "Elu": Operation(_elu),
    "Selu": Operation(_selu),
    "Celu": Operation(lambda call, x: F.celu(x, call.get("alpha", 1.0))),
    "LeakyRelu": Operation(_leaky_relu),
    "ThresholdedRelu": Operation(_thresholded_relu),
    "PRelu": Operation(_prelu),
    "Gelu": Operation(_gelu),
    "Swish": Operation(_swish),
    "Shrink": Operation(_shrink),
    "Clip": _clip,
    "Add": _plain(torch.add),
    "Sub": _plain(torch.sub),
    "Mul": _plain(torch.mul),
    "Div": Operation(_divide),
    "Pow": _plain(torch.pow),
    "Mod": Operation(_modulo),
    "Max": _many(torch.maximum),
    "Min": _many(torch.minimum),
    "Sum": _many(torch.add),
    "Mean": Operation(_mean),
    "Equal": _plain(torch.eq),
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "Less": _plain(torch.lt),
    "LessOrEqual": _plain(torch.le),
    "And": _plain(torch.logical_and),
    "Or": _plain(torch.logical_or),
    "Xor": _plain(torch.logical_xor),
    "Not": _plain(torch.logical_not),
    "Where": _plain(torch.where),
    "Cast": Operation(_cast),
    "Identity": _plain(lambda x: x),
}
"""Operator -> what it computes."""
