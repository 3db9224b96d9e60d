"""Repeats: a layer that steps several times within one step of the graph, once for each part or frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Repeats:
    """The places of the steps of one layer among its values.

    Attributes:
        first: the number of the first value of the first step.
        period: how many values a step computes.
        times: how many steps there are.
    """

    first: int
    period: int
    times: int

    def roles(self, layer: str) -> dict[str, tuple[str, int]]:
        """Return the role of each value of a step: the value of the first step in its place, and the step."""
        return {
            f"{layer}/{self.first + turn * self.period + k}": (f"{layer}/{self.first + k}", turn)
            for turn in range(self.times)
            for k in range(self.period)
        }


def repeats(starts: Sequence[int]) -> Repeats | None:
    """Return the repeats of steps that begin at these numbers of values; None where they are not alike."""
    periods = {after - before for before, after in pairwise(starts)}
    if len(periods) != 1:
        return None
    (period,) = periods
    return Repeats(starts[0], period, len(starts))


def roles(layers: Mapping[str, Repeats | None]) -> dict[str, tuple[str, int]]:
    """Return the role of each value in the repeats of layers, by the name of the value."""
    return {
        value: role
        for layer, repeated in layers.items()
        if repeated is not None
        for value, role in repeated.roles(layer).items()
    }
