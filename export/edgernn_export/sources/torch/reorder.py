"""Operations that take the elements of a frame in another order: flip, roll, and constant indices."""

from collections.abc import Callable
from typing import Any

import torch

from edgernn.cells import Gather
from edgernn_export.sources.torch.builder import Builder
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.value import Flowing, Value


def reorder(b: Builder, x: Flowing, *args: Any) -> Value:
    """Convert an operation on some axes of a frame: it is applied to the places of the elements."""
    value = frame(b, x)
    named = b.arguments.get("dims", b.arguments.get("dim"))
    axes = [named] if isinstance(named, int) else named or range(len(value.shape))
    if value.time in {axis % len(value.shape) for axis in axes}:
        raise b.refuse()
    target: Any = b.node.target
    return gathered(b, value, target(places(value), *args))


def indexed(b: Builder, x: Flowing, indices: Any) -> Value:
    """Convert x[..., [2, 0, 1]]: one list of constant places, on one axis."""
    value = frame(b, x)
    given = [(axis, each) for axis, each in enumerate(indices) if each is not None]
    if (
        len(given) != 1
        or not isinstance(given[0][1], torch.Tensor)
        or given[0][1].dim() != 1
        or given[0][0] == value.time
    ):
        raise b.refuse("it is indexed by something other than one list of constant places among the features")
    return gathered(b, value, places(value)[tuple(slice(None) if each is None else each for each in indices)])


def places(x: Value) -> torch.Tensor:
    """Return the place of each element in its frame, in the shape of a frame with a time axis of length 1."""
    return torch.arange(x.width).reshape([1 if i == x.time else length for i, length in enumerate(x.shape)])


def gathered(b: Builder, x: Value, index: torch.Tensor) -> Value:
    """Add a Gather of these elements of a frame, as this operation's result."""
    return b.then(Gather(x.width, tuple(index.flatten().tolist())), x)


REORDER: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("flip", "roll", "index_select", "repeat_interleave"), reorder),
    "index": indexed,
}
"""ATen operation -> a layer that moves the elements of a frame."""
