"""The `.rnn` file: a graph as a safetensors file, which other programs can open too.

The layout is that of github.com/huggingface/safetensors: eight bytes of length, a JSON header, the tensors. The
metadata in the header has the checksum, the format version and the graph without its weights. A matrix with many blocks
of zeros is stored without them (edgernn.model.blocks). In a quantized graph, an array of floats is stored as float16
when that is exact (edgernn.model.float16).
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from edgernn import cells as _cells  # noqa: F401  fills CELLS
from edgernn.array import Array
from edgernn.artifact import layout
from edgernn.artifact.checksum import BLANK, KEY, fill, verify
from edgernn.errors import EdgernnError, FileError, UnsupportedError, UsageError
from edgernn.files import atomic, bounded_json
from edgernn.model import float16
from edgernn.model.blocks import Sparse, mask_bytes, packed, unpacked
from edgernn.model.cell import CELLS, settings
from edgernn.model.factored import joined
from edgernn.model.graph import INITIAL_STATE, INPUT, MOST_LAYERS, PRECISIONS, Graph
from edgernn.model.layer import Layer
from edgernn.model.range import Range
from edgernn.model.tensor import FLOATS, Tensor
from edgernn.model.window import ONLY_ONNX, Window

SUFFIX = ".rnn"
FORMAT = "1"

ENTRY_BYTES = 5  # of the header, beside its name, for an array that is stored as float16

LARGEST_SPARSE = 1 << 26
"""The largest size of all sparse matrices in bytes, with their zeros: a small file cannot hold a very large graph."""

_SCALE, _BLOCKS = ".scale", ".blocks"
_BITS = ".bits"  # of all sparse matrices, concatenated
_INITIAL_STATE = f".{INITIAL_STATE}"

_ONCE = {"positions": 1, "sweep": "", "frames": 1, "begins": 0, "delta_x": None, "delta_h": None}
"""The fields of a Layer that are stored where they differ from these defaults."""

_TIMING = {"frames_per_step": 1, "delay_frames": 0, "warmup_frames": 0}
"""The same of a Graph."""


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a `.rnn` file, atomically; equal graphs give equal bytes.

    Raises:
        UsageError: the suffix is not `.rnn`, or the argument is not a Graph.
        UnsupportedError: the model is a Window, which cannot stream.
        FileError: the path cannot be written.
    """
    model: Any = graph
    if isinstance(model, Window):
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
        FileError: the file is missing, truncated, altered, not a `.rnn` file, or of a later format.
    """
    return loads(atomic.read(path), os.fspath(path))


def digest(model: Graph | Window) -> str:
    """Return the SHA-256 that identifies a model: for a graph, the checksum of its `.rnn` file in float32.

    For a window, it is a hash of the digests of its graphs and of its other fields.
    """
    if isinstance(model, Graph):
        return verify(dumps(model.astype("float32")), "graph")
    stages = [[stage.merge, *map(digest, stage.graphs)] for stage in model.stages]
    return sha256(json.dumps([stages, model.pooled, model.period_ms, model.labels]).encode()).hexdigest()


def dumps(graph: Graph) -> bytes:
    """Return the bytes of the `.rnn` file of a graph.

    Raises:
        UnsupportedError: the header would be too long.
    """
    candidates = {name: packed(tensor.stored) for name, tensor in graph.tensors.items()}
    sparse = {name: each for name, each in candidates.items() if each is not None}
    if sum(graph.tensors[name].stored.nbytes for name in sparse) > LARGEST_SPARSE:
        sparse = {}
    arrays = {name: tensor.stored for name, tensor in graph.tensors.items() if name not in sparse}
    arrays |= {f"{name}{_BLOCKS}": each.blocks for name, each in sparse.items()}
    arrays |= {_BITS: np.concatenate([each.bits for each in sparse.values()])} if sparse else {}
    arrays |= {f"{name}{_SCALE}": tensor.scale for name, tensor in graph.tensors.items() if tensor.scale is not None}
    halved = _exact_in_float16(graph, arrays)
    arrays |= {name: arrays[name].astype(np.float16) for name in halved}
    description = describe(graph) | {
        "schemes": _grouped({name: tensor.scheme for name, tensor in graph.tensors.items() if tensor.scheme}),
        "sparse": {name: each.shape for name, each in sparse.items()},
        "float16": _grouped(halved),
    }
    metadata = {KEY: BLANK, "edgernn.format": FORMAT, "edgernn.graph": json.dumps(description, separators=(",", ":"))}
    try:
        return fill(layout.packed(metadata, arrays))
    except ValueError as error:
        raise UnsupportedError(f"the graph cannot be saved: {error}; give shorter names") from error


def loads(data: bytes, name: str = "data") -> Graph:
    """Return the graph in the bytes of a `.rnn` file; `name` is the file's name in error messages.

    Raises:
        FileError: the bytes are truncated, altered, not a `.rnn` file, or of a later format.
    """
    verify(data, name)
    if not layout.is_one(data):
        raise FileError(
            f"'{name}' is an artifact of edgernn, not a {SUFFIX} file: give the {SUFFIX} file that it was made from"
        )
    try:
        metadata, arrays = layout.unpacked(data)
        _check_format(metadata["edgernn.format"], name)
        description = bounded_json.loads(metadata["edgernn.graph"])
        arrays |= {key: _widened(arrays[key], dtype) for key, dtype in _ungrouped(description["float16"]).items()}
        dense = _dense(arrays, description["sparse"])
        return build(description, _tensors(dense, _ungrouped(description["schemes"])))
    except FileError:
        raise
    except (EdgernnError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileError(f"'{name}' does not hold a valid graph ({error}); export it again") from error


def _check_format(version: str, name: str) -> None:
    if version != FORMAT:
        raise FileError(f"'{name}' has format {version}; this edgernn reads format {FORMAT}: upgrade edgernn")


def describe(graph: Graph) -> dict[str, Any]:
    """Return a graph without its weights, for JSON; defaults are left out."""
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
        **{name: list(parts.items()) for name, parts in _named(graph).items() if parts},
        **_unlike(graph, _TIMING),
        "layers": {
            layer.name: {
                "cell": type(layer.cell).__name__,
                **({} if layer.inputs == (before[layer.name],) else {"inputs": layer.inputs}),
                **({"settings": settings(layer.cell)} if settings(layer.cell) else {}),
                **({"scheme": layer.scheme} if layer.scheme else {}),
                **_unlike(layer, _ONCE),
            }
            for layer in graph.layers
        },
    }


def _unlike(owner: Graph | Layer, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    fields = {name: getattr(owner, name) for name in defaults}
    return {name: value for name, value in fields.items() if value != defaults[name]}


def _named(graph: Graph) -> dict[str, Mapping[str, int]]:
    return {"named_inputs": graph.named_inputs, "named_outputs": graph.named_outputs}


def _grouped(groups: Mapping[str, str]) -> dict[str, list[str]]:
    """Invert a mapping of name -> group into group -> names, which is shorter."""
    return {group: [name for name, each in groups.items() if each == group] for group in dict.fromkeys(groups.values())}


def _ungrouped(groups: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the mapping from which `_grouped` made these groups."""
    return {name: group for group, names in groups.items() for name in names}


