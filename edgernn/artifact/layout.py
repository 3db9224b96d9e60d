"""The byte layout of a `.rnn` file: that of github.com/huggingface/safetensors.

Eight bytes have the length of the header. The header is JSON, with texts under "__metadata__". The arrays follow,
without gaps. A file that the safetensors library refuses is refused here too.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.files import bounded_json

DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int8": "I8", "uint8": "U8"}

AXES = 3
LARGEST_AXIS = 1 << 31
METADATA = "__metadata__"
LENGTH = 8  # bytes of the header's length

_NAMES = {stored: name for name, stored in DTYPES.items()}
_ENTRY = {"dtype", "shape", "data_offsets"}


def packed(metadata: Mapping[str, str], arrays: Mapping[str, Array]) -> bytes:
    """Return the bytes of a file.

    Raises:
        ValueError: the header is larger than `unpacked` accepts.
    """
    header: dict[str, Any] = {METADATA: metadata}
    at = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > bounded_json.LONGEST:
        raise ValueError(f"its header has {len(text):,} bytes; {bounded_json.LONGEST:,} can be read again")
    body = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays.values())
    return len(text).to_bytes(LENGTH, "little") + text + body


def is_one(data: bytes) -> bool:
    """Return whether bytes start like a file of this layout."""
    length = int.from_bytes(data[:LENGTH], "little")
    return data[LENGTH : LENGTH + 1] == b"{" and LENGTH + length <= len(data)


def unpacked(data: bytes) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the metadata and the arrays in the bytes of a file.

    Raises:
        ValueError: the header is too long, is not JSON, or does not assign every byte behind it to one array.
    """
    length = int.from_bytes(data[:LENGTH], "little")
    if length > bounded_json.LONGEST:
        raise ValueError(f"its header has {length:,} bytes; expected {bounded_json.LONGEST:,} at most")
    header = bounded_json.loads(data[LENGTH : LENGTH + length])
    metadata = header.pop(METADATA, None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"its header has no texts under {METADATA}")
    _check(header, len(data) - LENGTH - length)
    body = memoryview(data)[LENGTH + length :]
    return metadata, {name: _array(entry, body) for name, entry in header.items()}


def _check(entries: Mapping[str, Any], size: int) -> None:
    """Compare the header's entries with the size of the file, before any array is created."""
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.keys() != _ENTRY:
            raise ValueError(f"array '{name}' is not described by {', '.join(sorted(_ENTRY))}")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _NAMES:
            raise ValueError(f"array '{name}' is of dtype {dtype!r}; expected one of {', '.join(_NAMES)}")
        if not _is_naturals(shape) or len(shape) > AXES or max(shape, default=0) >= LARGEST_AXIS:
            raise ValueError(f"array '{name}' has the shape {shape!r}; expected at most {AXES} lengths")
        if not _is_naturals(offsets) or len(offsets) != 2:
            raise ValueError(f"array '{name}' has the offsets {offsets!r}; expected a start and an end")
        needed = prod(shape) * np.dtype(_NAMES[dtype]).itemsize
        if offsets[1] - offsets[0] != needed:
            raise ValueError(
                f"array '{name}' takes {needed:,} bytes; its offsets are {offsets[0]:,} and {offsets[1]:,}"
            )
    at = 0
    for start, stop, name in sorted((*entry["data_offsets"], name) for name, entry in entries.items()):
        if start != at:
            raise ValueError(f"array '{name}' begins at byte {start:,}; the one before it ends at {at:,}")
        at = stop
    if at != size:
        raise ValueError(f"its arrays end at byte {at:,} of {size:,}")


def _is_naturals(numbers: Any) -> bool:
    """Return whether a value is a list of integers that are not negative."""
    return isinstance(numbers, list) and all(type(each) is int and each >= 0 for each in numbers)


def _array(entry: Mapping[str, Any], body: memoryview) -> Array:
    start, stop = entry["data_offsets"]
    dtype = np.dtype(_NAMES[entry["dtype"]])
    flat = np.frombuffer(body[start:stop], dtype.newbyteorder("<"))
    array: Array = flat.reshape(entry["shape"]).astype(dtype)
    return array
