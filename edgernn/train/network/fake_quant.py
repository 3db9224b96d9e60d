"""FakeOps: the words on torch tensors that are rounded as the quantized graph rounds them, so that it can be trained.

The gradient passes a rounding as if it were not there ("straight through", Y. Bengio et al., arXiv:1308.3432), but what
is beyond a grid's ends has none. The numbers differ from those of the integers only where a sum or a half falls the
other way in float32, by one step of a grid.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.interpreters.numpy import SILENCE
from edgernn.model.record import Op, Ref
from edgernn.model.tensor import DYNAMIC
from edgernn.train.network.torch_ops import TorchOps


class FakeOps:
    """The operations on tensors of shape (..., width), with gradients.

    Where the plan has integers, the inputs and the result of an operation are rounded to their quantization parameters.
    The input of an affine with dynamic int8 weights is rounded by its own largest element. States must arrive rounded.

    Args:
        plan: of the quantized graph, whose trace is replayed.
        weights: the `id` of a Tensor in that trace -> what stands for it, rounded already.
    """

    def __init__(self, plan: IntegerPlan, weights: Mapping[int, torch.Tensor]) -> None:
        self.plan = plan
        self._ops = TorchOps(weights)
        self._rounded = plan.whole | {state.before.name for state in plan.trace.states}

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Apply one operation to rounded values, and round its result."""
        result = self._ops.apply(op, [self._argument(op, *pair) for pair in zip(op.args, args, strict=True)])
        if op.name == "split" or not self.plan.integer(op):  # the parts have the quantization parameters of the whole
            return result
        return rounded(result, self.plan.quantization[op.outputs[0].name])

    def _argument(self, op: Op, arg: Any, value: Any) -> Any:
        """The value of an argument, rounded where the operation reads integers."""
        if not isinstance(arg, Ref):
            return value
        if op.name == "affine" and op.args[0].scheme == DYNAMIC:
            return rounded_alone(value)
        if not self.plan.integer(op) or arg.name in self._rounded or arg.name not in self.plan.quantization:
            return value
        return rounded(value, self.plan.quantization[arg.name])


class Straight(torch.autograd.Function):
    """What stands for a value, with the gradient of the value itself."""

    @staticmethod
    def forward(_context: Any, _value: torch.Tensor, stands: torch.Tensor) -> torch.Tensor:
        return stands

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


def straight(value: torch.Tensor, stands: torch.Tensor) -> torch.Tensor:
    """The numbers of `stands`, of the same shape, with the gradient of `value`."""
    made: torch.Tensor = Straight.apply(value, stands)  # type: ignore[no-untyped-call]
    return made


def rounded(x: torch.Tensor, grid: QuantizationParameters) -> torch.Tensor:
    """The nearest numbers on a grid, in float32; no gradient where x is beyond its ends."""
    return torch.fake_quantize_per_tensor_affine(x.float(), grid.scale, grid.zero, grid.low, grid.high)


def rounded_alone(x: torch.Tensor) -> torch.Tensor:
    """Each vector on the last axis in 127 steps to either side, as readings.numpy.quantize_dynamic rounds it."""
    with torch.no_grad():
        most = x.float().abs().amax(-1, keepdim=True)
        most = torch.where(most > float(SILENCE), most, 0.0)
        whole = torch.round(x.float() * torch.where(most > 0, 127 / most, 0.0))
        stands = whole * (most / 127)
    return straight(x, stands)
