"""The operations on torch tensors, so that a cell is trained with the same formula that is exported."""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional as F

from edgernn.model.factored import Factored
from edgernn.model.positions import grouped, reshaped
from edgernn.model.replay import MethodInterpreter
from edgernn.model.tensor import Tensor


class TorchOps(MethodInterpreter):
    """The operations on tensors of shape (..., width), or (..., positions, width), with gradients.

    Args:
        weights: the `id` of a Tensor -> the parameter in its place. Other weights are constants.
    """

    def __init__(self, weights: Mapping[int, torch.Tensor]) -> None:
        self._weights = weights

    def affine(self, weight: Tensor | Factored, x: torch.Tensor, bias: Tensor | None = None) -> torch.Tensor:
        if isinstance(weight, Factored):
            return self.affine(weight.left, self.affine(weight.right, x), bias)
        return F.linear(x, self._of(weight, x), None if bias is None else self._of(bias, x))

    def add(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b

    def subtract(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a - b

    def multiply(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * b

    def scale(self, x: torch.Tensor, by: Tensor | float, plus: Tensor | float = 0.0) -> torch.Tensor:
        return x * self._factor(by, x) + self._factor(plus, x)

    def sigmoid(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)

    def tanh(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x)

    def relu(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x)

    def softmax(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, -1)

    def log(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(x)

    def exp(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x)

    def sqrt(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(x)

    def divide(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a / b

    def maximum(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.maximum(a, b)

    def split(self, x: torch.Tensor, sizes: int | Sequence[int]) -> tuple[torch.Tensor, ...]:
        return x.chunk(sizes, -1) if isinstance(sizes, int) else torch.split(x, list(sizes), -1)

    def concat(self, *xs: torch.Tensor) -> torch.Tensor:
        return torch.cat(xs, -1)

    def lookup(self, table: Tensor, index: torch.Tensor) -> torch.Tensor:
        return F.embedding(index[..., 0].long(), self._of(table))

    def normalize(self, x: torch.Tensor, gain: Tensor | None, bias: Tensor | None, eps: float) -> torch.Tensor:
        factors = [None if part is None else self._of(part, x) for part in (gain, bias)]
        return F.layer_norm(x, x.shape[-1:], factors[0], factors[1], eps)

    def reshape(self, x: torch.Tensor, before: int, after: int) -> torch.Tensor:
        y: torch.Tensor = reshaped(x, before, after)
        return y

    def gather(self, x: torch.Tensor, before: int, index: Sequence[int]) -> torch.Tensor:
        rows = x.unsqueeze(-2) if before == 1 else x
        full = torch.cat((rows, torch.zeros_like(rows[..., :1, :])), -2)
        y = full[..., [before if k < 0 else k for k in index], :]
        return y.squeeze(-2) if len(index) == 1 else y

    def sum(self, x: torch.Tensor, _before: int, size: int) -> torch.Tensor:
        return torch.stack(grouped(x, size)).sum(0) if size > 1 else x

    def largest(self, x: torch.Tensor, _before: int, size: int) -> torch.Tensor:
        return torch.stack(grouped(x, size)).amax(0) if size > 1 else x

    def hold(self, x: torch.Tensor, last: torch.Tensor, threshold: float) -> torch.Tensor:
        """The gradient passes to x, "straight through", as if every change were used."""
        moved = torch.where((x - last).abs() <= threshold, last, x)
        return x + (moved - x).detach()

    def rfft(self, x: torch.Tensor, size: int, window: Tensor | None = None) -> torch.Tensor:
        spectrum = torch.fft.rfft(x if window is None else x * self._of(window, x), size)
        return torch.cat((spectrum.real, spectrum.imag), -1)

    def irfft(self, x: torch.Tensor, size: int, window: Tensor | None = None) -> torch.Tensor:
        re, im = x.chunk(2, -1)
        inner = torch.ones_like(im)  # those of the ends have no effect
        inner[..., 0] = 0
        if size % 2 == 0:
            inner[..., -1] = 0
        y: torch.Tensor = torch.fft.irfft(torch.complex(re, im * inner), size)
        return y if window is None else y[..., : window.size] * self._of(window, x)

    def _of(self, tensor: Tensor, like: torch.Tensor | None = None) -> torch.Tensor:
        parameter = self._weights.get(id(tensor))
        if parameter is not None:
            return parameter
        dense = torch.from_numpy(tensor.dense().copy())
        return dense if like is None else dense.to(like)

    def _factor(self, factor: Tensor | float, x: torch.Tensor) -> torch.Tensor | float:
        return self._of(factor, x) if isinstance(factor, Tensor) else factor
