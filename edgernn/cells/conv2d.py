"""Causal convolutions over time and frequency."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.newest import newest
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


class _Windows(Protocol):
    """The settings that both convolutions have; a frame is (channels, frequencies), in row-major order."""

    @property
    def frequencies(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def taps(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def below(self) -> int: ...
    @property
    def above(self) -> int: ...
    @property
    def frame_dilation(self) -> int: ...
    @property
    def dilation(self) -> int: ...
    @property
    def spread(self) -> int: ...
    @property
    def frame_stride(self) -> int: ...
    @property
    def age(self) -> int: ...
    @property
    def channels(self) -> int: ...


@cell
@dataclass(frozen=True)
class Conv2d:
    """A convolution over the newest frames and over frequency: the same matrix times a window at each frequency.

    A frame is (channels, frequencies), in row-major order, as is the result. The state is the past frames, oldest
    first; its initial zeros are the zero padding before the first frame. A transposed convolution is one over
    frequencies that are spread apart by zeros. K. Tan and D. Wang, "A convolutional recurrent neural network for
    real-time speech enhancement" (Interspeech 2018).
    """

    frequencies: int  # of an input frame
    frames: int  # taps over time
    taps: int  # over frequency
    w: Annotated[Tensor, "outputs", "channels * frames * taps"]
    b: Annotated[Tensor | None, "outputs"] = None
    stride: int = 1  # over frequency
    below: int = 0  # zeros before the first frequency
    above: int = 0  # zeros behind the last frequency
    frame_dilation: int = 1  # frames from one tap to the next
    dilation: int = 1  # frequencies from one tap to the next
    spread: int = 1  # from one input frequency to the next, with zeros between them
    frame_stride: int = 1  # frames from one output to the next, which arrive together
    age: int = 0  # frames of the step behind the last tap

    def __post_init__(self) -> None:
        _check(self)

    @property
    def channels(self) -> int:
        """The channels of an input frame."""
        return self.w.shape[1] // (self.frames * self.taps)

    @property
    def states(self) -> Mapping[str, int]:
        """The past frames that a later step reads."""
        return _states(self)

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(frame_stride * channels * frequencies,) and the past frames -> (outputs * frequencies of the result,)."""
        frames, after = _newest(self, ops, x, state)
        positions, outputs, window = _positions(self), self.w.shape[0], self.w.shape[1]
        index = [
            at
            for position in range(positions)
            for channel in range(self.channels)
            for at in _window(self, channel, position)
        ]
        windows = ops.gather(ops.reshape(frames, 1, _elements(self)), _elements(self), index)
        y = ops.affine(self.w, ops.reshape(windows, positions * window, positions), self.b)
        return _channels_first(ops, y, positions, outputs), after


