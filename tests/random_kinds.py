"""What random modules are made of: the shape of a value, a block as text, and the kinds of blocks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from random_timing import Timing, Window

SIDE, WIDEST = st.integers(1, 4), 24


@dataclass(frozen=True)
class Shape:
    """A value between blocks: a sequence (1, time, features), or with bands an image (1, features, time, bands)."""

    features: int
    bands: int = 0
    timing: Timing = field(default_factory=Timing, compare=False)

    @property
    def width(self) -> int:
        """The number of elements of a frame."""
        return self.features * max(1, self.bands)

    @property
    def time(self) -> int:
        """The axis of time."""
        return 2 if self.bands else 1

    def of_length(self, length: int) -> tuple[int, ...]:
        """The shape of the tensor."""
        return (1, self.features, length, self.bands) if self.bands else (1, length, self.features)

    def of_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """The tensor of frames (time, width)."""
        return frames.unflatten(1, (self.features, -1)).transpose(0, 1)[None] if self.bands else frames[None]

    def frames(self, tensor: torch.Tensor) -> np.ndarray:
        """The frames (time, width) of a tensor."""
        return (tensor.transpose(1, 2).flatten(2) if self.bands else tensor)[0].numpy()


@dataclass(frozen=True)
class Block:
    """Lines of forward that read {x} and make {y} with self.{me} and the states {h0}, {h1}.

    Attributes:
        lines: with the names above in braces.
        after: the shape of {y}.
        parts: what __init__ makes, by the suffix to {me}.
        states: the shape of each state.
        kind: its name in the table.
        window: of time, that {y} is made from.
        other: the earlier value that it joins.
    """

    lines: tuple[str, ...]
    after: Shape
    parts: Mapping[str, str] = field(default_factory=dict)
    states: tuple[tuple[int, ...], ...] = ()
    kind: str = ""
    window: Window = field(default_factory=Window)
    other: str = ""


@dataclass(frozen=True)
class Place:
    """Where a block stands: the value before it, those before that with as many positions, and whether it is a step."""

    x: Shape
    seen: Mapping[str, Shape]
    steps: bool


@dataclass(frozen=True)
class Kind:
    """A kind of block: where it may stand, and how one is drawn."""

    fits: Callable[[Place], bool]
    make: Callable[[Any, Place], Block]


def sequence(place: Place) -> bool:
    return not place.x.bands


def image(place: Place) -> bool:
    return bool(place.x.bands)


def over_time(fits: Callable[[Place], bool]) -> Callable[[Place], bool]:
    """In a module of whole sequences: the block keeps frames or states that are no arguments."""
    return lambda place: fits(place) and not place.steps


def one_step(fits: Callable[[Place], bool]) -> Callable[[Place], bool]:
    """In a module of one step: the block has states that are arguments."""
    return lambda place: fits(place) and place.steps


def factors(number: int) -> list[int]:
    return [i for i in range(2, number) if number % i == 0]


def span(size: int, stride: int, padding: tuple[int, int], dilation: int, length: int) -> int:
    return (length + sum(padding) - (size - 1) * dilation - 1) // stride + 1
