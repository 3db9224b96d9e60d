"""The graph that an artifact was made from, as text inside the artifact: its structure, and where its weights are.

A target writes most weights as they are, some in another form and some not at all: it may cut a matrix by rows, store
integers unsigned, or add two biases. Each array of the graph is looked for among the constants of the file; what is
not there is part of the text.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact import rnn
from edgernn.artifact.layout import DTYPES
from edgernn.errors import EdgernnError
from edgernn.files import bounded_json
from edgernn.model.graph import Graph
from edgernn.model.tensor import Tensor

KEY = "edgernn.graph"
"""The name of the text in the metadata of an artifact."""

LARGEST, LARGEST_SHARE = 1 << 12, 0.1
"""What arrays in the text may take: this many bytes, or this share of all. With more there is no text."""


@dataclass(frozen=True)
class Form:
    """How a target may store an array: from that of the graph, and back; with a dtype, only matrices of it."""

    stored: Callable[[Array], Array]
    restored: Callable[[Array], Array]
    dtype: str = ""


def _unsigned(array: Array) -> Array:
    return (array.T.astype(np.int16) + 128).astype(np.uint8)


def _signed(array: Array) -> Array:
    return (array.astype(np.int16) - 128).astype(np.int8).T


def _flipped(array: Array) -> Array:
    return (array ^ 0x88)[:, :, None]


FORMS: Mapping[str, Form] = {
    "same": Form(lambda array: array, lambda array: array),
    "column": Form(lambda array: array[:, None], lambda array: array[:, 0]),
    "row": Form(lambda array: array[None], lambda array: array[0]),
    "unsigned": Form(_unsigned, _signed, "int8"),
    "unsigned fours": Form(_flipped, lambda array: array[:, :, 0] ^ 0x88, "uint8"),
}
"""The forms, by their names in the text."""


def text_of(graph: Graph, constants: Mapping[str, Array]) -> str:
    """Return the text for a graph in float32 whose artifact has these constants; "" where it would be too long."""
    index = _Index(constants)
    places: dict[str, Any] = {}
    own = total = 0
    for name, array in _arrays(graph).items():
        place, total = index.place(name, array), total + array.nbytes
        if place is None:
            own += array.nbytes
            place = [array.dtype.name, list(array.shape), b64encode(array.tobytes()).decode()]
        if place != name:
            places[name] = place
    if own > max(LARGEST, LARGEST_SHARE * total):
        return ""
    tensors = {name: tensor.scheme for name, tensor in graph.tensors.items()}
    return json.dumps([rnn.describe(graph), tensors, places], separators=(",", ":"))


def graph_of(text: str, constants: Mapping[str, Array]) -> Graph | None:
    """Return the graph that a text describes; None where text and constants do not make one."""
    try:
        description, tensors, places = bounded_json.loads(text)
        arrays = {}
        for name, scheme in tensors.items():
            for key in (name, f"{name}.scale") if _scaled(scheme, places, constants, name) else (name,):
                arrays[key] = _read(places.get(key, key), constants)
        stored = {
            name: Tensor(arrays[name], arrays.get(f"{name}.scale"), scheme) if scheme else Tensor(arrays[name])
            for name, scheme in tensors.items()
        }
        return rnn.build(description, stored)
    except (EdgernnError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return None


def _scaled(scheme: str, places: Mapping[str, Any], constants: Mapping[str, Array], name: str) -> bool:
    return bool(scheme) and (f"{name}.scale" in places or f"{name}.scale" in constants)


def _arrays(graph: Graph) -> dict[str, Array]:
    arrays = {name: tensor.stored for name, tensor in graph.tensors.items()}
    return arrays | {f"{name}.scale": each.scale for name, each in graph.tensors.items() if each.scale is not None}


def _read(place: Any, constants: Mapping[str, Array]) -> Array:
    """Return the array at a place: a constant, `[form, constants]` by rows, or `[dtype, shape, base64]`."""
    if isinstance(place, str):
        return constants[place]
    if len(place) == 2:
        form, names = place
        parts = [FORMS[form].restored(constants[name]) for name in names]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    dtype, shape, data = place
    if dtype not in DTYPES:
        raise ValueError(f"an array of dtype {dtype!r}")
    return np.frombuffer(b64decode(data, validate=True), dtype).reshape(shape).copy()


class _Index:
    """The constants of a file, to look up arrays by their content."""

    def __init__(self, constants: Mapping[str, Array]) -> None:
        self.constants = constants
        self.whole: dict[Any, str] = {}
        self.rows: dict[Any, list[str]] = {}
        for name, array in constants.items():
            self.whole.setdefault(_key(array), name)
            if array.ndim and len(array):
                self.rows.setdefault(_key(array[0]), []).append(name)

    def place(self, name: str, array: Array) -> Any:
        """Return where an array is; None if it is in no constant."""
        if name in self.constants and _key(self.constants[name]) == _key(array):
            return name
        for form, each in FORMS.items():
            if not each.dtype or (array.dtype == each.dtype and array.ndim == 2):
                parts = self._parts(each.stored(array))
                if parts is not None:
                    return [form, parts]
        return None

    def _parts(self, array: Array) -> list[str] | None:
        """Return constants that make up the array, one below the other."""
        whole = self.whole.get(_key(array))
        if whole is not None:
            return [whole]
        at, parts = 0, []
        while array.ndim and at < len(array):
            fitting = (
                (name, self.constants[name])
                for name in self.rows.get(_key(array[at]), ())
                if _key(self.constants[name]) == _key(array[at : at + len(self.constants[name])])
            )
            longest = max(fitting, key=lambda pair: len(pair[1]), default=None)
            if longest is None:
                return None
            parts.append(longest[0])
            at += len(longest[1])
        return parts or None


def _key(array: Array) -> Any:
    return array.dtype.name, array.shape, blake2b(np.ascontiguousarray(array).data).digest()
