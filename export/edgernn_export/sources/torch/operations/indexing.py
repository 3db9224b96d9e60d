"""Elements of a frame taken more than once, in another order, or halved: expand, repeat, flip, roll, indices, GLU."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import interpolate

from edgernn.cells import Activation, Product
from edgernn_export.sources.torch.layers.builder import Builder
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.broadcast import frame_shape, gathered, spread
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.shapes import cut


def expand(b: Builder, x: Flowing, *_: Any, **__: Any) -> Value:
    """Convert expand along inner axes of a frame."""
    value = frame(b, x)
    _check_time(b, value, len(b.shape) - len(value.shape))
    return spread(b, value, b.shape)


def repeat(b: Builder, x: Flowing, times: Sequence[int]) -> Value:
    """Convert repeat and tile along inner axes of a frame."""
    value = frame(b, x)
    more = len(b.shape) - len(value.shape)
    times = [*[1] * (len(b.shape) - len(times)), *times]
    _check_time(b, value, more)
    time = None if value.time is None else value.time + more
    return _moved(b, value, lambda index: index.repeat(*times), time)


def repeat_each(b: Builder, x: Flowing, times: Any, axis: int | None = None, **_: Any) -> Value:
    """Convert repeat_interleave of a number of times along an inner axis of a frame."""
    value = frame(b, x)
    if axis is None or not isinstance(times, int) or axis % len(value.shape) == value.time:
        raise b.refuse()
    return _moved(b, value, lambda index: index.repeat_interleave(times, axis), value.time)


def flip(b: Builder, x: Flowing, axes: list[int]) -> Value:
    """Convert flip along inner axes of a frame."""
    value = frame(b, x)
    if value.time in {axis % len(value.shape) for axis in axes}:
        raise b.refuse("it reverses time: the first frame would have to wait for the last; train in one direction")
    return _moved(b, value, lambda index: index.flip(axes), value.time)


def roll(b: Builder, x: Flowing, shifts: list[int], axes: list[int] | tuple[()] = ()) -> Value:
    """Convert roll along inner axes of a frame."""
    value = frame(b, x)
    if not axes or value.time in {axis % len(value.shape) for axis in axes}:
        raise b.refuse("it moves the newest frames to the front; shift by F.pad(x, ...) on the left, and cut off there")
    return _moved(b, value, lambda index: index.roll(shifts, axes), value.time)


def chosen(b: Builder, x: Flowing, axis: int, places: Any) -> Value:
    """Convert index_select along an inner axis of a frame by a constant."""
    value = frame(b, x)
    _check_constant(b, value, [axis % len(value.shape)], [places])
    return _moved(b, value, lambda index: index.index_select(axis, places), value.time)


def indexed(b: Builder, x: Flowing, places: Sequence[Any]) -> Value:
    """Convert x[:, :, places] by constants along inner axes of a frame."""
    value = frame(b, x)
    _check_constant(b, value, [i for i, each in enumerate(places) if each is not None], places)
    time = None
    if value.time is not None:  # time has two steps in an index, and the frame of the second has larger numbers
        both = torch.stack([torch.arange(value.width).reshape(_without(value))] * 2, value.time)
        both.select(value.time, 1).add_(value.width)
        y = torch.ops.aten.index.Tensor(both, list(places))
        axes = [
            i for i, n in enumerate(y.shape) if n == 2 and bool((y.select(i, 1) == y.select(i, 0) + value.width).all())
        ]
        time = axes[0]
    return _moved(b, value, lambda index: torch.ops.aten.index.Tensor(index, list(places)), time)


def enlarged(b: Builder, x: Flowing, *_: Any) -> Value:
    """Convert F.interpolate(mode="nearest") along inner axes of a frame."""
    value = frame(b, x)
    sizes = [1 if axis == value.time else length for axis, length in enumerate(b.shape)][2:]
    if value.time is not None and (value.time < 2 or b.shape[value.time] != value.length):
        raise b.refuse("it makes several frames of one; enlarge features alone: (1, channels, time, frequency)")
    return _moved(b, value, lambda index: interpolate(index.double(), sizes).long(), value.time)


def gated_linear(b: Builder, x: Flowing, axis: int = -1) -> Value:
    """Convert F.glu along an inner axis of a frame: its first half times the sigmoid of the second."""
    value = frame(b, x)
    axis %= len(value.shape)
    if axis == value.time:
        raise b.refuse("it halves time, and later frames have not arrived; halve the features")
    half = value.shape[axis] // 2
    first, second = (cut(b, value, axis, start, start + half) for start in (0, half))
    return b.then(Product(), first, b.then(Activation("sigmoid"), second))


def _moved(b: Builder, x: Value, compute: Callable[[torch.Tensor], torch.Tensor], time: int | None) -> Value:
    """Add the Gather that an operation does to the places of a frame's elements."""
    index = compute(torch.arange(x.width).reshape(frame_shape(x)))
    if torch.equal(index.flatten(), torch.arange(x.width)):
        return x.at(b.shape, time)
    return gathered(b, x, index, b.shape).at(b.shape, time)


def _without(x: Value) -> list[int]:
    return [length for i, length in enumerate(x.shape) if i != x.time]


def _check_time(b: Builder, x: Value, more: int) -> None:
    """Refuse what changes the length of time, or repeats the last step as a sequence."""
    if x.time is None:
        if not b.one_frame and b.frames in b.shape and b.frames not in x.shape:
            raise b.refuse()
    elif b.shape[x.time + more] != x.length:
        raise b.refuse()


def _check_constant(b: Builder, x: Value, axes: Sequence[int], places: Sequence[Any]) -> None:
    if any(isinstance(each, Flowing) for each in places):
        raise b.refuse(
            "its index is a value of the stream; the elements that a step reads must be the same in every one"
        )
    if x.time in axes:
        raise b.refuse("it selects frames by their position; only the last step has a value at every step of a stream")


INDEXING: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), expand),
    **dict.fromkeys(("repeat", "tile"), repeat),
    "repeat_interleave": repeat_each,
    "flip": flip,
    "roll": roll,
    "index_select": chosen,
    "index": indexed,
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), enlarged),
    "glu": gated_linear,
}
"""ATen operation -> its handler, of elements of a frame."""
