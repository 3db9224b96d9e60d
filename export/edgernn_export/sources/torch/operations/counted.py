"""Running sums over time, as the running mean times the number of frames; a division by that number leaves the mean.

A sum itself is no state of a stream: it grows without bound, and loses the frames once it is large. So cumulative
means, variances and norms, which divide sums by counts, are read as arithmetic on means.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from edgernn.cells import CumulativeMean
from edgernn_export.sources.torch.layers.axes import MOVES, RESHAPES, SAME
from edgernn_export.sources.torch.layers.builder import Builder, op_of
from edgernn_export.sources.torch.layers.value import Counted, Flowing, Value

GROWS = (
    "it takes a running sum over time (torch.cumsum), which grows without bound, so that a long stream loses its "
    "frames in rounding; divide the sum by the number of frames first, and by nothing else: x.cumsum(1) / "
    "torch.arange(1, x.shape[1] + 1)[:, None]"
)

OTHER = (
    "its constant changes over time otherwise than the number of frames so far (1, 2, 3, ... or a multiple), by which "
    "a running sum must be divided; divide by that number alone"
)

AS = {"expand_as", "view_as", "reshape_as", "type_as", "broadcast_to"}
"""Operations that use only the shape and type of their second argument."""

LINEAR = {*MOVES, *RESHAPES, *SAME, *AS, "expand", "neg", "sum", "mean", "slice", "repeat", "flip"}
"""Operations that keep a factor which is the same for all elements of a frame."""


def running_sum(b: Builder, x: Value) -> Counted:
    """Convert cumsum over time: the mean of the frames so far, times their number."""
    return Counted(b.carried(CumulativeMean(x.width), x), 1)


def of_counted(b: Builder, handler: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Convert an operation on running sums by its handler, on the values without their counts."""
    op, first = op_of(b.node), args[0]
    if op in LINEAR and isinstance(first, Counted):
        return replace(first, value=handler(b, first.value, *args[1:], **kwargs))
    if op in AS:
        return handler(b, *args, **kwargs)
    if len(args) < 2:
        raise b.refuse(GROWS)
    (x, power), (y, other) = (_parted(b, each, op) for each in args[:2])
    match op:
        case "mul":
            total = power + other
        case "div" | "true_divide":
            total = power - other
        case "add" | "sub" | "rsub" if power == other:
            total = power
        case _:
            raise b.refuse(GROWS)
    z = handler(b, x, y, *args[2:], **kwargs)
    return Counted(z, total) if total else z


def _parted(b: Builder, x: Any, op: str) -> tuple[Any, int]:
    """Return an operand without the number of frames, and the power of it that it had."""
    if isinstance(x, Counted):
        return x.value, x.power
    if not isinstance(x, torch.Tensor) or isinstance(x, Flowing) or op not in {"mul", "div", "true_divide"}:
        return x, 0
    time = _time_of(b, x)
    if time is None:
        return x, 0
    count = torch.arange(1, x.shape[time] + 1, dtype=torch.float64).reshape(-1, *[1] * (x.dim() - time - 1))
    first = x.narrow(time, 0, 1)
    for power in (1, -1):
        if torch.allclose(x.double(), first.double() * count**power, rtol=1e-12, atol=0):
            return first.double(), power
    if not torch.equal(x, first.expand(x.shape)):
        raise b.refuse(OTHER)
    return x, 0


def _time_of(b: Builder, constant: torch.Tensor) -> int | None:
    """Return the axis of a constant that meets the time axis of the running sum; None where it has none."""
    counted = next(each for each in b.arguments.values() if isinstance(each, Counted))
    if counted.value.time is None:
        return None
    axis = counted.value.time - len(counted.shape) + constant.dim()
    return axis if axis >= 0 and constant.shape[axis] > 1 else None
