"""The `.rnn` file: a graph as a safetensors file, which other programs can open too.

The layout is that of github.com/huggingface/safetensors: eight bytes of length, a JSON header, the tensors.
The header's metadata holds the checksum, the format version and the graph without its weights. A matrix with many
blocks of zeros is kept without them: edgernn.model.blocks. In a quantized graph, floats that half precision holds
exactly are kept in it: edgernn.model.float16.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from edgernn import cells as _cells  # noqa: F401  fills CELLS
from edgernn.artifact import layout
from edgernn.artifact.checksum import BLANK, KEY, fill, verify
from edgernn.errors import EdgernnError, FileError, UnsupportedError, UsageError
from edgernn.files import atomic, plain_json
from edgernn.model import float16
from edgernn.model.blocks import Sparse, packed, room, unpacked
from edgernn.model.cell import CELLS, settings
from edgernn.model.factored import joined
from edgernn.model.graph import INPUT, MOST_LAYERS, PRECISIONS, Graph, Layer
from edgernn.model.range import Range
from edgernn.model.tensor import FLOATS, Array, Tensor
from edgernn.model.window import ONLY_ONNX, Window

SUFFIX = ".rnn"
FORMAT = "1"

SPENT = 5  # bytes of the header, beside its name, that say that an array is kept in half precision

LARGEST_SPARSE = 1 << 26
"""Bytes of all matrices that are kept without their blocks of zeros: so a small file is no very large graph."""

_SCALE, _BLOCKS = ".scale", ".blocks"
_BITS = ".bits"  # of all sparse matrices, one after the other


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a `.rnn` file, whole or not at all; the same graph gives the same bytes.

    Raises:
        UsageError: another suffix, or no graph.
        UnsupportedError: a window, which cannot stream.
        FileError: the path cannot be written.
    """
    given: Any = graph
    if isinstance(given, Window):
        raise UnsupportedError(f"a Window cannot be saved as '{path}': {ONLY_ONNX}")
    if not isinstance(graph, Graph):
        raise UsageError(f"a {type(graph).__name__} arrived; expected a Graph: convert a module with from_torch first")
    if Path(path).suffix != SUFFIX:
        raise UsageError(
            f"a graph is saved as {SUFFIX}, not as '{path}'; edgernn_export.export writes the other formats"
        )
    atomic.write(path, dumps(graph))


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a graph from a `.rnn` file.

    Raises:
        FileError: the file is missing, truncated, altered, of another kind or of a later format.
    """
    return loads(atomic.read(path), os.fspath(path))


def digest(model: Graph | Window) -> str:
    """The SHA-256 that names a graph: the checksum of its `.rnn` file in float32, as artifacts are written.

    That of a window is made of those of its graphs and of what else it says.
    """
    if isinstance(model, Graph):
        return verify(dumps(model.astype("float32")), "graph")
    stages = [[stage.merge, *map(digest, stage.graphs)] for stage in model.stages]
    return sha256(json.dumps([stages, model.pooled, model.period_ms, model.labels]).encode()).hexdigest()


def dumps(graph: Graph) -> bytes:
    """The bytes of a graph's `.rnn` file."""
    found = {name: packed(tensor.stored) for name, tensor in graph.tensors.items()}
    thin = {name: each for name, each in found.items() if each is not None}
    if sum(graph.tensors[name].stored.nbytes for name in thin) > LARGEST_SPARSE:
        thin = {}
    arrays = {name: tensor.stored for name, tensor in graph.tensors.items() if name not in thin}
    arrays |= {f"{name}{_BLOCKS}": each.blocks for name, each in thin.items()}
    arrays |= {_BITS: np.concatenate([each.bits for each in thin.values()])} if thin else {}
    arrays |= {f"{name}{_SCALE}": tensor.scale for name, tensor in graph.tensors.items() if tensor.scale is not None}
    widened = _halvable(graph, arrays)
    arrays |= {name: arrays[name].astype(np.float16) for name in widened}
    said = _describe(graph) | {
        "schemes": _grouped({name: tensor.scheme for name, tensor in graph.tensors.items() if tensor.scheme}),
        "sparse": {name: each.shape for name, each in thin.items()},
        "widened": _grouped(widened),
    }
    metadata = {KEY: BLANK, "edgernn.format": FORMAT, "edgernn.graph": json.dumps(said, separators=(",", ":"))}
    try:
        return fill(layout.packed(metadata, arrays))
    except ValueError as error:
        raise UnsupportedError(f"the graph cannot be saved: {error}; give shorter names") from error


