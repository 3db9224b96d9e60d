"""Layers and operations of several tensors, and the operations of keras.ops that stand between layers."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import add, mul
from typing import Any

import torch
from torch import Tensor, nn

from edgernn.errors import UnsupportedError
from edgernn_export.sources.keras.layers.building import Builder, Building, Formula

Merge = Callable[[list[Tensor]], Tensor]


def _merging(merge: Merge) -> Builder:
    """Return the builder of a layer that takes a list, or of the operation of this name, which takes two arguments."""

    def build(b: Building) -> nn.Module:
        del b
        return Formula(lambda *xs: merge(list(xs[0]) if isinstance(xs[0], list | tuple) else list(xs)))

    return build


def _largest(function: Callable[[Tensor, Tensor], Tensor]) -> Merge:
    return lambda xs: reduce(function, [torch.as_tensor(x) for x in xs])


def _concatenate(b: Building) -> nn.Module:
    axis = b.axis("axis") - len(b.shape)
    if len(b.shape) + axis == 1 and len(b.shape) > 2:
        raise b.refuse("axis", "it joins sequences one behind the other; expected an axis of features")
    return Formula(lambda *xs: torch.cat(list(xs[0]) if isinstance(xs[0], list | tuple) else list(xs), axis))


def _dot(b: Building) -> nn.Module:
    axes = b.get("axes")
    if axes not in (-1, 1, [1, 1], [-1, -1]) or any(len(shape) != 2 for shape in b.shapes):
        raise b.refuse("axes", "between frames it needs the whole sequence; expected two vectors, after the last step")
    normalize = b.get("normalize") is True

    def dot(xs: list[Tensor]) -> Tensor:
        one, two = ((_unit(x) if normalize else x) for x in xs)
        return (one * two).sum(-1, keepdim=True)

    return Formula(dot)


def _unit(x: Tensor) -> Tensor:
    return x / torch.sqrt(torch.clamp((x * x).sum(-1, keepdim=True), min=1e-12))


def _function(function: Callable[..., Any]) -> Builder:
    def build(b: Building) -> nn.Module:
        del b
        return Formula(function)

    return build


def _item(b: Building) -> nn.Module:
    """Build a slice of features; all frames, or the last, must be taken."""

    def item(x: Tensor, key: Any) -> Tensor:
        parts = tuple(key) if isinstance(key, list) else (key,)
        for part in parts:
            if not (part is None or part is ... or isinstance(part, int | slice)):
                raise UnsupportedError(
                    f"'{b.file}': layer '{b.layer.name}' takes {part!r} of a tensor; expected slices"
                )
        return x[parts]

    return Formula(item)


LAYERS: Mapping[str, Builder] = {
    "Add": _merging(lambda xs: reduce(add, xs)),
    "Subtract": _merging(lambda xs: xs[0] - xs[1]),
    "Multiply": _merging(lambda xs: reduce(mul, xs)),
    "Average": _merging(lambda xs: reduce(add, xs) / len(xs)),
    "Maximum": _merging(_largest(torch.maximum)),
    "Minimum": _merging(_largest(torch.minimum)),
    "Concatenate": _concatenate,
    "Dot": _dot,
    "GetItem": _item,
    "Divide": _function(lambda x, y: x / y),
    "TrueDivide": _function(lambda x, y: x / y),
    "Negative": _function(lambda x: -x),
    "Absolute": _function(torch.abs),
    "Exp": _function(torch.exp),
    "Log": _function(torch.log),
    "Sqrt": _function(torch.sqrt),
    "Square": _function(torch.square),
    "Tanh": _function(torch.tanh),
    "Sigmoid": _function(torch.sigmoid),
    "Relu": _function(torch.relu),
}
"""A class -> its builder; of layers, and of operations between them."""
