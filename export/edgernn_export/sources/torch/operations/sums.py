"""Sums, means, variances and extremes over inner axes of a frame; over time, running ones that the caller asks for."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from edgernn.cells import Activation, CumulativeMean, Product, Reduce, RunningMaximum, Sum
from edgernn_export.sources.torch.layers.builder import Builder, op_of
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.broadcast import frame_shape, joined, scaled
from edgernn_export.sources.torch.operations.pointwise import frame

Axes = Sequence[int]

RUNNING: dict[str, Any] = {"mean": CumulativeMean, "max": RunningMaximum}
"""What from_torch's `running=` may name -> the cell of the same over all frames so far."""


def axes_of(x: Value, axes: Any) -> Axes:
    """Return the axes that an operation runs over, from 0 on; all where it names none."""
    named = [axes] if isinstance(axes, int) else axes or range(len(x.shape))
    return sorted({axis % len(x.shape) for axis in named})


def over(b: Builder, x: Flowing, axes: Any) -> tuple[Value, Axes]:
    """Return the input of an operation, and the axes of a frame that it runs over; refuse it over time."""
    value = frame(b, x)
    among = axes_of(value, axes)
    if value.time in among:
        raise b.refuse()
    check_one_sequence(b, value)
    return value, among


def check_one_sequence(b: Builder, x: Value) -> None:
    """Refuse a batch, whose sequences would be taken for parts of one frame."""
    if b.batch and x.shape[-1] != x.width:
        raise b.refuse(f"its input has shape {x.shape}, as a batch has; pass one sequence as the example")


def reduced(b: Builder, x: Value, axes: Axes, kind: str) -> Value:
    """Add the sum, mean or largest number over axes of a frame, which keep a length of 1.

    Neighbouring axes are one.
    """
    lengths = frame_shape(x)
    long = [axis for axis, length in enumerate(lengths) if length > 1]
    runs: list[list[int]] = []
    for place, axis in enumerate(long):
        if axis not in axes:
            continue
        if runs and runs[-1][-1] == long[place - 1]:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    for run in reversed(runs):
        size, inner = prod(lengths[axis] for axis in run), prod(frame_shape(x)[run[-1] + 1 :])
        shape = tuple(1 if axis in run else length for axis, length in enumerate(x.shape))
        x = b.then(Reduce(x.width, size, inner, kind), x, shape=shape)
    return x


def result(b: Builder, x: Value, axes: Axes, place: int = 0) -> Value:
    """Return a reduced value in the shape of the operation's result, or of one of its results."""
    meta = b.node.meta["val"]
    shape = tuple((meta[place] if isinstance(meta, tuple | list) else meta).shape)
    if len(shape) == len(x.shape) or x.time is None:
        return x.at(shape, x.time)
    return x.at(shape, x.time - sum(axis < x.time for axis in axes))


def statistic(b: Builder, x: Flowing, axes: Any, kind: str) -> Value:
    """Convert a mean, sum or maximum; over time, the running one where the caller asks for it."""
    value = frame(b, x)
    among = axes_of(value, axes)
    if value.time in among and kind in b.running:
        check_one_sequence(b, value)
        b.taken[b.node] = value
        inner = reduced(b, value, [axis for axis in among if axis != value.time], kind)
        return result(b, so_far(b, inner, kind), among)
    value, among = over(b, x, axes)
    return result(b, reduced(b, value, among, kind), among)


def so_far(b: Builder, x: Value, kind: str) -> Value:
    """Add the mean or maximum of all frames so far, which takes the place of the one over time."""
    b.ran.add(kind)
    return b.carried(RUNNING[kind](x.width), x).at(tuple(frame_shape(x)), None)


def average(b: Builder, x: Flowing, axes: Any = None, *_: Any, **__: Any) -> Value:
    """Convert mean and sum."""
    return statistic(b, x, axes, op_of(b.node))


def centred(b: Builder, x: Value, axes: Axes) -> tuple[Value, Value]:
    """Return x less its mean, and the mean."""
    mean = reduced(b, x, axes, "mean")
    return joined(b, Sum(), x, scaled(b, mean, -1.0)), mean


def spread_of(b: Builder, x: Flowing) -> tuple[Value, Value, Axes]:
    """Return the variance over axes, sum((x - mean)^2) / (n - correction), the mean, and the axes; they are kept."""
    value, axes = over(b, x, b.arguments.get("dim"))
    correction = b.arguments.get("correction")
    less = float(b.arguments.get("unbiased", True) if correction is None else correction)
    count = prod(value.shape[axis] for axis in axes)
    if count <= less:
        raise b.refuse(f"the variance of {count} value with a correction of {less:g} is undefined")
    apart, mean = centred(b, value, axes)
    squares = b.then(Product(), apart, apart, shape=apart.shape)
    return scaled(b, reduced(b, squares, axes, "sum"), 1 / (count - less)), mean, axes


