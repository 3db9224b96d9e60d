"""Products with constants: einsum, matmul and bmm, read by what they do to each element of a frame."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgernn.cells import Concat, Dense, Slice
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.builder import Builder
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.tracing import double
from edgernn_export.sources.torch.value import Flowing, Value
from edgernn_export.sources.torch.weighted import linear

Matrix = NDArray[np.float64]

APART = 8192
"""The products with zeros that each block must save to be a layer of its own.

Below it the calls of LiteRT, 0.3 us for a block, cost more than the zeros (measured with 4 and 8 blocks, frames of 16
to 512). Compiled code leaves zeros out anyway.
"""


def einsum(b: Builder, equation: str, operands: Sequence[Any], path: Any = None) -> Value:
    """torch.einsum of one value of the stream and constants."""
    del path
    places = [i for i, operand in enumerate(operands) if isinstance(operand, Flowing)]
    if len(places) > 1:
        raise b.refuse()
    at = places[0]
    return product(b, operands[at], lambda t: torch.einsum(equation, [*operands[:at], t, *operands[at + 1 :]]))


def matmul(b: Builder, x: Any, y: Any) -> Value:
    """x @ y with a constant on either side."""
    if isinstance(x, Flowing) and isinstance(y, Flowing):
        raise b.refuse()
    if isinstance(x, torch.Tensor):
        return product(b, y, lambda t: torch.matmul(x, t))
    if y.dim() == 2:
        return linear(b, x, y.T)
    return product(b, x, lambda t: torch.matmul(t, y))


def product(b: Builder, x: Flowing, compute: Callable[[torch.Tensor], torch.Tensor]) -> Value:
    """What is linear in a value of the stream, as a dense layer, or one for each block of its matrix.

    The matrix is read off the answers to frames of one 1 and zeros, after it is seen that every frame's answer depends
    on that frame alone and in the same way at every step.
    """
    value = frame(b, x)
    with double():
        time = _time(b, value, compute)
        columns = [
            compute(_at_times(value, _ones(value.width, start, value.length)))
            for start in range(0, value.width, value.length)
        ]
    rows = [column.reshape(1, -1) if time is None else column.movedim(time, 0).flatten(1) for column in columns]
    matrix: Matrix = torch.cat(rows)[: value.width].T.numpy()
    return Value(_layer(b, value, matrix), b.shape, time, value.lead)


def _ones(width: int, start: int, steps: int) -> torch.Tensor:
    """Frames of a single 1, at `start` in the first, one further in each next one; zeros when there is no further."""
    frames = torch.zeros(steps, width)
    count = min(steps, width - start)
    frames[range(count), range(start, start + count)] = 1.0
    return frames


def _at_times(x: Value, frames: torch.Tensor) -> torch.Tensor:
    """Frames (time, width) in the shape of this value."""
    if x.time is None:
        return frames.reshape(x.shape)
    rest = [length for i, length in enumerate(x.shape) if i != x.time]
    return frames.reshape(len(frames), *rest).movedim(0, x.time).contiguous()


def _time(b: Builder, x: Value, compute: Callable[[torch.Tensor], torch.Tensor]) -> int | None:
    """The axis of the result on which time is, shown by one frame among zeros, at the first step and at the last."""
    if x.time is None:
        return None
    one = torch.randn(x.width, generator=torch.Generator().manual_seed(0))
    answers = {}
    for step in (0, x.length - 1):
        frames = torch.zeros(x.length, x.width)
        frames[step] = one
        answers[step] = compute(_at_times(x, frames))
    for axis, length in enumerate(b.shape):
        if length != x.length:
            continue
        parts = {step: answer.movedim(axis, 0) for step, answer in answers.items()}
        if all(torch.count_nonzero(part) == torch.count_nonzero(part[step]) for step, part in parts.items()):
            first, last = (part[step] for step, part in parts.items())
            if not torch.allclose(first, last, rtol=1e-12, atol=0):
                raise b.refuse("its constant changes over time, such as a positional encoding")
            return axis
    raise b.refuse("it mixes frames of different times, some of which have not arrived; use a recurrent layer")


def _layer(b: Builder, x: Value, matrix: Matrix) -> str:
    """A dense layer; or one for each block beside the diagonal's zeros, where the zeros cost more than the layers."""
    found = blocks(matrix)
    saved = matrix.size - sum(matrix[part].size for part in found)
    if saved < APART * len(found) or len(found) == 1:
        return b.add(Dense(Tensor(matrix)), [x])
    parts = []
    for rows, columns in found:
        part = x.of(b.add(Slice(x.width, columns.start, columns.stop), [x]))
        parts.append(x.of(b.add(Dense(Tensor(matrix[rows, columns])), [part])))
    return b.add(Concat(), parts)


def blocks(matrix: Matrix) -> list[tuple[slice, slice]]:
    """The rows and columns of the smallest blocks on the diagonal outside of which all is zero."""
    rows, inputs = matrix.shape
    used = [np.flatnonzero(row) for row in matrix]
    ends = np.maximum.accumulate([columns[-1] + 1 if len(columns) else 0 for columns in used])
    starts = np.minimum.accumulate([columns[0] if len(columns) else inputs for columns in used][::-1])[::-1]
    cuts = [(i, int(ends[i - 1])) for i in range(1, rows) if 0 < ends[i - 1] <= starts[i] and ends[i - 1] < inputs]
    cuts = [cut for i, cut in enumerate(cuts) if i == 0 or cut[1] > cuts[i - 1][1]]
    edges = [(0, 0), *cuts, (rows, inputs)]
    return [(slice(a, c), slice(b, d)) for (a, b), (c, d) in pairwise(edges)]


LINEAR: dict[str, Callable[..., Any]] = {"einsum": einsum, "matmul": matmul, "mm": matmul, "bmm": matmul, "mv": matmul}
"""ATen operation -> a dense layer with a constant matrix."""
