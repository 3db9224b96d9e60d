"""How a search chooses its settings: the methods, and the setting of each trial by its number alone."""

from collections.abc import Callable, Mapping
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
from optuna import Trial
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.train.space import Choices, Space

GRID = "grid"

METHODS: Mapping[str, Callable[[int], BaseSampler]] = MappingProxyType(
    {
        GRID: RandomSampler,  # never asked: the points of a grid are given
        "random": RandomSampler,
        "tpe": lambda seed: TPESampler(seed=seed, constant_liar=True),  # others may be at work
    }
)
"""Method -> what draws for a seed. TPE is the tree-structured Parzen estimator of Bergstra et al. (2011)."""


def check(method: str, space: Space) -> None:
    """Whether the method can search the space.

    Raises:
        UsageError: there is no such method, nothing to search, or a grid over a range.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}'; {misspelt(method, METHODS)}")
    if not space:
        raise UsageError(
            "the recipe has no section [search]; add one, or say what to search: --space model.hidden=16,32,64"
        )
    ranges = [place for place, domain in space.items() if not isinstance(domain, Choices)]
    if method == GRID and ranges:
        raise UsageError(
            f"a grid has no points in the range of '{ranges[0]}'; list its values, as --space {ranges[0]}=..., or take "
            "the method random or tpe"
        )


def grid(space: Space, seed: int) -> list[dict[str, Any]]:
    """Every combination of the choices once, in an order of this seed."""
    choices = [domain.values for domain in space.values() if isinstance(domain, Choices)]
    points = [dict(zip(space, values, strict=True)) for values in product(*choices)]
    return [points[i] for i in np.random.default_rng(seed).permutation(len(points))]


def sampler(method: str, seed: int, number: int) -> BaseSampler:
    """What draws the settings of the trial of this number, in whichever process, and however often it is begun."""
    return METHODS[method](int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def draw(trial: Trial, space: Space) -> dict[str, Any]:
    """The settings of a trial, by "section.key"."""
    found: dict[str, Any] = {}
    for place, domain in space.items():
        if isinstance(domain, Choices):
            found[place] = trial.suggest_categorical(place, domain.values)
        elif domain.whole:
            found[place] = trial.suggest_int(
                place, int(domain.low), int(domain.high), step=int(domain.step) or 1, log=domain.log
            )
        else:
            found[place] = trial.suggest_float(place, domain.low, domain.high, step=domain.step or None, log=domain.log)
    return found
