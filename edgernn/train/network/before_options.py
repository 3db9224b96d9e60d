"""The options of the layers that a recipe names before the recurrent layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from edgernn.cells import Conv1d, Conv2d, Dense, DepthwiseConv2d, LayerNorm, Pool
from edgernn.cells.pool import POOLS
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.ops import ACTIVATIONS
from edgernn.train.network.before_checks import bounded, check, check_function
from edgernn.train.network.draw import uniform


@dataclass(frozen=True)
class Frame:
    """What a layer reads and answers: (channels, frequencies), in row-major order."""

    channels: int
    frequencies: int

    @property
    def width(self) -> int:
        """The number of elements."""
        return self.channels * self.frequencies


class BeforeLayer(Protocol):
    """The options of a layer, a dataclass whose fields are named like those of its cell."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def cell(self, frame: Frame, /) -> Any:
        """The cell that reads such a frame, with initial weights."""

    def answers(self, frame: Frame, /) -> int:
        """The number of channels of its answer."""


@dataclass(frozen=True)
class Conv2dOptions:
    """A causal convolution over the newest frames and over frequency; see `cells.Conv2d`.

    Attributes:
        channels: the channels of the answer, at least 1.
        frames: taps of the kernel over time.
        taps: taps over frequency.
        stride: frequencies from one window to the next.
        below: zeros before the first frequency.
        above: zeros behind the last frequency.
        frame_dilation: frames from one tap to the next.
        dilation: frequencies from one tap to the next.
        frame_stride: frames from one answer to the next; they arrive in one step.
        activation: one of before_checks.FUNCTIONS.
        norm: whether the answer is batch normalized before the activation; the exported weights contain it.
    """

    channels: int = 0
    frames: int = 1
    taps: int = 1
    stride: int = 1
    below: int = 0
    above: int = 0
    frame_dilation: int = 1
    dilation: int = 1
    frame_stride: int = 1
    activation: str = "linear"
    norm: bool = False

    def __post_init__(self) -> None:
        check(self, "channels", "frames", "taps", "stride", "frame_dilation", "dilation", "frame_stride")
        check_function(self.activation)

    def cell(self, frame: Frame) -> Conv2d:
        fan_in = frame.channels * self.frames * self.taps
        draw = uniform(bounded(self.channels, fan_in))
        return Conv2d(
            frame.frequencies,
            self.frames,
            self.taps,
            draw(self.channels, fan_in),
            draw(self.channels),
            **_windows(self),
        )

    def answers(self, _frame: Frame) -> int:
        return self.channels


@dataclass(frozen=True)
class DepthwiseConv2dOptions:
    """A convolution as Conv2d, of each channel alone; see `cells.DepthwiseConv2d`.

    Attributes:
        frames: taps of the kernel over time.
        taps: taps over frequency.
        multiplier: the channels of the answer for each channel of the frame.
        stride: frequencies from one window to the next.
        below: zeros before the first frequency.
        above: zeros behind the last frequency.
        frame_dilation: frames from one tap to the next.
        dilation: frequencies from one tap to the next.
        frame_stride: frames from one answer to the next; they arrive in one step.
        activation: one of before_checks.FUNCTIONS.
        norm: whether the answer is batch normalized before the activation; the exported weights contain it.
    """

    frames: int = 1
    taps: int = 1
    multiplier: int = 1
    stride: int = 1
    below: int = 0
    above: int = 0
    frame_dilation: int = 1
    dilation: int = 1
    frame_stride: int = 1
    activation: str = "linear"
    norm: bool = False

    def __post_init__(self) -> None:
        check(self, "frames", "taps", "multiplier", "stride", "frame_dilation", "dilation", "frame_stride")
        check_function(self.activation)

    def cell(self, frame: Frame) -> DepthwiseConv2d:
        taps, outputs = self.frames * self.taps, self.answers(frame)
        draw = uniform(bounded(outputs, taps))
        return DepthwiseConv2d(
            frame.frequencies,
            self.frames,
            self.taps,
            draw(taps * outputs),
            draw(outputs),
            self.multiplier,
            **_windows(self),
        )

    def answers(self, frame: Frame) -> int:
        return frame.channels * self.multiplier


