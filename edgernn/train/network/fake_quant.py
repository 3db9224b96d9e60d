"""Fake quantization: operations on torch tensors that are rounded as the quantized graph rounds them, for training.

The gradient passes through a rounding unchanged ("straight through", Y. Bengio et al., arXiv:1308.3432), and is zero
where the value saturates. Results differ from the integers' only where float32 rounds a sum or a half the other way, by
one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from edgernn.integer.dynamic import SILENCE
from edgernn.integer.plan import SAME_PARAMETERS, IntegerPlan, QuantizationParameters
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC
from edgernn.train.network.torch_ops import TorchOps


class FakeOps:
    """The operations on tensors of shape (..., width), with gradients.

    Where the plan has integers, the inputs and the result of an operation are rounded to their quantization parameters.
    The input of an affine with dynamic int8 weights is rounded by its own largest element. States must arrive rounded.

    Args:
        plan: of the quantized graph, whose trace is replayed.
        weights: the `id` of a Tensor in that trace -> the rounded tensor in its place.
    """

    def __init__(self, plan: IntegerPlan, weights: Mapping[int, torch.Tensor]) -> None:
        self.plan = plan
        self._ops = TorchOps(weights)
        self._rounded = plan.integer_values | {state.before.name for state in plan.trace.states}

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Apply one operation to rounded values, and round its result."""
        result = self._ops.apply(op, [self._argument(op, *pair) for pair in zip(op.args, args, strict=True)])
        if op.name in SAME_PARAMETERS or not self.plan.is_integer(op):
            return result
        return rounded(result, self.plan.quantization[op.outputs[0].name])

    def _argument(self, op: Op, arg: Any, value: Any) -> Any:
        """The value of an argument, rounded where the operation reads integers."""
        if not isinstance(arg, Ref):
            return value
        if op.name == "affine" and op.args[0].scheme == DYNAMIC:
            return rounded_alone(value)
        if not self.plan.is_integer(op) or arg.name in self._rounded or arg.name not in self.plan.quantization:
            return value
        return rounded(value, self.plan.quantization[arg.name])


class Straight(torch.autograd.Function):
    """A replacement for a value, with the gradient of the value."""

    @staticmethod
    def forward(_context: Any, _value: torch.Tensor, replacement: torch.Tensor) -> torch.Tensor:
        return replacement

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


def straight(value: torch.Tensor, replacement: torch.Tensor) -> torch.Tensor:
    """The numbers of `replacement`, of the same shape, with the gradient of `value`."""
    result: torch.Tensor = Straight.apply(value, replacement)  # type: ignore[no-untyped-call]
    return result


def rounded(x: torch.Tensor, qparams: QuantizationParameters) -> torch.Tensor:
    """x quantized and dequantized, in float32; the gradient is zero where it saturates."""
    return torch.fake_quantize_per_tensor_affine(x.float(), qparams.scale, qparams.zero, qparams.low, qparams.high)


def rounded_alone(x: torch.Tensor) -> torch.Tensor:
    """Each vector on the last axis rounded to int8, as edgernn.integer.dynamic.quantize_dynamic does."""
    with torch.no_grad():
        most = x.float().abs().amax(-1, keepdim=True)
        most = torch.where(most > float(SILENCE), most, 0.0)
        integers = torch.round(x.float() * torch.where(most > 0, 127 / most, 0.0))
        replacement = integers * (most / 127)
    return straight(x, replacement)
