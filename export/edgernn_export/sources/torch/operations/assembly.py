"""Operations that put values together from parts of others: joins on any axis of a frame, and writes into slices."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.fx import Node

from edgernn_export.sources.torch.layers.axes import MOVES, RESHAPES, SAME, moved
from edgernn_export.sources.torch.layers.builder import Builder, op_of
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.parts import Operand, Parts, parts_of, together
from edgernn_export.sources.torch.operations.pointwise import concat


def _applied(
    b: Builder, operands: Sequence[Operand], function: Callable[..., torch.Tensor], time: int | None = None
) -> Parts:
    """Move elements as a function of tensors moves them; `time` is the time axis of its result, or as the first's."""
    parts = together(b, operands)
    first = next((each for each in parts if each.sources), parts[0])
    return Parts(
        first.sources,
        function(*(each.index for each in parts)),
        function(*(each.constant for each in parts)),
        first.time if time is None else time,
        first.length,
    )


def written(b: Builder, x: Operand, y: Operand, axis: int = 0, *where: Any) -> Parts:
    """Convert slice_scatter and select_scatter, which write y into a part of x."""
    operation: Any = {"slice_scatter": torch.slice_scatter, "select_scatter": torch.select_scatter}[op_of(b.node)]
    _check_time(b, x, axis, where)
    return _applied(b, (x, y), lambda one, other: operation(one, other, axis, *where))


def put(b: Builder, x: Operand, places: Sequence[Any], y: Operand, accumulate: bool = False) -> Parts:
    """Convert index_put, which writes y at constant places of x."""
    if accumulate or any(isinstance(place, Flowing | Parts) for place in places):
        raise b.refuse("it writes to places that are computed, or adds to what is there; write to fixed slices")
    for axis, place in enumerate(places):
        if place is not None:
            _check_time(b, x, axis, (place,))
    return _applied(b, (x, y), lambda one, other: torch.ops.aten.index_put(one, list(places), other))


def is_overwritten(node: Node) -> bool:
    """Whether an operation computes what is only written over."""
    return bool(node.users) and all(
        op_of(user) in {"copy", "fill", "zero"} and user.args[0] is node and node not in user.args[1:]
        for user in node.users
    )


def overwritten(b: Builder, _: Operand, y: Operand, *__: Any) -> Any:
    """Convert copy and fill: y in the shape of what it is written over."""
    shape = b.shape
    if isinstance(y, Flowing | Parts) and tuple(y.shape) == shape:
        return y
    if not isinstance(y, Flowing | Parts):
        return torch.as_tensor(y, dtype=torch.float64).expand(shape)
    value = parts_of(b, y, None)
    time = None if value.time is None else value.time + len(shape) - len(value.shape)
    if time is not None and shape[time] != value.length:
        raise b.refuse(f"it writes a sequence {value.shape} into a part of shape {shape}; expected as many steps")
    one = [1 if axis == time else length for axis, length in enumerate(shape)]
    return replace(value, index=value.index.expand(one), constant=value.constant.expand(one), time=time)


def cat(b: Builder, xs: Sequence[Operand], axis: int = 0) -> Any:
    """Convert cat on any axis of features; on the time axis it is padding."""
    axis %= len(b.shape)
    values = [x for x in xs if isinstance(x, Flowing | Parts)]
    if any(isinstance(x, Value) and x.time == axis for x in values):
        return concat(b, xs, axis)
    return _applied(b, xs, lambda *each: torch.cat(each, axis))


def stack(b: Builder, xs: Sequence[Operand], axis: int = 0) -> Parts:
    """Convert stack along a new axis of a frame."""
    axis %= len(b.shape)
    time = next((x.time for x in xs if isinstance(x, Value | Parts) and x.time is not None), None)
    return _applied(b, xs, lambda *each: torch.stack(each, axis), None if time is None else time + (axis <= time))


def rearranged(b: Builder, x: Parts, *args: Any) -> Parts | None:
    """Convert an operation of axes.py, slice or select on a value that no layer computes yet; None if it cannot be."""
    op = op_of(b.node)
    if op in {"slice", "select"}:
        axis = (args[0] if args else 0) % len(x.shape)
        if axis == x.time:
            return None
        time = None if x.time is None else x.time - (op == "select" and axis < x.time)
        cut = _slice if op == "slice" else torch.select
        return replace(x, index=cut(x.index, *args), constant=cut(x.constant, *args), time=time)
    axes = moved(op, x.shape, args, b.shape)
    if x.time is not None and x.time not in axes:
        return None
    time = None if x.time is None else axes.index(x.time)
    if op in SAME:
        return x
    if op in RESHAPES:
        shape = [1 if axis == time else length for axis, length in enumerate(b.shape)]
        return replace(x, index=x.index.reshape(shape), constant=x.constant.reshape(shape), time=time)
    target: Any = b.node.target
    return replace(x, index=target(x.index, *args), constant=target(x.constant, *args), time=time)


def _slice(x: torch.Tensor, axis: int = 0, start: int | None = None, stop: int | None = None, step: int = 1) -> Any:
    return torch.ops.aten.slice.Tensor(x, axis, start, stop, step)


def _check_time(b: Builder, x: Operand, axis: int, where: Sequence[Any]) -> None:
    """Refuse a write at some steps alone; a slice of all steps is none."""
    time, shape = getattr(x, "time", None), tuple(b.shape)
    if time is None or axis % len(shape) != time:
        return
    whole = op_of(b.node) == "slice_scatter" and slice(*where[:2]).indices(shape[time]) == (0, shape[time], 1)
    if not whole or where[2:] not in {(), (1,)}:
        raise b.refuse("it writes at some steps of a sequence; only features can be written by slices")


REARRANGES = frozenset(SAME | MOVES | RESHAPES | {"slice"})
"""ATen operations that only rearrange, which a value in parts passes before a layer computes it."""

ASSEMBLY: dict[str, Callable[..., Any]] = {
    "slice_scatter": written,
    "select_scatter": written,
    "index_put": put,
    **dict.fromkeys(("copy", "fill"), overwritten),
    "zero": lambda b, _: overwritten(b, _, 0.0),
    "cat": cat,
    "stack": stack,
}
"""ATen operation -> its handler, which takes values in parts too."""
