"""Windows over time: the strides, padding and lateness of convolutions and pooling."""

from dataclasses import dataclass, replace

from edgernn.cells import Mute, Shift
from edgernn_export.sources.torch.layers.builder import Builder
from edgernn_export.sources.torch.layers.value import Value


@dataclass(frozen=True)
class Windows:
    """Windows over the time axis of a value.

    Attributes:
        size: taps.
        dilation: frames from one tap to the next.
        stride: frames from one window to the next.
        left, right: frames of padding.
    """

    size: int
    dilation: int = 1
    stride: int = 1
    left: int = 0
    right: int = 0


def sides(padding: int | str, reach: int) -> tuple[int, int]:
    """Return the padding before and behind a sequence; `reach` is from the first tap to the last."""
    if padding == "valid":
        return 0, 0
    return (reach // 2, reach - reach // 2) if padding == "same" else (int(padding), int(padding))


def placed(b: Builder, x: Value, windows: Windows) -> tuple[Value, int, Value]:
    """Return the value to read, the age of each window in its step, and the result, which still has the layer of x.

    A window is computed in the step in which its last frame arrives. Its age is how many frames of that step follow.
    """
    if windows.left and x.lead < 0:
        x = muted(b, x)
    wanted = (windows.size - 1) * windows.dilation - windows.left - x.lead - (windows.stride - 1)
    late = -(-wanted // windows.stride)
    right = x.right + windows.right * x.every
    after = replace(x, shape=b.shape, lead=-late, every=x.every * windows.stride, right=right)
    return x, late * windows.stride - wanted, after


def muted(b: Builder, x: Value) -> Value:
    """Return a late value with zeros in the steps before its first position, as padding has them."""
    if x.layer not in b.muted:
        b.muted[x.layer] = b.add(Mute(x.width, -x.lead), [x], "_muted")
    return x.of(b.muted[x.layer])


def shifted(b: Builder, x: Value, frames: int) -> Value:
    """Return a value that is late by so many steps more."""
    if not frames:
        return x
    layer = b.add(Shift(x.width, frames), [x], "_shifted")
    return replace(x, layer=layer, lead=x.lead - frames, right=x.right + frames * x.every)


def aligned(b: Builder, *values: Value) -> tuple[Value, ...]:
    """Return values that a join can take: those that are earlier than another are shifted.

    Raises:
        UnsupportedError: one is the last step and another a sequence, or they have other strides.
    """
    if len({(value.time is None, value.length) for value in values}) > 1:
        raise b.refuse("its operands belong to different steps: one is the last step and the other a sequence")
    if len({value.every for value in values}) > 1:
        strides = ", ".join(str(value.every) for value in values)
        raise b.refuse(f"its operands have a position every {strides} frames; give them the same strides over time")
    if values[0].time is None:
        latest = max(value.delay for value in values)
        return tuple(shifted(b, value, latest - value.delay) for value in values)
    first = min(value.lead for value in values)
    return tuple(shifted(b, value, value.lead - first) for value in values)
