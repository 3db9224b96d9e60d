"""Optimizers and learning rate schedules by their names in a recipe."""

from collections.abc import Callable, Iterable, Mapping
from math import cos, pi
from types import MappingProxyType

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

Make = Callable[[Iterable[nn.Parameter], float, float], Optimizer]

OPTIMIZERS: Mapping[str, Make] = MappingProxyType(
    {
        "adam": lambda weights, rate, decay: Adam(weights, rate, weight_decay=decay),
        "adamw": lambda weights, rate, decay: AdamW(weights, rate, weight_decay=decay),
        "rmsprop": lambda weights, rate, decay: RMSprop(weights, rate, weight_decay=decay),
        "sgd": lambda weights, rate, decay: SGD(weights, rate, momentum=0.9, nesterov=True, weight_decay=decay),
    }
)
"""Name -> an optimizer from weights, learning rate and weight decay; sgd has a momentum of 0.9."""

WARM_UP = 0.3  # the part of a one-cycle schedule in which the rate rises


def one_cycle(progress: float) -> float:
    """From 1/25 up to 1 and down to nearly 0, along cosines (L. Smith and N. Topin, arXiv:1708.07120)."""
    if progress < WARM_UP:
        return 0.04 + 0.96 * (1 - cos(pi * progress / WARM_UP)) / 2
    return max(1e-5, (1 + cos(pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2)


SCHEDULES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "constant": lambda _: 1.0,
        "step": lambda progress: 0.1 ** int(3 * min(progress, 0.999)),
        "cosine": lambda progress: max(1e-3, (1 + cos(pi * progress)) / 2),
        "one-cycle": one_cycle,
    }
)
"""Name -> the factor of the learning rate as a function of the completed part of the training, 0 to 1."""

PLATEAU = "plateau"  # the rate falls when the validation loss stops falling

GRADUAL = 0.5  # the part of a training in which weights are pruned; in the rest, the remaining weights recover


def cubic(progress: float) -> float:
    """The part of the final zeros at a completed part of the training: fast at first, then ever slower.

    M. Zhu and S. Gupta, "To prune, or not to prune" (arXiv:1710.01878), with an initial sparsity of 0.
    """
    return 1 - (1 - min(progress / GRADUAL, 1.0)) ** 3
