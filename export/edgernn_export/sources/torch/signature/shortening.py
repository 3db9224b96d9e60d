"""A shorter example in place of a long one, so that no conversion takes longer for it."""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from edgernn.model.cell import input_width, is_join
from edgernn.model.graph import Graph

STEPS = (97, 1009)
"""About how many steps are tried, shortest first; convolutions without padding may need the second."""


def shortened(module: nn.Module, example: Any, time_axis: int | None) -> Iterator[tuple[int, int, Any]]:
    """Yield (axis, length, example) for each example to try before the whole one; none when that is short.

    Frames are taken at equal distances, so that their mean and spread stay those of the whole example. The number of
    steps is a prime that is no size of a weight, since conversions tell axes apart by their lengths.
    """
    first = next((leaf for leaf in pytree.tree_leaves(example) if isinstance(leaf, Tensor)), None)
    if first is None or not isinstance(module, nn.Module):
        return
    shape = tuple(first.shape)
    axes = sorted(range(len(shape)), key=lambda axis: -shape[axis])
    if isinstance(time_axis, int):
        axes = [axis for axis in axes if axis == time_axis % len(shape)]
    for about in STEPS:
        for axis in axes:
            if shape[axis] > 2 * about:
                steps = _unlike(about, _sizes(module, shape))
                yield axis, shape[axis], _with_length(example, axis, shape[axis], steps)


def lengthened(example: tuple[Any, ...], axis: int, length: int) -> tuple[Any, ...]:
    """Return zeros shaped as the example, but of another length; no memory is touched until they are read."""
    steps = example[0].shape[axis]

    def zeros(leaf: Tensor) -> Tensor:
        if leaf.dim() <= axis or leaf.shape[axis] != steps:
            return leaf
        return torch.zeros((*leaf.shape[:axis], length, *leaf.shape[axis + 1 :]), dtype=leaf.dtype)

    longer: tuple[Any, ...] = pytree.tree_map_only(Tensor, zeros, example)
    return longer


def memory(graph: Graph) -> int:
    """Return how many frames the states can hold, at most: each frame takes an element of a state."""
    cells = [layer.cell for layer in graph.layers if not is_join(layer.cell)]
    return sum(-(-size // (input_width(cell) or 1)) for cell in cells for size in cell.states.values())


def _sizes(module: nn.Module, shape: tuple[int, ...]) -> set[int]:
    """Return the lengths of the axes of everything that the module holds and of the example."""
    held = [*module.parameters(), *module.buffers()]
    return {size for tensor in held if not is_lazy(tensor) for size in tensor.shape} | {*shape, prod(shape)}


def _unlike(about: int, sizes: set[int]) -> int:
    """Return the first prime from `about` on that divides none of the sizes."""
    steps = about
    while any(steps % each == 0 for each in range(2, int(steps**0.5) + 1)) or any(s % steps == 0 for s in sizes if s):
        steps += 1
    return steps


def _with_length(example: Any, axis: int, length: int, steps: int) -> Any:
    chosen = torch.arange(steps) * (length - 1) // (steps - 1)

    def shorter(leaf: Tensor) -> Tensor:
        if leaf.dim() <= axis or leaf.shape[axis] != length:
            return leaf
        return leaf.detach().index_select(axis, chosen.to(leaf.device))

    return pytree.tree_map_only(Tensor, shorter, example)
