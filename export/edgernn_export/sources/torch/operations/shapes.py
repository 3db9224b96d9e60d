"""Operations that rearrange: transposes, reshapes, padding, slices, and "take the last step"."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch.fx import Node

from edgernn.cells import Pool, Slice
from edgernn_export.sources.torch.layers.axes import MOVES, RESHAPES, SAME, Axes, moved
from edgernn_export.sources.torch.layers.builder import Builder, NeedsDelayError, op_of
from edgernn_export.sources.torch.layers.value import Carried, Flowing, Incoming, Stack, Value
from edgernn_export.sources.torch.operations.broadcast import gathered
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.windows import Windows, muted, placed, shifted


def arrange(b: Builder, x: Flowing, *args: Any, **kwargs: Any) -> Flowing:
    """Convert an operation of axes.py: the elements of each frame stay as they are."""
    del kwargs
    op = op_of(b.node)
    if isinstance(x, Incoming):
        if prod(x.shape) != prod(b.shape) or not _in_order(moved(op, x.shape, args, b.shape), x.shape):
            raise NeedsDelayError(x.position)
        return Incoming(x.position, b.shape)
    if isinstance(x, Stack):
        return _of_stack(b, x, *args)
    if isinstance(x, Carried):
        if prod(x.shape) != prod(b.shape) or not _in_order(moved(op, x.shape, args, b.shape), x.shape):
            raise NeedsDelayError(b.operations[x.layers[0]])
        return replace(x, shape=b.shape)
    if op == "dropout" and args[1]:
        raise b.refuse()
    _check_cast(b)
    axes = moved(op, x.shape, args, b.shape)
    if op == "select" and args[0] % len(x.shape) != x.time and x.shape[args[0]] > 1:
        start = args[1] % x.shape[args[0]]
        x = cut(b, x, args[0] % len(x.shape), start, start + 1)
    if op in RESHAPES and x.time is not None and x.time not in axes:
        stacked = _stacked(b, x)
        if stacked is not None:
            return stacked
    order = [axis for axis in axes if axis is not None and axis != x.time and x.shape[axis] > 1]
    if order != sorted(order):
        lengths = [x.shape[axis] for axis in sorted(order)]
        index = torch.arange(x.width).reshape(lengths).permute([sorted(order).index(axis) for axis in order])
        x = gathered(b, x, index, x.shape)
    if x.time is not None and x.time in axes:
        return x.at(b.shape, axes.index(x.time))
    if op == "select" and x.time is not None and args[0] % len(x.shape) == x.time:
        return _last(b, x, args[1])
    return x.at(b.shape, None) if x.time is None else _last(b, x, 0)


def _stacked(b: Builder, x: Value) -> Value | None:
    """Return the same elements with several frames in one, as x.reshape(1, time // n, n * width) has them, or None."""
    assert x.time is not None
    if prod(x.shape[: x.time]) != 1:
        return None
    shape = b.shape
    for axis, length in enumerate(shape):
        if prod(shape[:axis]) == 1 and 1 < length < x.length and x.length % length == 0:
            stride = x.length // length
            x = shifted(b, x, x.lead % stride)
            return replace(x, shape=shape, time=axis, lead=x.lead // stride, every=x.every * stride)
    return None


def _in_order(axes: Axes, shape: Sequence[int]) -> bool:
    """Whether the axes longer than 1 stay in their order."""
    order = [axis for axis in axes if axis is not None and shape[axis] > 1]
    return order == sorted(order)


def _check_cast(b: Builder) -> None:
    """Refuse a cast that changes values: from floats to integers, or to complex numbers."""
    source: Any = b.node.args[0]
    before, after = source.meta["val"].dtype, b.node.meta["val"].dtype
    if (before.is_floating_point and not after.is_floating_point) or after.is_complex:
        raise b.refuse(f"it casts {before} to {after}; no operation rounds values or computes complex ones")


def cut(b: Builder, x: Value, axis: int, start: int, stop: int) -> Value:
    """Add a Slice: x[..., start:stop, ...] on an axis of features."""
    before = prod(length for i, length in enumerate(x.shape[:axis]) if i != x.time)
    inner = prod(length for i, length in enumerate(x.shape) if i > axis and i != x.time)
    shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    if (start, stop) == (0, x.shape[axis]):
        return x
    if before != 1:
        return gathered(b, x, torch.arange(x.width).reshape(before, -1, inner)[:, start:stop], shape)
    return b.then(Slice(x.width, start * inner, stop * inner), x, shape=shape)


def take(
    b: Builder, x: Flowing, axis: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Flowing:
    """Convert aten.slice: a range of features, or of time."""
    if isinstance(x, Incoming):
        raise NeedsDelayError(x.position)
    if isinstance(x, Carried):
        raise NeedsDelayError(b.operations[x.layers[0]])
    if isinstance(x, Stack) and axis == 0:
        return Stack(x.values[start:stop:step], b.shape)
    if isinstance(x, Stack):
        x = frame(b, x)
    if isinstance(x, Value) and step > 1 and axis % len(x.shape) == x.time and not start and _all(x, axis, stop):
        return _every(b, x, step)
    if not isinstance(x, Value) or step != 1:
        raise b.refuse("only contiguous ranges of features or of time can be taken")
    axis %= len(x.shape)
    first, last, _ = slice(start, stop).indices(x.shape[axis])
    if axis != x.time:
        return cut(b, x, axis, first, last)
    if first > x.lead and (start or 0) < 0 and last - first > 1:
        raise b.refuse(
            f"it takes the newest {last - first} frames of a sequence of any length, which is a moving window; use a "
            "causal nn.Conv1d over the newest frames, or take the last step alone"
        )
    if last - x.lead < min(x.end, b.steps(x)[0]):
        raise b.refuse("it cuts off the newest frames of the sequence; only frames that padding added can be cut off")
    if last - first == 1 and x.length > 1:
        return _last(b, x, first)
    return replace(x, shape=b.shape, lead=x.lead - first, right=x.right - (x.length - last) * x.every)


def _all(x: Value, axis: int, stop: int | None) -> bool:
    return stop is None or stop >= x.shape[axis]


def _every(b: Builder, x: Value, stride: int) -> Value:
    """Take the first of each `stride` frames."""
    x, age, after = placed(b, x, Windows(1, stride=stride))
    return after.of(b.add(Pool(x.width, 1, 1, 1, frame_stride=stride, age=age), [x], stride=stride))


def pieces(b: Builder, x: Flowing, sizes: Any = 0, axis: int = 0) -> tuple[Flowing, ...]:
    """Convert chunk, split and unbind of the features; each part has the shape in the trace."""
    shapes = [tuple(part.shape) for part in b.node.meta["val"]]
    if isinstance(x, Stack) and op_of(b.node) == "unbind":
        return x.values
    if isinstance(x, Incoming):
        raise NeedsDelayError(x.position)
    if isinstance(x, Carried):
        raise NeedsDelayError(b.operations[x.layers[0]])
    if isinstance(x, Stack):
        x = frame(b, x)
    axis = sizes if op_of(b.node) == "unbind" else axis
    if not isinstance(x, Value) or axis % len(x.shape) == x.time:
        raise b.refuse("it takes the sequence apart, as a Python loop over time does; use nn.RNN, nn.GRU or nn.LSTM")
    axis %= len(x.shape)
    lengths = [shape[axis] if len(shape) == len(x.shape) else 1 for shape in shapes]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    parts = [cut(b, x, axis, start, start + length) for start, length in zip(starts, lengths, strict=True)]
    if op_of(b.node) != "unbind":
        return tuple(parts)
    time = x.time if x.time is None or x.time < axis else x.time - 1
    return tuple(part.at(shape, time) for part, shape in zip(parts, shapes, strict=True))


def pad(b: Builder, x: Flowing, sizes: Sequence[int], mode: Any = "constant", value: float | None = None) -> Flowing:
    """Convert padding with zeros: on the left of time, as before a causal convolution, and of the features."""
    pairs = {len(x.shape) - 1 - i: tuple(sizes[2 * i : 2 * i + 2]) for i in range(len(sizes) // 2)}
    if isinstance(x, Value) and mode in _REPEATING and not any(pairs.get(x.time, ())):  # type: ignore[arg-type]
        return _padded(b, x, pairs, mode)
    if not isinstance(x, Value) or mode not in {"constant", 0} or value:
        centred = _feeds(b.node, "stft")
        raise b.refuse(CENTRED if centred else "only zeros can be padded, before a convolution over time")
    if any(any(pair) for axis, pair in pairs.items() if axis != x.time):
        x = _padded(b, x, pairs)
    if x.time is None:
        return x
    left, right = pairs.get(x.time, (0, 0))
    if left > 0 and x.lead < 0:
        x = muted(b, x)
    return replace(x, shape=b.shape, lead=x.lead + left, right=x.right + right * x.every)


_REPEATING = ("reflect", "replicate", "circular")
"""Modes of padding that repeat elements of the frame."""


def _padded(b: Builder, x: Value, pairs: dict[int, tuple[int, ...]], mode: str = "constant") -> Value:
    """Add zeros to the features of each frame, or repeat some of them; a negative number takes some away."""
    lengths = [1 if i == x.time else length for i, length in enumerate(x.shape)]
    own = {axis: (0, 0) if axis == x.time else pair for axis, pair in pairs.items()}
    sizes = [number for axis in sorted(own, reverse=True) for number in own[axis]]
    index = torch.arange(x.width).reshape(lengths)
    if mode == "constant":
        index = torch.nn.functional.pad(index, sizes, value=-1)
    else:
        index = torch.nn.functional.pad(index.double(), sizes, mode).long()
    return gathered(b, x, index, tuple(x.shape[i] if i == x.time else n for i, n in enumerate(index.shape)))


def _last(b: Builder, x: Value, position: int) -> Value:
    """Convert the selection of one step; the last one is the stream's value at every step."""
    position %= x.length
    step = position - x.lead
    if x.length > 1 and prod(b.shape) != x.width:
        raise b.refuse(
            "it mixes time into the features of a frame; keep time as a separate axis, or take the last step"
        )
    whole = b.steps(x)[0]
    if position != x.length - 1 or step < whole - 1 or b.surplus(x):
        raise b.refuse(
            f"it takes step {step} of {whole}; only the last step has a value at every step of a stream (replace a "
            "Python loop over time by nn.RNN, nn.GRU or nn.LSTM, or by a cell with its state)"
        )
    return last_step(b, x).at(b.shape, None)


def last_step(b: Builder, x: Value) -> Value:
    """Return the value of the last step of a sequence, which a stream has at every step."""
    b.taken[b.node] = x
    return x.at(x.shape, None, min(x.lead, 0))


def _of_stack(b: Builder, x: Stack, *args: Any) -> Flowing:
    if op_of(b.node) == "select" and args[0] == 0:
        value: Value = x.values[args[1]]
        return value
    axes = moved(op_of(b.node), x.shape, args, b.shape)
    time = axes.index(x.time) if x.time in axes and x.time is not None else None
    if len(x.values) == 1 and (time is None) == (x.time is None):
        return x.values[0].at(b.shape, time)
    if 0 in axes[:1] and (time is None) == (x.time is None):
        return Stack(tuple(value.at(b.shape[1:], None if time is None else time - 1) for value in x.values), b.shape)
    return arrange(b, frame(b, x), *args)


CENTRED = (
    "torch.stft reflects samples on both sides, so that its first window has the first sample in its middle: call it "
    "with center=False, whose frames are the same, later by half a window, from the first full window on"
)


def _feeds(node: Node, op: str, hops: int = 3) -> bool:
    """Return whether an operation reads this one, or what it becomes in a few more."""
    return hops > 0 and any(op_of(user) == op or _feeds(user, op, hops - 1) for user in node.users)


SHAPES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(sorted(SAME | MOVES | RESHAPES), arrange),
    "slice": take,
    "narrow": lambda b, x, axis, start, length: take(b, x, axis, start, start + length),
    "chunk": pieces,
    "split": pieces,
    "split_with_sizes": pieces,
    "tensor_split": pieces,
    "unbind": pieces,
    "pad": pad,
    "constant_pad_nd": lambda b, x, sizes, value=0: pad(b, x, sizes, "constant", value),
}
"""ATen operation -> its handler."""
