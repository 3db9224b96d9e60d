"""What a search is after, and what it must keep to: the figures of a network that is not trained yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal, TypeAlias

from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.latency.estimate import KIB, Estimate
from edgernn.train.evaluate.metrics import METRICS

Direction: TypeAlias = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Figures:
    """What one step takes on a board.

    Attributes:
        latency_us: as `edgernn.latency.estimate.estimate` predicts it; None when the board's profile does not know
            enough.
        flash_kib: of weights.
        ram_kib: of state and scratch.
        unknown: why there is no latency; "" when there is one.
    """

    latency_us: float | None
    flash_kib: float
    ram_kib: float
    unknown: str = ""


@dataclass(frozen=True)
class Limits:
    """The most that a step may take; None for any."""

    latency_us: float | None = None
    flash_kib: float | None = None
    ram_kib: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            limit = getattr(self, each.name)
            if limit is not None and not limit > 0:
                raise UsageError(f"the limit {each.name} is {limit}; expected more than 0")

    def excess(self, figures: Figures) -> dict[str, float]:
        """By which part of it each limit is passed; at most 0 where it is kept."""
        found = {}
        for each in fields(self):
            limit, figure = getattr(self, each.name), getattr(figures, each.name)
            if limit is not None:
                found[each.name] = figure / limit - 1
        return found


@dataclass(frozen=True)
class Objective:
    """A figure to make small, or the metric of the recipe.

    Attributes:
        unit: of its values.
        figure: what it is of an untrained network; None for the metric, which only a trained one has.
    """

    unit: str
    figure: Callable[[Figures], float | None] | None = None


METRIC = "accuracy"
OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        METRIC: Objective(""),
        "latency": Objective("us", lambda figures: figures.latency_us),
        "flash": Objective("KiB", lambda figures: figures.flash_kib),
        "ram": Objective("KiB", lambda figures: figures.ram_kib),
    }
)
"""What can be asked for. "accuracy" is whatever the recipe's data are judged by; see judge.METRICS."""


def check(names: Sequence[str]) -> None:
    """Whether these are objectives.

    Raises:
        UsageError: none, one that there is not, or one twice.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise UsageError(f"there is no objective '{name}'; {misspelt(name, OBJECTIVES)}")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"the objectives '{','.join(names)}' arrived; expected at least one, and each once")


def figures(estimate: Estimate) -> Figures:
    """What counts of an estimate."""
    cost = estimate.cost
    ram = (cost.state_bytes + cost.scratch_bytes) / KIB
    return Figures(estimate.step_us, cost.weight_bytes / KIB, ram, estimate.unknown)


def known(found: Figures, names: Sequence[str], limits: Limits) -> None:
    """Whether the figures hold all that is asked.

    Raises:
        UnsupportedError: the latency is asked for and the board's profile does not know enough; what, is said.
    """
    if found.unknown and ("latency" in names or limits.latency_us is not None):
        raise UnsupportedError(
            f"no latency can be predicted: {found.unknown}; add the figure to the board's profile, choose another "
            "board, or search without latency"
        )


def metric(kind: str, metrics: Mapping[str, float]) -> float:
    """The one figure that a trained network is judged by; of several steps ahead, the mean of their errors."""
    name = METRICS[kind][0]
    each = [value for key, value in metrics.items() if key.split()[0] == name]
    return sum(each) / len(each)


def ways(names: Sequence[str], kind: str) -> dict[str, Direction]:
    """Which way is better, for each objective by its own name: that of the metric, where it is asked for."""
    metric_of, way = METRICS[kind]
    return dict((metric_of, way) if name == METRIC else (name, "minimize") for name in names)


def value(name: str, found: Figures, score: float) -> float:
    """One objective of a trained network whose metric is `score`."""
    figure = OBJECTIVES[name].figure
    reached = score if figure is None else figure(found)
    assert reached is not None  # `known` has seen to it
    return reached
