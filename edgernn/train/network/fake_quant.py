"""FakeOps: the words on torch tensors that are rounded as the quantized graph rounds them, so that it can be trained.

The gradient passes a rounding as if it were not there ("straight through", Y. Bengio et al., arXiv:1308.3432), but what
is beyond a grid's ends has none. The numbers differ from those of the integers only where a sum or a half falls the
other way in float32, by one step of a grid.
"""

from collections.abc import Mapping
from typing import Any

import torch

from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.interpreters.numpy import SILENCE
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC
from edgernn.train.network.torch_ops import TorchOps


class FakeOps:
    """Each word on tensors of shape (..., width), with gradients.

    A word that computes with integers in the plan is given values on their grids and makes one on its own; the input of
    an affine whose weights are dynamic int8 is rounded by its own largest element. `said` must be told of each word
    before it is said, and states must be on their grids already.

    Args:
        plan: of the quantized graph, whose trace is replayed.
        weights: the `id` of a Tensor in that trace -> what stands for it, rounded already.
    """

    def __init__(self, plan: IntegerPlan, weights: Mapping[int, torch.Tensor]) -> None:
        self.plan = plan
        self._ops = TorchOps(weights)
        self._rounded = plan.integer_values | {state.before.name for state in plan.trace.states}
        self._word: Op

    def said(self, op: Op) -> None:
        """The word that comes next."""
        self._word = op

    def _say(self, *args: Any) -> Any:
        op = self._word
        given = [self._given(arg, value) for arg, value in zip(op.args, args, strict=True)]
        made = getattr(self._ops, op.name)(*given)
        if op.name == "split" or not self.plan.is_integer(op):  # the parts lie on the grid of the whole
            return made
        return rounded(made, self.plan.quantization[op.outputs[0].name])

    affine = add = subtract = multiply = scale = sigmoid = tanh = relu = softmax = log = _say
    split = concat = lookup = normalize = _say

    def _given(self, arg: Any, value: Any) -> Any:
        op = self._word
        if not isinstance(arg, Ref):
            return value
        if op.name == "affine" and op.args[0].scheme == DYNAMIC:
            return rounded_alone(value)
        if not self.plan.is_integer(op) or arg.name in self._rounded or arg.name not in self.plan.quantization:
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
