"""Operators that compute each element by itself, and the activations fused into others."""

from collections.abc import Callable, Mapping

import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor
from torch.nn import functional

from edgernn_export.sources.foreign.nodes import ADOPT, Operation
from edgernn_export.sources.tflite.call import Call

Kind = schema.ActivationFunctionType
FUSED: Mapping[int, Callable[[Tensor], Tensor]] = {
    Kind.NONE: lambda x: x,
    Kind.RELU: torch.relu,
    Kind.RELU_N1_TO_1: lambda x: x.clamp(-1, 1),
    Kind.RELU6: lambda x: x.clamp(0, 6),
    Kind.TANH: torch.tanh,
}
"""A fused activation -> its function."""


def activated(call: Call, y: Tensor) -> Tensor:
    """Return a result after the activation that the operator has."""
    kind = call.get("fusedActivationFunction", Kind.NONE)
    if kind not in FUSED:
        raise call.refuse(f"fused activation {kind} is not known; export it as an operator of its own, {ADOPT}")
    return FUSED[kind](y)


def _arithmetic(function: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return Operation(lambda call, a, b: activated(call, function(a, b)))


def _unary(function: Callable[[Tensor], Tensor]) -> Operation:
    return Operation(lambda _, x: function(x))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return Operation(lambda _, a, b: function(a, b))


def _gelu(call: Call, x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh" if call.get("approximate", False) else "none")


def _normalized(_: Call, x: Tensor) -> Tensor:
    """L2_NORMALIZATION: over the last axis; the norm is at least 1e-6."""
    return x / x.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-6)


def _cast(call: Call, x: Tensor) -> Tensor:
    if not x.is_floating_point() or call.get("outDataType", schema.TensorType.FLOAT32) != schema.TensorType.FLOAT32:
        raise call.refuse(f"it converts values that depend on data to another type; expected float32 in all, {ADOPT}")
    return x


def _dequantize(call: Call, x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise call.refuse(f"it reads integers that depend on data; export the model in float, {ADOPT}")
    return x


def _softmax(call: Call, x: Tensor) -> Tensor:
    beta = call.get("beta", 1.0)
    return torch.softmax(x if beta == 1 else x * beta, -1)


def _leaky(call: Call, x: Tensor) -> Tensor:
    return functional.leaky_relu(x, call.get("alpha", 0.0))


POINTWISE: Mapping[str, Operation] = {
    "ADD": _arithmetic(torch.add),
    "SUB": _arithmetic(torch.sub),
    "MUL": _arithmetic(torch.mul),
    "DIV": _arithmetic(torch.div),
    "MAXIMUM": _binary(torch.maximum),
    "MINIMUM": _binary(torch.minimum),
    "POW": _binary(torch.pow),
    "SQUARED_DIFFERENCE": _binary(lambda a, b: (a - b) * (a - b)),
    "ABS": _unary(torch.abs),
    "NEG": _unary(torch.neg),
    "EXP": _unary(torch.exp),
    "LOG": _unary(torch.log),
    "SQRT": _unary(torch.sqrt),
    "RSQRT": _unary(torch.rsqrt),
    "SQUARE": _unary(lambda x: x * x),
    "LOGISTIC": _unary(torch.sigmoid),
    "TANH": _unary(torch.tanh),
    "RELU": _unary(torch.relu),
    "RELU6": _unary(lambda x: x.clamp(0, 6)),
    "RELU_N1_TO_1": _unary(lambda x: x.clamp(-1, 1)),
    "RELU_0_TO_1": _unary(lambda x: x.clamp(0, 1)),
    "ELU": _unary(functional.elu),
    "HARD_SWISH": _unary(functional.hardswish),
    "GELU": Operation(_gelu),
    "LEAKY_RELU": Operation(_leaky),
    "PRELU": _binary(lambda x, alpha: torch.relu(x) - alpha * torch.relu(-x)),
    "SOFTMAX": Operation(_softmax),
    "LOG_SOFTMAX": _unary(lambda x: torch.log_softmax(x, -1)),
    "L2_NORMALIZATION": Operation(_normalized),
    "CAST": Operation(_cast),
    "DEQUANTIZE": Operation(_dequantize),
    "DENSIFY": Operation(_dequantize),
}
"""Operator -> what it computes."""
