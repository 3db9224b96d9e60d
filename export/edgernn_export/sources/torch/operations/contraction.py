"""Products over any axis of a frame.

With a constant it is a matrix that the other axes share; of two values, products of elements and their sums.
"""

from collections.abc import Mapping
from math import prod

import torch

from edgernn.cells import Concat, Dense, Product, Slice
from edgernn_export.sources.torch.layers.builder import Builder, weight
from edgernn_export.sources.torch.layers.value import Value
from edgernn_export.sources.torch.operations.broadcast import frame_shape, gathered
from edgernn_export.sources.torch.operations.sums import reduced
from edgernn_export.sources.torch.operations.windows import aligned

Letters = str
Equation = tuple[Letters, Letters, Letters]

MOST_PRODUCTS = 1 << 14
"""The most products of two values in a frame that are written out, element by element."""


def contracted(
    b: Builder, x: Value, constant: torch.Tensor, equation: tuple[Letters, Letters, Letters]
) -> Value | None:
    """Convert an einsum of a value and a constant to a matrix for each shared axis; None where it is another product.

    Args:
        b: the builder.
        x: the value.
        constant: the constant.
        equation: a letter for each axis of the value, of the constant and of the result.
    """
    ours, theirs, out = equation
    lengths = dict(zip(theirs, constant.shape, strict=True)) | dict(zip(ours, frame_shape(x), strict=True))
    time = None if x.time is None else ours[x.time]
    alone = {*ours} - {*theirs} - {*out}  # summed without a factor
    if any(len({*each}) < len(each) for each in equation) or alone or (time and (time in theirs or time not in out)):
        return None
    if any(constant.shape[theirs.index(each)] != lengths[each] for each in theirs):
        return None
    inside = [each for each in theirs if each in ours and each not in out]
    new = [each for each in theirs if each not in ours]
    if any(each not in out for each in new):
        return None
    shared = [each for each in theirs if each in ours and each in out]
    free = [each for each in ours if each not in theirs]
    matrices = constant.permute([theirs.index(each) for each in (*shared, *new, *inside)])
    matrices = matrices.reshape(_size(lengths, shared), _size(lengths, new), _size(lengths, inside))
    y = _ordered(b, x, ours, [*shared, *free, *inside], lengths)
    y = y.of(_layer(b, y, matrices, _size(lengths, free)))
    order = "".join((*shared, *free, *new))
    y = _ordered(b, y.at(tuple(lengths[each] for each in order), None), order, list(out), lengths)
    return y.at(b.shape, None if time is None else out.index(time))


def _size(lengths: Mapping[str, int], letters: list[str]) -> int:
    return prod(lengths[each] for each in letters)


def _ordered(b: Builder, x: Value, letters: Letters, order: list[str], lengths: Mapping[str, int]) -> Value:
    """Permute the axes of a frame."""
    index = torch.arange(prod(lengths[each] for each in letters)).reshape([lengths[each] for each in letters])
    index = index.permute([letters.index(each) for each in order]).flatten()
    return x if torch.equal(index, torch.arange(len(index))) else gathered(b, x, index, x.shape)


def _layer(b: Builder, x: Value, matrices: torch.Tensor, parts: int) -> str:
    """Add one dense layer that the parts of a frame share, for each matrix."""
    if len(matrices) == 1:
        return b.add(Dense(weight(matrices[0])), [x], positions=parts)
    size, done = x.width // len(matrices), []
    for i, matrix in enumerate(matrices):
        part = x.of(b.add(Slice(x.width, i * size, (i + 1) * size), [x]))
        done.append(x.of(b.add(Dense(weight(matrix)), [part], positions=parts)))
    return b.add(Concat(), done)


def multiplied(b: Builder, x: Value, y: Value, equation: Equation) -> Value | None:
    """Convert an einsum of two values to products of elements and their sums; None where it runs over time.

    Raises:
        UnsupportedError: there are more than MOST_PRODUCTS of them.
    """
    letters, others, out = equation
    times = {each[value.time] for each, value in ((letters, x), (others, y)) if value.time is not None}
    lengths = dict(zip(others, frame_shape(y), strict=True))
    lengths |= {each: n for each, n in zip(letters, frame_shape(x), strict=True) if lengths.get(each, 1) == 1}
    if any(len({*each}) < len(each) for each in equation) or len(times) > 1 or not times <= {*out}:
        return None
    x, y = aligned(b, x, y)
    inside = sorted({*letters, *others} - {*out})
    every = [*out, *inside]
    if _size(lengths, every) > MOST_PRODUCTS:
        raise b.refuse(
            f"it multiplies {_size(lengths, every):,} pairs of two values of the stream in each frame; at most "
            f"{MOST_PRODUCTS:,} are written out"
        )
    whole = tuple(lengths[each] for each in every)
    parts = [_over_all(b, each, names, every, lengths) for each, names in ((x, letters), (y, others))]
    z = reduced(b, b.then(Product(), *parts, shape=whole).at(whole, None), range(len(out), len(every)), "sum")
    return z.at(b.shape, out.index(times.pop()) if times else None)


def _over_all(b: Builder, x: Value, letters: Letters, every: list[str], lengths: Mapping[str, int]) -> Value:
    """Repeat a value along the letters that it lacks, in the order of all."""
    index = (
        torch.arange(x.width)
        .reshape(frame_shape(x))
        .permute([letters.index(each) for each in every if each in letters])
    )
    for axis, each in enumerate(every):
        if each not in letters:
            index = index.unsqueeze(axis)
    index = index.expand([lengths[each] for each in every]).flatten()
    return x if torch.equal(index, torch.arange(x.width)) else gathered(b, x, index, x.shape)
