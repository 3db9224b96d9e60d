"""Products with constants: einsum, matmul and bmm become matrices, probed by unit vectors."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgernn.cells import Concat, Dense, Slice
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.layers.builder import Builder
from edgernn_export.sources.torch.layers.value import Counted, Flowing, Value
from edgernn_export.sources.torch.operations.broadcast import frame_shape, scaled
from edgernn_export.sources.torch.operations.contraction import contracted, multiplied
from edgernn_export.sources.torch.operations.counted import running_sum
from edgernn_export.sources.torch.operations.norms import softmax_of
from edgernn_export.sources.torch.operations.pointwise import add, frame
from edgernn_export.sources.torch.operations.weighted import linear
from edgernn_export.sources.torch.trace.tracing import double

Matrix = NDArray[np.float64]

ZEROS_PER_BLOCK = 8192
"""The number of products with zeros that a block must save to become a separate layer.

Below it the calls of LiteRT, 0.3 us for each block, cost more than the zeros (measured with 4 and 8 blocks, frames of
16 to 512). Compiled code skips zeros anyway.
"""


def einsum(b: Builder, equation: str, operands: Sequence[Any], path: Any = None) -> Value:
    """Convert torch.einsum of one value of the stream and constants."""
    del path
    places = [i for i, operand in enumerate(operands) if isinstance(operand, Flowing)]
    written = _letters(equation, [len(operand.shape) for operand in operands])
    y = None if written is None else _contraction(b, operands[0], operands[1], written)
    if y is not None:
        return y
    if len(places) > 1:
        raise b.refuse()
    at = places[0]
    return product(b, operands[at], lambda t: torch.einsum(equation, [*operands[:at], t, *operands[at + 1 :]]))


def _letters(equation: str, axes: list[int]) -> tuple[str, str, str] | None:
    """Return a letter for each axis of two operands and of the result; None of other equations."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if not arrow or len(parts) != 2:
        return None
    free = "".join(each for each in "abcdefghijklmnopqrstuvwxyz" if each not in equation)
    pairs = list(zip(parts, axes, strict=True))
    filled = [free[: count + 3 - len(part)][::-1] if "." in part else "" for part, count in pairs]
    one, two = (part.replace("...", own) for part, own in zip(parts, filled, strict=True))
    return one, two, out.replace("...", max(filled, key=len))


def matmul(b: Builder, x: Any, y: Any) -> Value:
    """Convert x @ y of a value and a constant, or of two values of one frame."""
    if isinstance(x, Flowing) and isinstance(y, torch.Tensor) and y.dim() == 2:
        return linear(b, x, y.T)
    shapes = [tuple(each.shape) for each in (x, y)]
    if min(map(len, shapes)) > 1:
        axes = "".join(chr(97 + i) for i in range(max(map(len, shapes)) - 2))
        one, two = (axes[len(axes) + 2 - len(each) :] for each in shapes)
        z = _contraction(b, x, y, (f"{one}xy", f"{two}yz", f"{axes}xz"))
        if z is not None:
            return z
    if isinstance(x, Flowing) and isinstance(y, Flowing):
        raise b.refuse()
    if isinstance(x, Flowing):
        return product(b, x, lambda t: torch.matmul(t, y))
    return product(b, y, lambda t: torch.matmul(x, t))


def attention(
    b: Builder, q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, causal: bool = False, *,
    scale: float | None = None, enable_gqa: bool = False,
) -> Value:  # fmt: skip
    """Convert attention between the parts of one frame: softmax(q @ k.T * scale) @ v."""
    if not all(isinstance(each, Value) and each.time != len(each.shape) - 2 for each in (q, k, v)) or dropout:
        raise b.refuse()
    if mask is not None or causal or enable_gqa:
        raise b.refuse("it has a mask or groups of heads; only attention without them is supported within a frame")
    axes = "".join(chr(97 + i) for i in range(len(q.shape) - 2))
    scores = multiplied(b, scaled(b, q, scale or q.shape[-1] ** -0.5), k, (f"{axes}xy", f"{axes}zy", f"{axes}xz"))
    if scores is None:
        raise b.refuse()
    shares = softmax_of(b, scores.at((*q.shape[:-1], k.shape[-2]), q.time), -1)
    y = multiplied(b, shares, v, (f"{axes}xz", f"{axes}zy", f"{axes}xy"))
    assert y is not None
    return y


def add_matmul(b: Builder, plus: Any, x: Any, y: Any, *, beta: float = 1, alpha: float = 1) -> Value:
    """Convert addmm and baddbmm: beta * plus + alpha * x @ y."""
    z = scaled(b, matmul(b, x, y), alpha)
    return add(b, z, plus, beta)


