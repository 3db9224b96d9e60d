"""Folding: a scale directly after a dense or convolutional layer, or after another scale, merges into its weights."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from typing import Any

from edgernn.cells import Conv1d, Conv2d, Dense, DepthwiseConv2d, Scale, Slice
from edgernn.model.cell import tensors
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor


def needed(layers: Sequence[Layer], last: str, width: int) -> list[Layer]:
    """Return the layers that `last` depends on, in order, of which the last one answers with its output.

    Args:
        layers: in the order in which they run; delays may read later ones.
        last: the layer with the output.
        width: of the output.
    """
    names: set[str] = set()
    pending = {last}
    by_name = {layer.name: layer for layer in layers}
    while pending:
        name = pending.pop()
        names.add(name)
        if name in by_name:
            pending |= set(by_name[name].inputs) - names
    reached = [layer for layer in layers if layer.name in names]
    if reached and reached[-1].name == last:
        return reached
    return [*reached, Layer(next(unused(names)), Slice(width, 0, width), (last,))]


def unused(names: Collection[str]) -> Iterator[str]:
    """Iterate over names for an output that no layer has."""
    return (name for name in chain(["output"], (f"output_{i}" for i in count(2))) if name not in names)


def folded(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], dict[str, str]]:
    """Fold every scale that alone reads a linear layer; return the layers, and scale -> the layer it merged into."""
    done: list[Layer] = []
    renamed: dict[str, str] = {}
    for layer in layers:
        now = _renamed(layer, renamed)
        source = next((old for old in done if old.name == now.inputs[0]), None)
        if (
            isinstance(now.cell, Scale)
            and source is not None
            and _takes(source, now.cell)
            and _readers(layers, layer.inputs[0]) == 1
        ):
            done[done.index(source)] = replace(source, cell=_scaled(source.cell, now.cell))
            renamed[now.name] = source.name
        else:
            done.append(now)
    return tuple(_renamed(layer, renamed) for layer in done), renamed  # a delay reads later layers


def _renamed(layer: Layer, renamed: Mapping[str, str]) -> Layer:
    return replace(layer, inputs=tuple(renamed.get(name, name) for name in layer.inputs))


def _takes(layer: Layer, scale: Scale) -> bool:
    """Return whether the weights of a layer can take a scale of its output."""
    if layer.positions > 1:
        return False
    if isinstance(layer.cell, Scale):
        return True
    if isinstance(layer.cell, Conv2d | DepthwiseConv2d):
        rows = [part.stored.reshape(_outputs(layer.cell), -1) for part in (scale.by, scale.plus)]
        return all(bool((row == row[:, :1]).all()) for row in rows)
    plain = isinstance(layer.cell, Conv1d) or (isinstance(layer.cell, Dense) and layer.cell.activation == "linear")
    return plain and "w" in tensors(layer.cell)  # and not its factors


def _readers(layers: Sequence[Layer], name: str) -> int:
    return sum(layer.inputs.count(name) for layer in layers)


def _outputs(cell: Conv2d | DepthwiseConv2d) -> int:
    return cell.w.shape[0] if isinstance(cell, Conv2d) else cell.channels * cell.multiplier


def _scaled(cell: Any, scale: Scale) -> Any:
    by, plus = scale.by.stored, scale.plus.stored
    if isinstance(cell, Conv2d | DepthwiseConv2d):
        by, plus = (part.reshape(_outputs(cell), -1)[:, 0] for part in (by, plus))
    if isinstance(cell, Scale):
        return Scale(Tensor(cell.by.stored * by), Tensor(cell.plus.stored * by + plus))
    if isinstance(cell, DepthwiseConv2d):
        w = (cell.w.stored.reshape(-1, len(by)) * by).ravel()
        return replace(cell, w=Tensor(w), b=Tensor(plus if cell.b is None else cell.b.stored * by + plus))
    bias = plus if cell.b is None else cell.b.stored * by + plus
    return replace(cell, w=Tensor(cell.w.stored * by[:, None]), b=Tensor(bias))