@dataclass(frozen=True)
class Conv1dOptions:
    """A causal convolution over time, of whole frames; see `cells.Conv1d`.

    Attributes:
        channels: the width of the answer, at least 1.
        kernel: taps of the kernel over time.
        dilation: frames from one tap to the next.
        stride: frames from one answer to the next; they arrive in one step.
        activation: one of before_checks.FUNCTIONS.
        norm: whether the answer is batch normalized before the activation; the exported weights contain it.
    """

    channels: int = 0
    kernel: int = 2
    dilation: int = 1
    stride: int = 1
    activation: str = "linear"
    norm: bool = False

    def __post_init__(self) -> None:
        check(self, "channels", "kernel", "dilation", "stride")
        check_function(self.activation)

    def cell(self, frame: Frame) -> Conv1d:
        draw = uniform(bounded(self.channels, self.kernel * frame.width))
        w, b = draw(self.channels, self.kernel * frame.width), draw(self.channels)
        return Conv1d(self.kernel, w, b, self.dilation, self.stride)

    def answers(self, _frame: Frame) -> int:
        return self.channels


@dataclass(frozen=True)
class DenseOptions:
    """A fully connected layer; see `cells.Dense`. Its answer is one channel.

    Attributes:
        units: the width of the answer, at least 1.
        activation: "linear", "relu", "tanh", "sigmoid" or "softmax".
    """

    units: int = 0
    activation: str = "linear"

    def __post_init__(self) -> None:
        check(self, "units")
        if self.activation not in ACTIVATIONS:
            raise UsageError(f"activation is '{self.activation}'; {misspelt(self.activation, ACTIVATIONS)}")

    def cell(self, frame: Frame) -> Dense:
        draw = uniform(bounded(self.units, frame.width))
        return Dense(draw(self.units, frame.width), draw(self.units), self.activation)

    def answers(self, _frame: Frame) -> int:
        return 1


@dataclass(frozen=True)
class LayerNormOptions:
    """A normalization over all elements of a frame; see `cells.LayerNorm`.

    Attributes:
        eps: the number that is added to the variance.
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.eps < 1:
            raise UsageError(f"eps is {self.eps}; expected a number above 0 and below 1")

    def cell(self, frame: Frame) -> LayerNorm:
        draw = uniform(1)
        return LayerNorm(draw(frame.width, value=1.0), draw(frame.width, value=0.0), self.eps)

    def answers(self, frame: Frame) -> int:
        return frame.channels


@dataclass(frozen=True)
class PoolOptions:
    """A pooling over frequency and time, of each channel alone; see `cells.Pool`.

    Attributes:
        size: frequencies of a window, at least 1.
        stride: frequencies from one window to the next; 0 for the size.
        padding: at both ends, at most half of the size.
        kind: "max" or "mean".
        frames: frames of a window.
        frame_stride: frames from one answer to the next; they arrive in one step.
    """

    size: int = 0
    stride: int = 0
    padding: int = 0
    kind: str = "max"
    frames: int = 1
    frame_stride: int = 1

    def __post_init__(self) -> None:
        check(self, "size", "frames", "frame_stride")
        if self.kind not in POOLS:
            raise UsageError(f"kind is '{self.kind}'; {misspelt(self.kind, POOLS)}")

    def cell(self, frame: Frame) -> Pool:
        return Pool(
            frame.channels,
            frame.frequencies,
            self.size,
            self.stride or self.size,
            self.padding,
            self.kind,
            self.frames,
            self.frame_stride,
        )

    def answers(self, frame: Frame) -> int:
        return frame.channels


BEFORE: Mapping[str, type[BeforeLayer]] = MappingProxyType(
    {
        "Conv1d": Conv1dOptions,
        "Conv2d": Conv2dOptions,
        "Dense": DenseOptions,
        "DepthwiseConv2d": DepthwiseConv2dOptions,
        "LayerNorm": LayerNormOptions,
        "Pool": PoolOptions,
    }
)
"""The name of a cell in `before` of a recipe -> its options."""


def frames_of(layer: BeforeLayer) -> int:
    """The frames that a layer takes in a step: its stride over time."""
    frames: int = getattr(layer, "stride" if isinstance(layer, Conv1dOptions) else "frame_stride", 1)
    return frames


def folded(layer: BeforeLayer) -> BeforeLayer:
    """The options of the layer that it is after its conversion: without batch normalization."""
    other: Any = layer
    return replace(other, norm=False) if getattr(layer, "norm", False) else layer


def _windows(options: Conv2dOptions | DepthwiseConv2dOptions) -> dict[str, int]:
    names = ("stride", "below", "above", "frame_dilation", "dilation", "frame_stride")
    return {name: getattr(options, name) for name in names}
