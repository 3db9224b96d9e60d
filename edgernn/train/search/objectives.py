"""The objectives and limits of a search, with the predicted cost of an untrained network."""

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
    """The cost of one step on a board.

    Attributes:
        latency_us: the prediction of `edgernn.latency.estimate.estimate`; None if the profile of the board is
            incomplete.
        flash_kib: the size of the weights.
        ram_kib: the size of state and scratch memory.
        unknown: why the latency is unknown; "" otherwise.
    """

    latency_us: float | None
    flash_kib: float
    ram_kib: float
    unknown: str = ""


@dataclass(frozen=True)
class Limits:
    """Upper limits of the cost of a step; None for no limit."""

    latency_us: float | None = None
    flash_kib: float | None = None
    ram_kib: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            limit = getattr(self, each.name)
            if limit is not None and not limit > 0:
                raise UsageError(f"the limit {each.name} is {limit}; expected more than 0")

    def excess(self, figures: Figures) -> dict[str, float]:
        """The relative excess over each limit; at most 0 within the limit."""
        excess = {}
        for each in fields(self):
            limit, figure = getattr(self, each.name), getattr(figures, each.name)
            if limit is not None:
                excess[each.name] = figure / limit - 1
        return excess


@dataclass(frozen=True)
class Objective:
    """A cost to minimize, or the metric of the recipe.

    Attributes:
        unit: the unit of its values.
        figure: its value for an untrained network; None for the metric of a trained network.
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
"""The objectives. "accuracy" is the metric of the recipe's data; see evaluate.metrics.METRICS."""


def check(names: Sequence[str]) -> None:
    """Check the names of objectives.

    Raises:
        UsageError: There is no name, a name does not exist, or a name occurs twice.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise UsageError(f"there is no objective '{name}'; {misspelt(name, OBJECTIVES)}")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"got the objectives '{','.join(names)}'; expected at least one, and each once")


def figures(estimate: Estimate) -> Figures:
    """The figures of an estimate."""
    cost = estimate.cost
    ram = (cost.state_bytes + cost.scratch_bytes) / KIB
    return Figures(estimate.step_us, cost.weight_bytes / KIB, ram, estimate.unknown)


def check_known(figures: Figures, names: Sequence[str], limits: Limits) -> None:
    """Check that the figures are known for all objectives and limits.

    Raises:
        UnsupportedError: The latency is required, and the profile of the board is incomplete; with the missing figure.
    """
    if figures.unknown and ("latency" in names or limits.latency_us is not None):
        raise UnsupportedError(
            f"the latency cannot be predicted: {figures.unknown}; add the figure to the board's profile, choose "
            "another board, or search without latency"
        )


def metric(kind: str, metrics: Mapping[str, float]) -> float:
    """The single metric of a trained network; for several forecast horizons, the mean of their errors."""
    name = METRICS[kind][0]
    values = [value for key, value in metrics.items() if key.split()[0] == name]
    return sum(values) / len(values)


def directions(names: Sequence[str], kind: str) -> dict[str, Direction]:
    """The direction of each objective by its name; the metric has its own name."""
    metric_of, direction = METRICS[kind]
    return dict((metric_of, direction) if name == METRIC else (name, "minimize") for name in names)


def value(name: str, figures: Figures, score: float) -> float:
    """The value of an objective for a trained network whose metric is `score`."""
    figure = OBJECTIVES[name].figure
    result = score if figure is None else figure(figures)
    assert result is not None  # `check_known` ensures it
    return result