def _exact_in_float16(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return the dtype of each array that is stored as float16; none in a graph of plain floats."""
    if graph.precision in PRECISIONS.values():
        return {}
    floats = {name: array.dtype.name for name, array in arrays.items() if array.dtype.name in FLOATS}
    saved = {name: arrays[name].nbytes // 2 - len(name) - ENTRY_BYTES for name in floats}
    return {name: dtype for name, dtype in floats.items() if saved[name] > 0 and float16.held(arrays[name])}


def _widened(array: Array, dtype: str) -> Array:
    """Return an array that is stored as float16 in its own dtype."""
    if array.dtype != np.float16 or dtype not in FLOATS:
        raise ValueError(f"an array of {array.dtype} cannot be widened to '{dtype}'")
    return array.astype(dtype)


def _dense(arrays: dict[str, Array], shapes: dict[str, list[int]]) -> dict[str, Array]:
    """Return the arrays with sparse matrices replaced by dense ones."""
    bits = arrays.pop(_BITS, np.empty(0, np.uint8))
    dense, left = {}, LARGEST_SPARSE
    for name, (rows, columns) in shapes.items():
        blocks = arrays.pop(f"{name}{_BLOCKS}")
        valid = type(rows) is int and type(columns) is int and min(rows, columns) >= 1
        left -= rows * columns * blocks.itemsize if valid else LARGEST_SPARSE
        if not valid or left < 0:
            raise ValueError(
                f"matrix '{name}' is {rows} by {columns}; expected {LARGEST_SPARSE:,} bytes in all at most"
            )
        taken = mask_bytes((rows, columns), blocks.dtype)
        dense[name] = unpacked(Sparse(blocks, bits[:taken], (rows, columns)))
        bits = bits[taken:]
    if bits.size:
        raise ValueError(f"{bits.size} bytes of bits belong to no matrix")
    return arrays | dense


def _tensors(arrays: dict[str, Array], schemes: dict[str, str]) -> dict[str, Tensor]:
    """Return the tensors from their stored arrays and scales."""
    scales = {f"{name}{_SCALE}" for name in schemes}
    return {
        name: Tensor(array, arrays.get(f"{name}{_SCALE}"), schemes[name]) if name in schemes else Tensor(array)
        for name, array in arrays.items()
        if name not in scales
    }


def build(description: dict[str, Any], tensors: dict[str, Tensor]) -> Graph:
    """Return the graph of a description by `describe` with these tensors.

    Raises:
        FileError: it has a cell that is not registered.
        EdgernnError, ValueError, KeyError, TypeError, AttributeError, IndexError: it is no valid description.
    """
    if len(description["layers"]) > MOST_LAYERS:
        raise ValueError(f"it has {len(description['layers']):,} layers; expected {MOST_LAYERS:,} at most")
    weights: dict[str, dict[str, Tensor]] = {}
    initial_state: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        layer, _, field = key.partition(".")
        if key.endswith(_INITIAL_STATE):
            initial_state[key.removesuffix(_INITIAL_STATE)] = tensor
        else:
            weights.setdefault(layer, {})[field] = tensor
    layers: list[Layer] = []
    for name, entry in description["layers"].items():
        if entry["cell"] not in CELLS:
            raise FileError(
                f"layer '{name}' is a cell '{entry['cell']}', which is not registered; there are "
                f"{', '.join(sorted(CELLS))}: import the module that defines it first"
            )
        cell = CELLS[entry["cell"]](**entry.get("settings", {}), **joined(weights.get(name, {})))
        options = {field: entry.get(field, default) for field, default in _ONCE.items()}
        layers.append(Layer(name, cell, tuple(entry.get("inputs", ())), entry.get("scheme", ""), **options))
    ranges = {name: Range(*ends) for name, ends in description.get("ranges", {}).items()}
    return Graph(
        tuple(layers),
        description["inputs"],
        initial_state,
        description["period_ms"],
        tuple(description["labels"]),
        ranges,
        dict(description.get("named_inputs", ())),
        dict(description.get("named_outputs", ())),
        **{field: description.get(field, default) for field, default in _TIMING.items()},
    )
