"""Initial weights of a cell, drawn from torch's random generator."""

from collections.abc import Callable

import numpy as np
import torch

from edgernn.model.tensor import Tensor

Draw = Callable[..., Tensor]
"""Draws a weight of a shape; with value=, all elements have that value."""


def uniform(fan_in: int) -> Draw:
    """Initial weights with the distribution of torch's layers: uniform up to 1 / sqrt(fan_in), either sign.

    Args:
        fan_in: the number of inputs of a unit; the number of units, for a recurrent layer.
    """

    def draw(*shape: int, value: float | None = None) -> Tensor:
        if value is not None:
            return Tensor(np.full(shape, value, np.float32))
        return Tensor(((torch.rand(shape) * 2 - 1) / fan_in**0.5).numpy())

    return draw
