"""The time axis of the example: an axis that a recurrent layer or a convolution runs over."""

from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError, UsageError
from edgernn_export.sources.torch.layers.axes import GETITEM, moved
from edgernn_export.sources.torch.layers.builder import op_of
from edgernn_export.sources.torch.operations.recurrent import axis_of
from edgernn_export.sources.torch.trace.tracing import Traced

Axis = int | Node
"""An axis of the example, or the operation that created a new axis."""


def time_axes(traced: Traced, time_axis: int | None) -> tuple[int | None, ...]:
    """Return the axes of the example that may be time, the likeliest first; None where a module takes one frame.

    It is the axis of the first recurrent layer, unless that runs over parts of a frame, such as frequencies; then it is
    the axis of another.

    Args:
        traced: the module and its example.
        time_axis: the axis that the caller states, or None.

    Raises:
        UsageError: no layer shows it and the caller does not state it, or the example has no such axis.
        UnsupportedError: recurrence runs over an axis that the module creates, or over a single step.
    """
    shape = tuple(traced.example[0].shape)
    if time_axis is not None and not isinstance(time_axis, int):
        raise UsageError(f"time_axis={time_axis!r} arrived; expected a number from 0 to {len(shape) - 1}")
    if time_axis is None and _is_step(traced, shape):
        return (None,)
    axes = (time_axis,) if time_axis is not None else _from_layers(traced, shape)
    if not -len(shape) <= axes[0] < len(shape):
        raise UsageError(f"time_axis={axes[0]} of an example of shape {shape}; expected 0 to {len(shape) - 1}")
    axes = tuple(axis % len(shape) for axis in axes)
    long = tuple(axis for axis in axes if shape[axis] > 1)
    if not long:
        raise UnsupportedError(
            f"the example {shape} has {shape[axes[0]]} step on its time axis {axes[0]}; pass at least two"
        )
    return long


def _is_step(traced: Traced, shape: tuple[int, ...]) -> bool:
    """Whether the module takes one frame and its states: layers run over one step of time, or over none."""
    shown = next(iter(_shown(traced)), None)
    cells = any("_cell." in str(node.target) for node in traced.nodes)
    if shown is None:
        return len(traced.inputs) > 1 or cells
    layer, axis = shown
    if len(traced.inputs) == 1:
        return False
    convolves = axis_of(layer) is None
    if convolves and (cells or isinstance(axis, Node)):  # over a part of the frame, or over frames that it is passed
        return True
    return _steps(layer) == 1 if isinstance(axis, Node) else shape[axis] == 1


def _steps(layer: Node) -> int:
    """Return how many steps the operand of a recurrent operation, or of a convolution, has."""
    operand: Any = layer.args[0]
    axis = axis_of(layer)
    return int(operand.meta["val"].shape[-1 if axis is None else axis])


def _from_layers(traced: Traced, shape: tuple[int, ...]) -> tuple[int, ...]:
    shown = _shown(traced)
    if not shown:
        raise UsageError(f"no recurrent layer or convolution shows which axis of {shape} is time; pass time_axis=")
    axes = dict.fromkeys(axis for _, axis in shown if isinstance(axis, int))
    layer, axis = shown[0]
    if not axes and isinstance(axis, Node):
        loses = _first_loss(axis, shape)
        lost = "" if loses in {None, axis} else f" (after '{op_of(loses)}' has joined or removed axes of it)"
        raise UnsupportedError(
            f"'{op_of(layer)}' runs over an axis that '{op_of(axis)}' creates inside the module, not over an axis of "
            f"the example {shape}{lost}; let the module take the whole sequence and keep time as a separate axis, or "
            "pass one frame and its state to nn.RNNCell, nn.GRUCell or nn.LSTMCell"
        )
    return tuple(axes)


def _first_loss(node: Node, shape: tuple[int, ...]) -> Node | None:
    """Return the first operation, before this one, whose result lacks an axis of the example that is longer than 1."""
    first = None
    while node.op == "call_function":
        source = next((arg for arg in pytree.tree_leaves(node.args) if isinstance(arg, Node)), None)
        if source is None:
            break
        before, after = (_lengths(each) for each in (source, node))
        if any(length > 1 and length in before and length not in after for length in shape):
            first = node
        node = source
    return first


def _lengths(node: Node) -> tuple[int, ...]:
    meta: Any = node.meta.get("val")
    return tuple(getattr(meta, "shape", ()))


def _shown(traced: Traced) -> list[tuple[Node, Axis]]:
    """Return the recurrent operations, or else the first convolution, and the axis that each runs over."""
    axes: dict[Node, tuple[Axis, ...]] = {traced.inputs[0]: tuple(range(traced.inputs[0].meta["val"].dim()))}
    convolved: list[tuple[Node, Axis]] = []
    shown: list[tuple[Node, Axis]] = []
    for node in traced.nodes:
        source = next((arg for arg in pytree.tree_leaves(node.args) if arg in axes), None)
        if (
            node.op != "call_function"
            or source is None
            or not isinstance(node.meta["val"], torch.Tensor | tuple | list)
        ):
            continue
        runs_over = axis_of(node)
        if runs_over is not None:
            shown.append((node, axes[source][runs_over]))
        if op_of(node) in {"conv1d", "stft"} and not convolved:
            convolved = [(node, axes[source][-1])]
        result: Any = node.meta["val"]
        result = result[0] if isinstance(result, tuple | list) else result  # the parts of a split have equal axes
        if op_of(node) == GETITEM:
            axes[node] = axes[source]
        elif isinstance(result, torch.Tensor):
            args = node.args[1:] if source is node.args[0] else ()
            origin = moved(op_of(node), source.meta["val"].shape, args, result.shape)
            axes[node] = tuple(node if old is None else axes[source][old] for old in origin)
    return shown or convolved