def variance(b: Builder, x: Flowing, *_: Any, **__: Any) -> Any:
    """Convert var and std, alone or together with the mean."""
    value, mean, axes = spread_of(b, x)
    if "std" in op_of(b.node):
        value = b.then(Activation("sqrt"), value, shape=value.shape)
    y = result(b, value, axes)
    return (y, result(b, mean, axes, 1)) if "mean" in op_of(b.node) else y


def largest(b: Builder, x: Flowing, axes: Any = None, *_: Any, **__: Any) -> Any:
    """Convert max, min, amax, amin, any and all; the position of the largest has no operation."""
    op, pair = op_of(b.node), isinstance(b.node.meta["val"], tuple | list)
    if pair and any(user.args[1] == 1 and user.users for user in b.node.users):
        raise b.refuse("no operation finds the position of the largest value; do so after the step")
    if op in {"max", "amax", "any"}:
        y = statistic(b, x, axes, "max")
    else:
        y = scaled(b, statistic(b, scaled(b, frame(b, x), -1.0), axes, "max"), -1.0)
    return (y, None) if pair else y


def log_sum_exp(b: Builder, x: Flowing, axes: Any, *_: Any, **__: Any) -> Value:
    """Convert logsumexp: the largest, plus log(sum(exp(x - largest)))."""
    value, among = over(b, x, axes)
    most = reduced(b, value, among, "max")
    apart = joined(b, Sum(), value, scaled(b, most, -1.0))
    total = reduced(b, b.then(Activation("exp"), apart, shape=apart.shape), among, "sum")
    return result(b, joined(b, Sum(), most, b.then(Activation("log"), total, shape=total.shape)), among)


def extreme_so_far(b: Builder, x: Flowing, axis: int) -> Any:
    """Convert cummax and cummin over time."""
    value = frame(b, x)
    if axis % len(value.shape) != value.time:
        raise b.refuse("it runs over the features of a frame; write it with torch.maximum of slices")
    if any(user.args[1] == 1 and user.users for user in b.node.users):
        raise b.refuse("no operation finds the position of the largest value; take its values alone")
    sign = 1.0 if op_of(b.node) == "cummax" else -1.0
    y = scaled(b, value, sign) if sign < 0 else value
    y = b.carried(RunningMaximum(value.width), y)
    return (scaled(b, y, sign) if sign < 0 else y), None


def adaptive(b: Builder, x: Flowing, lengths: Any) -> Any:
    """Convert adaptive pooling: over parts of a frame of equal length; over time, to one, as the mean or maximum."""
    value = frame(b, x)
    lengths = [lengths] if isinstance(lengths, int) else lengths
    op = op_of(b.node)
    kind = "max" if "max" in op else "mean"
    if kind == "max" and any(user.args[1] == 1 and user.users for user in b.node.users):
        raise b.refuse("no operation finds the position of the largest value; take its values alone")
    first = len(value.shape) - len(lengths)
    y, steps = value, None
    for axis, length in enumerate(lengths, first):
        before = value.shape[axis]
        if axis == value.time:
            steps = length
        elif before % length:
            raise b.refuse(
                f"it makes {length} of {before} features, whose windows differ in size; let one divide the other"
            )
        elif length < before:
            inner = prod(frame_shape(y)[axis + 1 :])
            shape = (*y.shape[:axis], length, *y.shape[axis + 1 :])
            y = b.then(Reduce(y.width, before // length, inner, kind), y, shape=shape)
    if steps is not None and steps != value.length:
        if steps != 1 or kind not in b.running:
            raise b.refuse()
        b.taken[b.node] = value
        y = so_far(b, y, kind)
    return (y, None) if isinstance(b.node.meta["val"], tuple | list) else y


SUMS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("mean", "sum"), average),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), variance),
    **dict.fromkeys(("max", "min", "amax", "amin", "any", "all"), largest),
    "logsumexp": log_sum_exp,
    **dict.fromkeys(("cummax", "cummin"), extreme_so_far),
    **{f"adaptive_{kind}_pool{d}d": adaptive for kind in ("avg", "max") for d in (1, 2)},
}
"""ATen operation -> its handler, over inner axes of a frame."""
