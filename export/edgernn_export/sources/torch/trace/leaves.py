"""Leaves: modules that are one cell each; a stand-in takes their place while a module is traced.

A leaf is called as leaf(x), which returns y or (y, states), or as leaf(x, states) with a tuple of states, which returns
(y, states); x and y are (..., time, features), a state is (..., width).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from edgernn.errors import UnsupportedError
from edgernn.model.cell import dimensions
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer

LEAF = "edgernn::leaf"
LEAF_STATES = "edgernn::leaf_states"


@torch.library.custom_op(LEAF, mutates_args=())
def leaf(x: Tensor, path: str, width: int) -> Tensor:
    """Stand for a user's module that is one cell, as a whole operation in the trace."""
    raise RuntimeError(f"leaf '{path}' {tuple(x.shape)} -> {width} stands for a module and computes nothing itself")


@leaf.register_fake
def _(x: Tensor, path: str, width: int) -> Tensor:
    del path
    return x.new_empty((*x.shape[:-1], width))


@torch.library.custom_op(LEAF_STATES, mutates_args=())
def leaf_states(x: Tensor, path: str, width: int, states: list[Tensor]) -> list[Tensor]:
    """Stand for a module that is one cell and takes its states: the output, then the states after it."""
    raise RuntimeError(
        f"leaf '{path}' {tuple(x.shape)} -> {width} with {len(states)} states stands for a module and computes nothing"
    )


@leaf_states.register_fake
def _(x: Tensor, path: str, width: int, states: list[Tensor]) -> list[Tensor]:
    del path
    return [x.new_empty((*x.shape[:-1], width)), *(state.new_empty(state.shape) for state in states)]


class _Leaf(nn.Module):
    """The stand-in for a leaf while the module is traced."""

    def __init__(self, path: str, width: int, pair: bool) -> None:
        super().__init__()
        self.path, self.width, self.pair = path, width, pair

    def forward(self, x: Tensor, states: tuple[Tensor, ...] | None = None) -> Any:
        if states is not None:
            y, *after = torch.ops.edgernn.leaf_states(x, self.path, self.width, list(states))
            return y, tuple(after)
        y = torch.ops.edgernn.leaf(x, self.path, self.width)
        return (y, None) if self.pair else y


def cell_of(module: nn.Module) -> Any:
    """Return the cell of a leaf."""
    edgernn_cell: Any = module.edgernn_cell
    return edgernn_cell()


def output_of(module: nn.Module, x: Tensor, states: Sequence[Tensor] | None = None) -> Any:
    """Run a leaf: its output; where it takes its states, a list of the output and the states after it."""
    if states is not None:
        y, after = module(x, tuple(states))
        return [y, *after]
    y = module(x)
    return y[0] if isinstance(y, tuple) else y


def is_leaf(node: Node) -> bool:
    """Whether the operation stands for a user's module."""
    return str(node.target).startswith("edgernn.leaf")


def with_leaves(module: nn.Module, pairs: Mapping[str, bool]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return a copy of the module with a stand-in for each leaf, and the leaves by path."""
    if not pairs:
        return module, {}
    leaves = {path: module.get_submodule(path) for path in pairs}
    substituted = copy.deepcopy(module)
    for path, inner in leaves.items():
        width = _width(path, inner)
        if path:
            substituted.set_submodule(path, _Leaf(path, width, pairs[path]))
        else:
            substituted = nn.Sequential(_Leaf(path, width, pairs[path]))
    return substituted, leaves


def _width(path: str, inner: nn.Module) -> int:
    cell = cell_of(inner)
    inputs = dimensions(cell).get("inputs")
    if inputs is None:
        raise UnsupportedError(f"the cell of module '{path}' declares no dimension 'inputs'; a leaf needs it")
    return Graph((Layer("leaf", cell),), inputs).outputs