@cell
@dataclass(frozen=True)
class DepthwiseConv2d:
    """A convolution as Conv2d, of each channel alone: the elements of a window are scaled and summed.

    With a multiplier, that many channels of the result read each input channel. A. Howard et al., "MobileNets"
    (arXiv:1704.04861).
    """

    frequencies: int  # of an input frame
    frames: int  # taps over time
    taps: int  # over frequency
    w: Annotated[Tensor, "frames * taps * outputs"]  # tap by tap: over time, over frequency, then the outputs
    b: Annotated[Tensor | None, "outputs"] = None
    multiplier: int = 1
    stride: int = 1  # over frequency
    below: int = 0  # zeros before the first frequency
    above: int = 0  # zeros behind the last frequency
    frame_dilation: int = 1  # frames from one tap to the next
    dilation: int = 1  # frequencies from one tap to the next
    spread: int = 1  # from one input frequency to the next, with zeros between them
    frame_stride: int = 1  # frames from one output to the next, which arrive together
    age: int = 0  # frames of the step behind the last tap

    def __post_init__(self) -> None:
        _check(self)
        if self.multiplier < 1 or self.channels * self.multiplier * self.frames * self.taps != self.w.shape[0]:
            raise GraphError(
                f"DepthwiseConv2d has {self.w.shape[0]} weights and a multiplier of {self.multiplier}; expected a "
                f"weight for each of {self.frames} x {self.taps} taps and each output, and as many outputs for each "
                "channel"
            )

    @property
    def channels(self) -> int:
        """The channels of an input frame."""
        return self.w.shape[0] // (self.frames * self.taps * max(self.multiplier, 1))

    @property
    def states(self) -> Mapping[str, int]:
        """The past frames that a later step reads."""
        return _states(self)

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(frame_stride * channels * frequencies,) and the past frames -> (outputs * frequencies of the result,)."""
        frames, after = _newest(self, ops, x, state)
        positions, outputs, taps = _positions(self), self.channels * self.multiplier, self.frames * self.taps
        index = []
        for position in range(positions):
            each = [list(_window(self, channel, position)) for channel in range(self.channels)]
            index += [each[output // self.multiplier][tap] for tap in range(taps) for output in range(outputs)]
        windows = ops.gather(ops.reshape(frames, 1, _elements(self)), _elements(self), index)
        scaled = ops.scale(ops.reshape(windows, positions * taps * outputs, positions), self.w)
        y = ops.sum(ops.reshape(scaled, positions, positions * taps), positions * taps, taps)
        y = y if self.b is None else ops.scale(y, 1.0, self.b)
        return _channels_first(ops, y, positions, outputs), after


def _check(cell: _Windows) -> None:
    name = type(cell).__name__
    least = {"frequencies": 1, "frames": 1, "taps": 1, "stride": 1, "below": 0, "above": 0}
    least |= {"frame_dilation": 1, "dilation": 1, "spread": 1, "frame_stride": 1, "age": 0}
    for field, smallest in least.items():
        if not isinstance(getattr(cell, field), int) or getattr(cell, field) < smallest:
            raise GraphError(
                f"{name}.{field} is {getattr(cell, field)!r}; expected a whole number of at least {smallest}"
            )
    if _positions(cell) < 1:
        raise GraphError(
            f"{name} has {cell.taps} taps with dilation {cell.dilation} over {_spread_and_padded(cell)} frequencies "
            "with their padding; expected at least as many frequencies as the taps span"
        )


def _spread_and_padded(cell: _Windows) -> int:
    return cell.below + (cell.frequencies - 1) * cell.spread + 1 + cell.above


def _positions(cell: _Windows) -> int:
    """Return the frequencies of the result."""
    return (_spread_and_padded(cell) - (cell.taps - 1) * cell.dilation - 1) // cell.stride + 1


def _reach(cell: _Windows) -> int:
    """Return the frames from the first tap to the last frame of a step."""
    return (cell.frames - 1) * cell.frame_dilation + 1 + cell.age


def _frames(cell: _Windows) -> int:
    """Return the frames of a step and those before them that a later step reads."""
    return max(_reach(cell), cell.frame_stride)


def _elements(cell: _Windows) -> int:
    """Return the elements of all frames that a step reads or passes over."""
    return _frames(cell) * cell.channels * cell.frequencies


def _states(cell: _Windows) -> Mapping[str, int]:
    past = (_frames(cell) - cell.frame_stride) * cell.channels * cell.frequencies
    return {"past": past} if past else {}


def _newest(cell: _Windows, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
    """Return the past frames with the newest, oldest first, and the state after the step."""
    arrives = cell.frame_stride * cell.channels * cell.frequencies
    return newest(ops, x, state, arrives, _states(cell).get("past", 0))


def _window(cell: _Windows, channel: int, position: int) -> Iterator[int]:
    """Iterate over the elements in the window of a channel, tap by tap; -1 for zeros."""
    first = _frames(cell) - _reach(cell)
    for frame in range(cell.frames):
        start = ((first + frame * cell.frame_dilation) * cell.channels + channel) * cell.frequencies
        for tap in range(cell.taps):
            at, between = divmod(position * cell.stride + tap * cell.dilation - cell.below, cell.spread)
            yield -1 if between or not 0 <= at < cell.frequencies else start + at


def _channels_first(ops: Ops[V], y: V, positions: int, channels: int) -> V:
    """Return (positions, channels) as (channels * positions,)."""
    elements = positions * channels
    if 1 in {positions, channels}:
        return ops.reshape(y, positions, 1)
    index = [position * channels + channel for channel in range(channels) for position in range(positions)]
    return ops.reshape(ops.gather(ops.reshape(y, positions, elements), elements, index), elements, 1)