def loads(data: bytes, name: str = "data") -> Graph:
    """The graph in the bytes of a `.rnn` file; `name` is what a message calls them."""
    verify(data, name)
    if not layout.is_one(data):
        raise FileError(f"'{name}' is an artifact of edgernn and no {SUFFIX}: give the {SUFFIX} that it was made from")
    try:
        metadata, arrays = layout.unpacked(data)
        _check_format(metadata["edgernn.format"], name)
        said = plain_json.loads(metadata["edgernn.graph"])
        arrays |= {key: _widened(arrays[key], dtype) for key, dtype in _each(said["widened"]).items()}
        return _build(said, _tensors(_whole(arrays, said["sparse"]), _each(said["schemes"])))
    except FileError:
        raise
    except (EdgernnError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileError(f"'{name}' does not hold a valid graph ({error}); export it again") from error


def _check_format(found: str, name: str) -> None:
    if found != FORMAT:
        raise FileError(f"'{name}' has format {found}; this edgernn reads format {FORMAT}: upgrade edgernn")


def _describe(graph: Graph) -> dict[str, Any]:
    """The graph without its weights; what goes without saying is left out."""
    ranges = {
        name: [each.low, each.high, *([each.columns] if each.columns else [])] for name, each in graph.ranges.items()
    }
    names = [layer.name for layer in graph.layers]
    before = dict(zip(names, [INPUT, *names], strict=False))
    return {
        "inputs": graph.inputs,
        "period_ms": graph.period_ms,
        "labels": graph.labels,
        **({"ranges": ranges} if ranges else {}),
        "layers": {
            layer.name: {
                "cell": type(layer.cell).__name__,
                **({} if layer.inputs == (before[layer.name],) else {"inputs": layer.inputs}),
                **({"settings": settings(layer.cell)} if settings(layer.cell) else {}),
                **({"scheme": layer.scheme} if layer.scheme else {}),
            }
            for layer in graph.layers
        },
    }


def _grouped(kinds: Mapping[str, str]) -> dict[str, list[str]]:
    """Name -> kind, said the other way round, which is shorter."""
    return {kind: [name for name, each in kinds.items() if each == kind] for kind in dict.fromkeys(kinds.values())}


def _each(groups: Mapping[str, list[str]]) -> dict[str, str]:
    """The same back."""
    return {name: kind for kind, names in groups.items() for name in names}


def _halvable(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, str]:
    """What is kept in half precision -> the dtype that it has; nothing in a graph of plain floats."""
    if graph.precision in PRECISIONS.values():
        return {}
    floats = {name: array.dtype.name for name, array in arrays.items() if array.dtype.name in FLOATS}
    saved = {name: arrays[name].nbytes // 2 - len(name) - SPENT for name in floats}
    return {name: dtype for name, dtype in floats.items() if saved[name] > 0 and float16.held(arrays[name])}


def _widened(array: Array, dtype: str) -> Array:
    """What was kept in half precision, as it was before."""
    if array.dtype != np.float16 or dtype not in FLOATS:
        raise ValueError(f"an array of {array.dtype} cannot be widened to '{dtype}'")
    return array.astype(dtype)


def _whole(arrays: dict[str, Array], shapes: dict[str, list[int]]) -> dict[str, Array]:
    """The arrays with the blocks of zeros put back."""
    bits = arrays.pop(_BITS, np.empty(0, np.uint8))
    whole, left = {}, LARGEST_SPARSE
    for name, (rows, columns) in shapes.items():
        blocks = arrays.pop(f"{name}{_BLOCKS}")
        whole_numbers = type(rows) is int and type(columns) is int and min(rows, columns) >= 1
        left -= rows * columns * blocks.itemsize if whole_numbers else LARGEST_SPARSE
        if not whole_numbers or left < 0:
            raise ValueError(
                f"matrix '{name}' is {rows} by {columns}; expected {LARGEST_SPARSE:,} bytes in all at most"
            )
        taken = room((rows, columns), blocks.dtype)
        whole[name] = unpacked(Sparse(blocks, bits[:taken], (rows, columns)))
        bits = bits[taken:]
    if bits.size:
        raise ValueError(f"{bits.size} bytes of bits belong to no matrix")
    return arrays | whole


def _tensors(arrays: dict[str, Array], schemes: dict[str, str]) -> dict[str, Tensor]:
    """Numbers and their scales put together again."""
    scales = {f"{name}{_SCALE}" for name in schemes}
    return {
        name: Tensor(array, arrays.get(f"{name}{_SCALE}"), schemes[name]) if name in schemes else Tensor(array)
        for name, array in arrays.items()
        if name not in scales
    }


def _build(said: dict[str, Any], tensors: dict[str, Tensor]) -> Graph:
    if len(said["layers"]) > MOST_LAYERS:
        raise ValueError(f"it has {len(said['layers']):,} layers; expected {MOST_LAYERS:,} at most")
    weights: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, _, field = key.partition(".")
        if not key.endswith(".rest"):
            weights.setdefault(layer, {})[field] = tensor
    layers: list[Layer] = []
    for name, entry in said["layers"].items():
        if entry["cell"] not in CELLS:
            raise FileError(
                f"layer '{name}' is a cell '{entry['cell']}', which is not known here; there are "
                f"{', '.join(sorted(CELLS))}: import the module that defines it first"
            )
        cell = CELLS[entry["cell"]](**entry.get("settings", {}), **joined(weights.get(name, {})))
        layers.append(Layer(name, cell, tuple(entry.get("inputs", ())), entry.get("scheme", "")))
    initial_state = {key.removesuffix(".rest"): tensor for key, tensor in tensors.items() if key.endswith(".rest")}
    ranges = {name: Range(*ends) for name, ends in said.get("ranges", {}).items()}
    return Graph(tuple(layers), said["inputs"], initial_state, said["period_ms"], tuple(said["labels"]), ranges)
