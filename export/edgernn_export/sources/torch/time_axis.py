"""Which axis of the example is time: the one that the first recurrent layer or convolution runs over."""

from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError, UsageError
from edgernn_export.sources.torch.axes import GETITEM, moved
from edgernn_export.sources.torch.builder import op_of
from edgernn_export.sources.torch.recurrent import time_axis
from edgernn_export.sources.torch.tracing import Traced

Axis = int | Node
"""An axis of the example, or the operation that made an axis of its own."""


def time_of(traced: Traced, given: int | None) -> int | None:
    """The axis of time in the example; None when the module takes one frame at a time.

    Args:
        traced: the module and its example.
        given: what the caller says it is.

    Raises:
        UsageError: no layer shows it and the caller does not say it, or there is no such axis.
        UnsupportedError: recurrence runs over an axis that the module makes itself, or over a single step.
    """
    shape = tuple(traced.example[0].shape)
    if given is not None and not isinstance(given, int):
        raise UsageError(f"time_axis={given!r} arrived; expected a number from 0 to {len(shape) - 1}")
    if given is None and any("_cell." in str(node.target) for node in traced.nodes) and _shown(traced) is None:
        return None
    axis = given if given is not None else _found(traced, shape)
    if not -len(shape) <= axis < len(shape):
        raise UsageError(f"time_axis={axis} of an example of shape {shape}; expected 0 to {len(shape) - 1}")
    axis %= len(shape)
    if shape[axis] < 2:
        raise UnsupportedError(f"the example {shape} has {shape[axis]} step on its time axis {axis}; give at least two")
    return axis


def _found(traced: Traced, shape: tuple[int, ...]) -> int:
    shown = _shown(traced)
    if shown is None and len(traced.inputs) > 1:
        raise UnsupportedError(
            f"no nn.GRUCell or the like takes the {len(traced.inputs) - 1} tensors beside the frame {shape}, and no "
            "layer shows which axis is time: a cell that is written by hand is not recognized as one; give its module "
            "`edgernn_cell() -> Cell`, or use nn.RNNCell, nn.GRUCell or nn.LSTMCell"
        )
    if shown is None:
        raise UsageError(f"no recurrent layer or convolution shows which axis of {shape} is time; give time_axis=")
    layer, axis = shown
    if isinstance(axis, Node):
        raise UnsupportedError(
            f"'{op_of(layer)}' runs over an axis that '{op_of(axis)}' makes inside the module, not over one of the "
            f"example {shape}; let the module take the whole sequence and keep time an axis of its own, or give one "
            "frame and its state to nn.GRUCell or the like"
        )
    return axis


def _shown(traced: Traced) -> tuple[Node, Axis] | None:
    """The first recurrent operation, else the first convolution, and the axis that it runs over."""
    axes: dict[Node, tuple[Axis, ...]] = {traced.inputs[0]: tuple(range(traced.inputs[0].meta["val"].dim()))}
    convolved = None
    for node in traced.nodes:
        source = next((arg for arg in pytree.tree_leaves(node.args) if arg in axes), None)
        if (
            node.op != "call_function"
            or source is None
            or not isinstance(node.meta["val"], torch.Tensor | tuple | list)
        ):
            continue
        runs_over = time_axis(node)
        if runs_over is not None:
            return node, axes[source][runs_over]
        if op_of(node) == "conv1d" and convolved is None:
            convolved = node, axes[source][-1]
        made: Any = node.meta["val"]
        made = made[0] if isinstance(made, tuple | list) else made  # the parts of a split all have the same axes
        if op_of(node) == GETITEM:
            axes[node] = axes[source]
        elif isinstance(made, torch.Tensor):
            args = node.args[1:] if source is node.args[0] else ()
            origin = moved(op_of(node), source.meta["val"].shape, args, made.shape)
            axes[node] = tuple(node if old is None else axes[source][old] for old in origin)
    return convolved
