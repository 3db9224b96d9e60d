"""How the inputs of a random module are arranged: where time is, and whether there is an axis for a batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Layout:
    """An arrangement of an input.

    Attributes:
        line: of forward, which makes (1, time, features) or (1, features, time, bands) of it.
        back: the inverse.
        time: its axis of time; None for a frame without one.
    """

    line: str
    back: Callable[[torch.Tensor], torch.Tensor]
    time: int | None


SEQUENCE = {
    "as it is": Layout("", lambda x: x, 1),
    "channels first": Layout("{x} = {x}.transpose(1, 2)", lambda x: x.transpose(1, 2), 2),
    "time first": Layout("{x} = {x}.transpose(0, 1)", lambda x: x.transpose(0, 1), 0),
    "unbatched": Layout("{x} = {x}.unsqueeze(0)", lambda x: x[0], 0),
}
IMAGE = {
    "as it is": Layout("", lambda x: x, 2),
    "time last": Layout("{x} = {x}.transpose(2, 3)", lambda x: x.transpose(2, 3), 3),
    "time first": Layout("{x} = {x}.transpose(1, 2)", lambda x: x.transpose(1, 2), 1),
    "channels last": Layout("{x} = {x}.transpose(1, 3)", lambda x: x.transpose(1, 3), 2),
}
FLAT = {"flat": Layout("{x} = {x}.unsqueeze(1)", lambda x: x[:, 0], None)}
"""Of a step alone: (1, width), without an axis of time."""
