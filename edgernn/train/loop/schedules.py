"""Optimizers and learning rates by their names in a recipe."""

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
"""Name -> an optimizer for these weights, with this learning rate and weight decay; sgd has a momentum of 0.9."""

WARM_UP = 0.3  # the part of a one-cycle in which the rate rises


def one_cycle(progress: float) -> float:
    """From 1/25 up to 1 and down to nearly nothing (L. Smith and N. Topin, arXiv:1708.07120), along cosines."""
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
"""Name -> the factor of the learning rate, by how much of the training is done (0 to 1): nothing to save or resume."""

PLATEAU = "plateau"  # the rate falls when the validation loss no longer does

GRADUAL = 0.5  # the part of a training in which weights become zeros; in the rest, those that are left recover


def cubic(progress: float) -> float:
    """The share of its zeros that a network has, by how much of the training is done: fast at first, then ever slower.

    M. Zhu and S. Gupta, "To prune, or not to prune" (arXiv:1710.01878), from no zeros on.
    """
    return 1 - (1 - min(progress / GRADUAL, 1.0)) ** 3
