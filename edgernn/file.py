"""The `.rnn` file: a graph as a safetensors file, which other programs can open too.

The layout is that of github.com/huggingface/safetensors: eight bytes of length, a JSON header, the tensors.
The header's metadata holds the seal, the format version and the graph without its weights.
"""

import json
import os
from typing import Any

import numpy as np

from edgernn import (
    cells as _cells,  # noqa: F401  fills CELLS
    disk,
)
from edgernn.cell import CELLS, settings
from edgernn.errors import EdgernnError, FileError
from edgernn.graph import Graph, Layer
from edgernn.seal import BLANK, KEY, seal, verify
from edgernn.tensor import Tensor

FORMAT = "1"
DTYPES = {"float32": "F32", "float64": "F64"}

_NAMES = {stored: name for name, stored in DTYPES.items()}


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a `.rnn` file, whole or not at all; the same graph gives the same bytes.

    Raises:
        FileError: the path cannot be written.
    """
    disk.write(path, dumps(graph))


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a graph from a `.rnn` file.

    Raises:
        FileError: the file is missing, truncated, altered, of another kind or of a later format.
    """
    return loads(disk.read(path), os.fspath(path))


def digest(graph: Graph) -> str:
    """The SHA-256 that names a graph: the seal of its `.rnn` file."""
    return verify(dumps(graph), "graph")


def dumps(graph: Graph) -> bytes:
    """The bytes of a graph's `.rnn` file."""
    header: dict[str, Any] = {
        "__metadata__": {KEY: BLANK, "edgernn.format": FORMAT, "edgernn.graph": json.dumps(_describe(graph))}
    }
    at = 0
    for name, tensor in graph.tensors.items():
        header[name] = {
            "dtype": DTYPES[tensor.stored.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(
        tensor.stored.astype(tensor.stored.dtype.newbyteorder("<")).tobytes() for tensor in graph.tensors.values()
    )
    return seal(len(text).to_bytes(8, "little") + text + body)


def loads(data: bytes, name: str = "data") -> Graph:
    """The graph in the bytes of a `.rnn` file; `name` is what a message calls them."""
    verify(data, name)
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        metadata = header.pop("__metadata__")
        _check_format(metadata["edgernn.format"], name)
        arrays = {key: _array(entry, data[8 + length :]) for key, entry in header.items()}
        return _build(json.loads(metadata["edgernn.graph"]), arrays)
    except FileError:
        raise
    except (EdgernnError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileError(f"'{name}' does not hold a valid graph ({error}); export it again") from error


def _check_format(found: str, name: str) -> None:
    if found != FORMAT:
        raise FileError(f"'{name}' has format {found}; this edgernn reads format {FORMAT}: upgrade edgernn")


def _describe(graph: Graph) -> dict[str, Any]:
    return {
        "inputs": graph.inputs,
        "period_ms": graph.period_ms,
        "labels": graph.labels,
        "layers": [
            {
                "name": layer.name,
                "cell": type(layer.cell).__name__,
                "reads": layer.reads,
                "settings": settings(layer.cell),
            }
            for layer in graph.layers
        ],
    }


def _array(entry: dict[str, Any], body: bytes) -> Tensor:
    start, stop = entry["data_offsets"]
    flat = np.frombuffer(body[start:stop], np.dtype(_NAMES[entry["dtype"]]).newbyteorder("<"))
    return Tensor(flat.reshape(entry["shape"]).astype(_NAMES[entry["dtype"]]))


def _build(said: dict[str, Any], tensors: dict[str, Tensor]) -> Graph:
    layers = []
    for entry in said["layers"]:
        if entry["cell"] not in CELLS:
            raise FileError(
                f"layer '{entry['name']}' is a cell '{entry['cell']}', which is not known here; there are "
                f"{', '.join(sorted(CELLS))}: import the module that defines it first"
            )
        weights = {
            key.removeprefix(f"{entry['name']}."): tensor
            for key, tensor in tensors.items()
            if key.startswith(f"{entry['name']}.") and not key.endswith(".rest")
        }
        cell = CELLS[entry["cell"]](**entry["settings"], **weights)
        layers.append(Layer(entry["name"], cell, tuple(entry["reads"])))
    rest = {key.removesuffix(".rest"): tensor for key, tensor in tensors.items() if key.endswith(".rest")}
    return Graph(tuple(layers), said["inputs"], rest, said["period_ms"], tuple(said["labels"]))
