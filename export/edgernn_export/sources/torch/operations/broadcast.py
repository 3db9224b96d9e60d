"""Broadcasting: values and constants are repeated along the inner axes of a frame, as torch repeats them."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from edgernn.cells import Gather, Scale
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.layers.builder import Builder, weight
from edgernn_export.sources.torch.layers.value import Value
from edgernn_export.sources.torch.operations.windows import aligned

Shape = Sequence[int]

CHANGES = (
    "a constant changes over time, as a positional encoding does; a stream has no last position: add it to the input "
    "outside of the model, or learn without it"
)


def frame_shape(x: Value) -> list[int]:
    """Return the shape of a value with a time axis of length 1."""
    return [1 if i == x.time else length for i, length in enumerate(x.shape)]


def gathered(b: Builder, x: Value, index: torch.Tensor, shape: Shape) -> Value:
    """Add a Gather of the elements of a frame; its result has this shape."""
    return b.then(Gather(x.width, tuple(index.flatten().tolist())), x, shape=tuple(shape))


def spread(b: Builder, x: Value, shape: Shape) -> Value:
    """Repeat a value to a shape to which torch broadcasts it."""
    time = None if x.time is None else x.time + len(shape) - len(x.shape)
    lengths = [1 if i == time else length for i, length in enumerate(shape)]
    if prod(lengths) == x.width:
        return x.at(tuple(shape), time)
    index = torch.arange(x.width).reshape(frame_shape(x)).expand(lengths)
    return gathered(b, x, index, shape).at(tuple(shape), time)


def joined(b: Builder, cell: Any, x: Value, y: Value) -> Value:
    """Add a join of two values, each broadcast to the shape of the result."""
    x, y = aligned(b, x, y)
    shape = np.broadcast_shapes(x.shape, y.shape)
    if len({None if each.time is None else each.time - len(each.shape) for each in (x, y)}) > 1:
        raise b.refuse(f"its operands of shapes {x.shape} and {y.shape} have time on different axes; transpose one")
    return b.then(cell, spread(b, x, shape), spread(b, y, shape), shape=shape)


def scaled(b: Builder, x: Value, by: Any, plus: Any = 0.0) -> Value:
    """Add a Scale: by * x + plus. Both are numbers, or tensors that are the same at every step."""
    constants = [torch.as_tensor(each, dtype=torch.float64) for each in (by, plus)]
    if not all(torch.isfinite(each).all() for each in constants):
        raise b.refuse("a constant is not finite; was it divided by zero?")
    try:
        shape = np.broadcast_shapes(x.shape, *(each.shape for each in constants))
    except ValueError as error:
        shapes = " and ".join(str(tuple(each.shape)) for each in constants if each.dim())
        raise b.refuse(f"a constant has shape {shapes}, and the value {x.shape}") from error
    grown = [new for new, old in zip(shape[::-1], (*x.shape[::-1], *[1] * len(shape)), strict=False) if new != old]
    if x.time is None and not b.one_frame and b.frames in grown:
        raise b.refuse(CHANGES)
    x = spread(b, x, shape)
    return b.then(Scale(*(_elements(b, x, each) for each in constants)), x, shape=x.shape)


def _elements(b: Builder, x: Value, constant: torch.Tensor) -> Tensor:
    """Return a constant as one number per element of a frame."""
    whole = constant.expand(x.shape)
    if x.time is not None:
        one = whole.select(x.time, 0).unsqueeze(x.time)
        if not torch.equal(whole, one.expand(x.shape)):
            raise b.refuse(CHANGES)
        whole = one
    return weight(whole.flatten())
