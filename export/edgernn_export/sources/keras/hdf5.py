"""HDF5 files from unknown sources: plain arrays in the file itself, and texts, within bounds.

Refused before anything is read: links to other files, soft links, arrays in other files or mapped from others, chunks
and filters, which Keras does not use, Python objects, and arrays that are longer than the file.
"""

import io
from collections.abc import Sequence
from math import prod
from typing import Any, Self

import h5py
import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError

DTYPE_KINDS = "fiu"
MEMBERS = 4096
NAME = 512  # characters
AXES = 8


class Hdf5:
    """An HDF5 file in memory.

    Raises:
        FileError: by each method, when what it reads is damaged, out of bounds or no plain array.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name, self._left = name, len(data)
        try:
            self._file = h5py.File(io.BytesIO(data), "r")
        except Exception as error:  # h5py fails in many ways
            raise FileError(
                f"'{name}' is not an HDF5 file: {_reason(error)}; save the model with Keras again"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def names(self, path: str) -> list[str]:
        """Return the names in a group; none where there is no such group."""
        group = self._at(path)
        if not isinstance(group, h5py.Group):
            return []
        try:
            self._check_members(path, len(group))
            return [str(name) for name in group]
        except FileError:
            raise
        except Exception as error:  # h5py fails in many ways
            raise self._refused(path, _reason(error)) from error

    def _check_members(self, path: str, count: int) -> None:
        if count > MEMBERS:
            raise self._refused(path, f"it has {count:,} members; expected {MEMBERS:,} at most")

    def array(self, path: str) -> Array | None:
        """Return an array; None where there is none."""
        dataset = self._at(path)
        if dataset is None:
            return None
        if not isinstance(dataset, h5py.Dataset):
            raise self._refused(path, "it is a group; expected an array")
        self._check(path, dataset)
        try:
            return np.asarray(dataset[()])
        except Exception as error:  # h5py fails in many ways
            raise self._refused(path, _reason(error)) from error

    def text(self, path: str, attribute: str) -> str | None:
        """Return a text that is an attribute; None where there is none."""
        texts = self.texts(path, attribute, 1)
        return texts[0] if texts else None

    def texts(self, path: str, attribute: str, most: int) -> list[str]:
        """Return the texts of an attribute, at most so many; none where there is no such attribute."""
        group = self._at(path)
        try:
            if group is None or attribute not in group.attrs:
                return []
            self._check_count(path, attribute, prod(group.attrs.get_id(attribute).shape), most)
            value = np.asarray(group.attrs[attribute]).ravel().tolist()
        except FileError:
            raise
        except Exception as error:  # h5py fails in many ways
            raise self._refused(path, f"attribute '{attribute}': {_reason(error)}") from error
        return [self._decoded(path, attribute, each) for each in value]

    def _check_count(self, path: str, attribute: str, count: int, most: int) -> None:
        if count > most:
            raise self._refused(path, f"attribute '{attribute}' has {count:,} texts; expected {most:,}")

    def _decoded(self, path: str, attribute: str, value: Any) -> str:
        try:
            return value if isinstance(value, str) else bytes(value).decode()
        except (TypeError, ValueError) as error:
            raise self._refused(path, f"attribute '{attribute}' is no text") from error

    def _at(self, path: str) -> Any:
        """Return the group or array at a path; None where there is none. Every link must be a hard one."""
        node: Any = self._file
        for name in path.strip("/").split("/") if path.strip("/") else []:
            try:
                link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
                if link is None:
                    return None
                self._check_link(path, name, link)
                node = node[name]
            except KeyError:
                return None
            except FileError:
                raise
            except Exception as error:  # h5py fails in many ways
                raise self._refused(path, _reason(error)) from error
        return node

    def _check_link(self, path: str, name: str, link: Any) -> None:
        if not isinstance(link, h5py.HardLink):
            raise self._refused(path, f"'{name}' is a link to elsewhere, which is never followed")

    def _check(self, path: str, dataset: Any) -> None:
        """Refuse an array before it is read."""
        try:
            shape, dtype, stored = dataset.shape, dataset.dtype, dataset.id.get_storage_size()
            elsewhere = bool(dataset.external) or dataset.is_virtual
            chunks = dataset.chunks is not None
        except Exception as error:  # h5py fails in many ways
            raise self._refused(path, _reason(error)) from error
        if dtype.kind not in DTYPE_KINDS or shape is None or len(shape) > AXES:
            raise self._refused(path, f"it has type {dtype} and shape {shape}; expected numbers, and no Python objects")
        if elsewhere:
            raise self._refused(path, "its values are in other files or arrays, which are never read")
        if chunks:
            raise self._refused(path, "it is stored in chunks, and Keras stores weights whole")
        size = prod(shape) * dtype.itemsize
        if size != stored or size > self._left:
            raise self._refused(path, f"it declares {size:,} bytes, and {min(stored, self._left):,} are in the file")
        self._left -= size

    def _refused(self, path: str, why: str) -> FileError:
        return FileError(f"'{self.name}': '{path[:NAME]}' cannot be read: {why}; save the model with Keras again")


def named(names: Sequence[str]) -> str:
    """Return names for a message, at most eight."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(f"'{name[:64]}'" for name in names[:8]) or "none") + more


def _reason(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
