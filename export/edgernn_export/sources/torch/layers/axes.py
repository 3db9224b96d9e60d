"""Axes under operations that only rearrange a tensor: which axis of the operand each axis of the result is."""

from collections.abc import Sequence
from math import prod
from typing import Any

SAME = {
    "alias", "clone", "contiguous", "detach", "detach_", "dropout", "feature_dropout", "lift_fresh", "lift_fresh_copy",
    "native_dropout", "to", "_to_copy", "type_as",
}  # fmt: skip
RESHAPES = {"flatten", "reshape", "unflatten", "view", "_unsafe_view", "view_as", "reshape_as"}
MOVES = {
    "movedim",
    "moveaxis",
    "mT",
    "numpy_T",
    "permute",
    "select",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unsqueeze",
}

GETITEM = "<built-in function getitem>"
"""The operation that selects one of several results."""

Axes = tuple[int | None, ...]


def moved(op: str, shape: Sequence[int], args: Sequence[Any], result: Sequence[int]) -> Axes:
    """Return, for each axis of the result, the corresponding axis of the operand; None for a new axis.

    Args:
        op: the name of an ATen operation, without its overload.
        shape: the shape of the operand.
        args: the arguments after the operand.
        result: the shape of the result.
    """
    axes = list(range(len(shape)))
    match op:
        case "transpose" | "swapaxes" | "swapdims":
            a, b = (axis % len(axes) for axis in args[:2])
            axes[a], axes[b] = axes[b], axes[a]
        case "permute":
            axes = [axis % len(axes) for axis in args[0]]
        case "movedim" | "moveaxis":
            return _movedim(len(axes), *([a] if isinstance(a, int) else list(a) for a in args[:2]))
        case "t" | "mT" | "numpy_T":
            axes = [*axes[:-2], *reversed(axes[-2:])]
        case "select" | "unbind":
            del axes[(args[0] if args else 0) % len(axes)]
        case "squeeze":
            named = range(len(axes)) if not args else [args[0]] if isinstance(args[0], int) else args[0]
            dropped = {axis % len(axes) for axis in named if shape[axis] == 1}
            axes = [axis for axis in axes if axis not in dropped]
        case "unsqueeze":
            at = args[0] % (len(axes) + 1)
            return (*axes[:at], None, *axes[at:])
        case "embedding" | "view_as_real":
            return (*axes, None)
        case "stft":
            return (*axes[:-1], None, axes[-1])
        case _ if op in RESHAPES:
            return tuple(_same_place(shape, result, axis) for axis in range(len(result)))
        case _ if len(result) != len(shape):
            return (None,) * len(result)
    return tuple(axes)


def _movedim(count: int, sources: list[int], targets: list[int]) -> Axes:
    placed = {target % count: source % count for source, target in zip(sources, targets, strict=True)}
    others = iter(axis for axis in range(count) if axis not in placed.values())
    return tuple(placed[axis] if axis in placed else next(others) for axis in range(count))


def _same_place(shape: Sequence[int], result: Sequence[int], axis: int) -> int | None:
    """Return the axis of `shape` with the same length and the same number of elements before it."""
    for old, length in enumerate(shape):
        if length == result[axis] and length > 1 and prod(shape[:old]) == prod(result[:axis]):
            return old
    return None
