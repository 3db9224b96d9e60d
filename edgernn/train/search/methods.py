"""The search methods. The settings of a trial depend on its number and the seed."""

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
        GRID: RandomSampler,  # not used: the points of a grid are fixed
        "random": RandomSampler,
        "tpe": lambda seed: TPESampler(seed=seed, constant_liar=True),  # other workers may run trials
    }
)
"""Method -> a sampler from a seed. TPE is the tree-structured Parzen estimator of Bergstra et al. (2011)."""


def check(method: str, space: Space) -> None:
    """Check that the method can search the space.

    Raises:
        UsageError: The method does not exist, the space is empty, or a grid has a range.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}'; {misspelt(method, METHODS)}")
    if not space:
        raise UsageError(
            "the recipe has no section [search]; add one, or give a search space: --space model.hidden=16,32,64"
        )
    ranges = [setting for setting, domain in space.items() if not isinstance(domain, Choices)]
    if method == GRID and ranges:
        raise UsageError(
            f"a grid cannot search the range of '{ranges[0]}'; list its values with --space {ranges[0]}=..., or use "
            "the method random or tpe"
        )


def grid(space: Space, seed: int) -> list[dict[str, Any]]:
    """Every combination of the choices once, in random order."""
    choices = [domain.values for domain in space.values() if isinstance(domain, Choices)]
    points = [dict(zip(space, values, strict=True)) for values in product(*choices)]
    return [points[i] for i in np.random.default_rng(seed).permutation(len(points))]


def sampler(method: str, seed: int, number: int) -> BaseSampler:
    """The sampler of the trial with this number; the same in every process and for every attempt."""
    return METHODS[method](int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def draw(trial: Trial, space: Space) -> dict[str, Any]:
    """Draw the settings of a trial, by "section.key"."""
    settings: dict[str, Any] = {}
    for setting, domain in space.items():
        if isinstance(domain, Choices):
            settings[setting] = trial.suggest_categorical(setting, domain.values)
        elif domain.whole:
            settings[setting] = trial.suggest_int(
                setting, int(domain.low), int(domain.high), step=int(domain.step) or 1, log=domain.log
            )
        else:
            settings[setting] = trial.suggest_float(
                setting, domain.low, domain.high, step=domain.step or None, log=domain.log
            )
    return settings
