"""Arrays in .npy and .npz files from unknown sources: no pickles, and no array larger than its file.

The size that a header declares is compared with the bytes of the file before the array is read. So a file of a few
bytes that declares terabytes costs nothing.
"""

import io
import zipfile
from math import prod
from typing import IO

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError

DTYPE_KINDS = "biufcSU"  # `dtype.kind`: numbers, and text for names
AXES = 32
DEFLATE = 1100  # the largest compression ratio; that of the format is 1,032
MEMBERS = 100_000
SUFFIX = ".npy"

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npy(data: bytes, name: str) -> Array:
    """Return the array in the bytes of a .npy file; `name` is the file's name in error messages.

    Raises:
        FileError: the bytes are not a .npy file, or the array is longer or shorter than its header declares.
    """
    try:
        return _array(io.BytesIO(data), len(data))
    except Exception as error:  # numpy fails in many ways
        raise FileError(f"'{name}' is not a .npy array: {_reason(error)}; write it with numpy.save") from error


def load_npz(data: bytes, name: str) -> dict[str, Array]:
    """Return the arrays in the bytes of a .npz file, by name; `name` is the file's name in error messages.

    Raises:
        FileError: the bytes are not a .npz file, it is encrypted or of another version, or an array differs from its
            header.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.infolist()
            _check(members)
            return {each.filename.removesuffix(SUFFIX): _member(file, each) for each in members}
    except Exception as error:  # zipfile and numpy fail in many ways
        raise FileError(
            f"'{name}' is not a complete .npz file of plain arrays: {_reason(error)}; write it again"
        ) from error


def _check(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MEMBERS:
        raise ValueError(f"it has {len(members):,} arrays; expected {MEMBERS:,} at most")
    seen: set[str] = set()
    for name in (each.filename.removesuffix(SUFFIX) for each in members):
        if name in seen:
            raise ValueError(f"it has two arrays '{name}'")
        seen.add(name)


def _member(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    if member.flag_bits & 1:
        raise ValueError(f"array '{member.filename}' is encrypted")
    if member.file_size > DEFLATE * member.compress_size:
        raise ValueError(
            f"array '{member.filename}' declares {member.file_size:,} bytes in {member.compress_size:,} compressed ones"
        )
    with file.open(member) as stream:
        return _array(stream, member.file_size)


def _array(stream: IO[bytes], size: int) -> Array:
    """Read an array whose header accounts for every byte of the stream."""
    start = stream.tell()
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of .npy; expected 1.0 or 2.0")
    shape, _, dtype = _HEADERS[version](stream)
    if (
        dtype.kind not in DTYPE_KINDS
        or len(shape) > AXES
        or any(type(length) is not int or length < 0 for length in shape)
    ):
        raise ValueError(f"it holds {dtype} of shape {shape}; expected plain numbers or text, no objects")
    left = size - (stream.tell() - start)
    if prod(shape) * dtype.itemsize != left:
        raise ValueError(f"it declares {dtype} of shape {shape}, which does not take the {left:,} bytes of the file")
    stream.seek(start)
    array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError("there is more behind the array")
    return array


def _reason(error: Exception) -> str:
    """Return the message of an error in one line, without its full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
