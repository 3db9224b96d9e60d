"""Operators that read or write elements at constant places, as exported assignments to slices do."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgernn.array import Array
from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.onnx.call import Call


def _flat(x: Tensor) -> Array:
    """Return the position of each element in the flat tensor."""
    return np.arange(x.numel()).reshape(x.shape)


def _elements(call: Call, x: Tensor, places: list[Any]) -> Array:
    """Return the flat positions that an index on one axis takes."""
    axis, index = call.get("axis", 0) % x.dim(), np.array(places, np.int64)
    inner = tuple(slice(None) if i == axis else slice(length) for i, length in enumerate(index.shape))
    return np.take_along_axis(_flat(x)[inner], index % x.shape[axis], axis)


def _items(call: Call, x: Tensor, places: list[Any]) -> Array:
    """Return the flat positions that an index on the first axes takes."""
    if call.get("batch_dims", 0):
        raise call.refuse(f"batch_dims is {call.get('batch_dims')}; expected 0, {ADOPT}")
    index = np.array(places, np.int64)
    chosen: Array = _flat(x)[tuple(np.moveaxis(index, -1, 0))]
    return chosen


def _read(find: Callable[[Call, Tensor, list[Any]], Array]) -> Operation:
    """Return the operator that reads elements."""

    def read(call: Call, x: Tensor, places: list[Any]) -> Tensor:
        chosen = find(call, x, places)
        return x.reshape(-1).index_select(0, torch.from_numpy(chosen.ravel())).reshape(chosen.shape)

    return static(1)(read)


def _written(find: Callable[[Call, Tensor, list[Any]], Array]) -> Operation:
    """Return the operator that writes values over elements."""

    def written(call: Call, x: Tensor, places: list[Any], values: Tensor) -> Tensor:
        if call.get("reduction", "none") != "none":
            raise call.refuse(f"reduction '{call.get('reduction')}'; expected 'none', {ADOPT}")
        source, chosen = np.arange(x.numel()), find(call, x, places).ravel()
        source[chosen] = x.numel() + np.arange(chosen.size)  # of both, one after the other
        both = torch.cat([x.reshape(-1), values.reshape(-1)])
        return both.index_select(0, torch.from_numpy(source)).reshape(x.shape)

    return static(1)(written)


PLACES: Mapping[str, Operation] = {
    "ScatterND": _written(_items),
    "ScatterElements": _written(_elements),
    "GatherND": _read(_items),
    "GatherElements": _read(_elements),
}
"""Operator -> what it computes."""
