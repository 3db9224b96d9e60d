"""Inputs that a call of several frames has once: a flag or a constant, as a value of each frame."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from edgernn_export.sources.torch.signature.inputs import has_steps

Tensors = Sequence[Tensor]

AFTER = (None, 0.0, 1.0)
"""What later frames get, beside a call of several frames: the same value again, or a flag that resets nothing."""


def calls(xs: Tensors, axis: int) -> Iterator[list[Tensor]]:
    """Yield the arguments of calls: as the example has them, and with ones for each that all frames share."""
    yield list(xs)
    if not all(has_steps(x, xs[0], axis) for x in xs):
        yield [x if has_steps(x, xs[0], axis) else torch.ones_like(x) for x in xs]


def frames(xs: Tensors, axis: int, after: float | None) -> Tensor:
    """Return the inputs of a call as frames (time, width), side by side."""
    steps = xs[0].shape[axis]
    return torch.cat([_frames(x, steps, axis, after) if i else _along(x, axis) for i, x in enumerate(xs)], 1)


def _frames(x: Tensor, steps: int, axis: int, after: float | None) -> Tensor:
    if x.dim() > axis and x.shape[axis] == steps:
        return _along(x, axis)
    every = x.reshape(1, -1).double().repeat(steps, 1)
    if after is not None:
        every[1:] = after
    return every


def _along(x: Tensor, axis: int) -> Tensor:
    return x.movedim(axis, 0).reshape(x.shape[axis], -1).double()
