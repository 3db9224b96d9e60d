"""Carried states in a file: those of one stream, or of the streams in some slots.

The layout is that of edgernn.artifact.layout: each state is an array with a row for each stream, always float32. The
metadata has the checksum, the hash of the graph, and the slots. So a state may go on in another artifact of the same
graph, and in no other.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact import layout
from edgernn.artifact.checksum import BLANK, KEY, fill, verify
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FileError, StateError
from edgernn.files import atomic, bounded_json
from edgernn.runtime.float_io import integers, numbers

FORMAT = "1"
_FORMAT, _GRAPH, _SLOTS = "edgernn.state", "edgernn.graph", "edgernn.slots"
MOST_SLOTS = 1 << 20

States = Mapping[str, Array]
"""The states of one stream by name, each of shape (width,)."""


def save(path: str | os.PathLike[str], manifest: Manifest, streams: Mapping[int, States]) -> None:
    """Write the states of streams, by slot, atomically: after a crash the file is the old one or the new one.

    Raises:
        FileError: the file cannot be written.
    """
    atomic.write(path, dumps(manifest, streams))


def load(path: str | os.PathLike[str], manifest: Manifest, *, raw: bool = False) -> dict[int, dict[str, Array]]:
    """Return the states in a file by slot, as float32, or in the dtypes of the artifact.

    Raises:
        FileError: the file is missing, truncated or altered, or holds no states.
        StateError: the states are those of another model.
    """
    return loads(atomic.read(path), os.fspath(path), manifest, raw=raw)


def load_one(path: str | os.PathLike[str], manifest: Manifest, *, raw: bool = False) -> dict[str, Array]:
    """Return the states of the one stream in a file.

    Raises:
        FileError, StateError: as `load`; or the file holds those of several streams, or of none.
    """
    streams = load(path, manifest, raw=raw)
    if len(streams) != 1:
        raise FileError(
            f"'{os.fspath(path)}' holds the states of {len(streams)} streams; expected one: restore several with "
            "program.streams(capacity).restore(path)"
        )
    (states,) = streams.values()
    return states


def dumps(manifest: Manifest, streams: Mapping[int, States]) -> bytes:
    """Return the bytes of a file; states are float32, or integers of a quantized state."""
    arrays = {
        name: np.stack([_as_float(manifest, name, states[name]) for states in streams.values()])
        if streams
        else np.zeros((0, width), np.float32)
        for name, width in manifest.states.items()
    }
    metadata = {KEY: BLANK, _FORMAT: FORMAT, _GRAPH: manifest.graph, _SLOTS: json.dumps([*streams])}
    return fill(layout.packed(metadata, arrays))


def loads(data: bytes, name: str, manifest: Manifest, *, raw: bool = False) -> dict[int, dict[str, Array]]:
    """Return the states in the bytes of a file; `name` is the file's name in error messages."""
    verify(data, name)
    try:
        metadata, arrays = layout.unpacked(data)
        version, graph, slots = (metadata[key] for key in (_FORMAT, _GRAPH, _SLOTS))
        places = _checked(bounded_json.loads(slots))
    except (ValueError, KeyError) as error:
        raise FileError(f"'{name}' holds no states of a stream; give a file that `stream.save` wrote") from error
    if version != FORMAT:
        raise FileError(f"'{name}' has format {version}; this edgernn reads format {FORMAT}: upgrade edgernn")
    expected = {state: ((len(places), width), "float32") for state, width in manifest.states.items()}
    if graph != manifest.graph or {key: (each.shape, each.dtype.name) for key, each in arrays.items()} != expected:
        raise StateError(
            f"'{name}' holds states of another model, {graph[:12]}; this one is {manifest.graph[:12]}: begin anew with "
            "program.stream(), or open the model that they belong to"
        )
    return {
        slot: {state: _restored(manifest, state, array[row], raw=raw) for state, array in arrays.items()}
        for row, slot in enumerate(places)
    }


def _checked(slots: Any) -> list[int]:
    if not isinstance(slots, list) or len({*map(str, slots)}) < len(slots) or len(slots) > MOST_SLOTS:
        raise ValueError("the slots are no list of different numbers")
    if not all(type(slot) is int and 0 <= slot < MOST_SLOTS for slot in slots):
        raise ValueError("a slot is no number of a stream")
    return slots


def _as_float(manifest: Manifest, name: str, state: Array) -> Array:
    return state if state.dtype == np.float32 else numbers(manifest, name, state)


def _restored(manifest: Manifest, name: str, state: Array, *, raw: bool) -> Array:
    return integers(manifest, name, state) if raw and name in manifest.quantization else state