def cumulative_sum(b: Builder, x: Flowing, axis: int, **_: Any) -> Value | Counted:
    """Convert cumsum over the features of a frame; over time it is a state."""
    value = frame(b, x)
    axis %= len(value.shape)
    if axis == value.time:
        return running_sum(b, value)
    letters = "".join(chr(97 + i) for i in range(len(value.shape)))
    size = value.shape[axis]
    triangle = torch.ones(size, size, dtype=torch.float64).tril()
    y = contracted(b, value, triangle, (letters, f"z{letters[axis]}", letters.replace(letters[axis], "z")))
    assert y is not None
    return y


def _contraction(b: Builder, x: Any, y: Any, equation: tuple[str, str, str]) -> Value | None:
    """Convert a product over an axis of a frame; None where it is no such, or `product` makes one matrix of it."""
    if isinstance(x, Flowing) and isinstance(y, Flowing):
        return multiplied(b, frame(b, x), frame(b, y), equation)
    one, two, out = equation
    value, constant, ours, theirs = (x, y, one, two) if isinstance(x, Flowing) else (y, x, two, one)
    value = frame(b, value)
    alone = [length for each, length in zip(ours, frame_shape(value), strict=True) if each not in theirs]
    return contracted(b, value, constant, (ours, theirs, out)) if max(alone, default=1) > 1 else None


def product(b: Builder, x: Flowing, compute: Callable[[torch.Tensor], torch.Tensor]) -> Value:
    """Convert a function that is linear in a value of the stream to a dense layer, or to one for each block.

    The matrix is the function's response to unit vectors. Before that, `_time` checks that each frame's result depends
    on that frame alone, and in the same way at every step.
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
    return value.of(_layer(b, value, matrix)).at(b.shape, time)


def _ones(width: int, start: int, steps: int) -> torch.Tensor:
    """Return unit vectors as frames: the 1 is at `start` in the first frame, one further in each next; then zeros."""
    frames = torch.zeros(steps, width)
    count = min(steps, width - start)
    frames[range(count), range(start, start + count)] = 1.0
    return frames


def _at_times(x: Value, frames: torch.Tensor) -> torch.Tensor:
    """Return frames (time, width) in the shape of this value."""
    if x.time is None:
        return frames.reshape(x.shape)
    others = [length for i, length in enumerate(x.shape) if i != x.time]
    return frames.reshape(len(frames), *others).movedim(0, x.time).contiguous()


def _time(b: Builder, x: Value, compute: Callable[[torch.Tensor], torch.Tensor]) -> int | None:
    """Return the time axis of the result, found with one nonzero frame at the first step and at the last."""
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
                raise b.refuse("its constant changes over time, as a positional encoding does")
            return axis
    raise b.refuse("it mixes frames of different steps, and later frames have not arrived; use a recurrent layer")


def _layer(b: Builder, x: Value, matrix: Matrix) -> str:
    """Add a dense layer; or one for each diagonal block, where the zeros outside cost more than separate layers."""
    diagonal = blocks(matrix)
    saved = matrix.size - sum(matrix[block].size for block in diagonal)
    if saved < ZEROS_PER_BLOCK * len(diagonal) or len(diagonal) == 1:
        return b.add(Dense(Tensor(matrix)), [x])
    parts = []
    for rows, columns in diagonal:
        part = x.of(b.add(Slice(x.width, columns.start, columns.stop), [x]))
        parts.append(x.of(b.add(Dense(Tensor(matrix[rows, columns])), [part])))
    return b.add(Concat(), parts)


def blocks(matrix: Matrix) -> list[tuple[slice, slice]]:
    """Return rows and columns of the smallest diagonal blocks; everything outside them is zero."""
    rows, inputs = matrix.shape
    used = [np.flatnonzero(row) for row in matrix]
    ends = np.maximum.accumulate([columns[-1] + 1 if len(columns) else 0 for columns in used])
    starts = np.minimum.accumulate([columns[0] if len(columns) else inputs for columns in used][::-1])[::-1]
    cuts = [(i, int(ends[i - 1])) for i in range(1, rows) if 0 < ends[i - 1] <= starts[i] and ends[i - 1] < inputs]
    cuts = [cut for i, cut in enumerate(cuts) if i == 0 or cut[1] > cuts[i - 1][1]]
    edges = [(0, 0), *cuts, (rows, inputs)]
    return [(slice(a, c), slice(b, d)) for (a, b), (c, d) in pairwise(edges)]


LINEAR: dict[str, Callable[..., Any]] = {
    "einsum": einsum,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv"), matmul),
    **dict.fromkeys(("addmm", "baddbmm"), add_matmul),
    "scaled_dot_product_attention": attention,
    "cumsum": cumulative_sum,
}
"""ATen operation -> a dense layer with a constant matrix."""
