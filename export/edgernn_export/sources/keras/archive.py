"""The files of Keras: `.keras` is a zip of a configuration and weights; `.h5` has both as HDF5."""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

from edgernn.errors import FileError, UnsupportedError
from edgernn.files import atomic, bounded_json
from edgernn_export.sources.keras.hdf5 import Hdf5

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
ENTRY = b"PK\x01\x02"  # of the directory of a zip
ENTRIES = 10_000
DEFLATE = 1100  # the largest compression ratio; that of the format is 1,032
FACTOR, SPARE = 2, 1 << 24  # a member may have FACTOR times the bytes of the file, and SPARE more
LARGEST_TEXT = 1 << 21


@dataclass(frozen=True)
class Archive:
    """What a file of Keras holds.

    Attributes:
        name: of the file.
        config: of the model: its class and the configuration of its layers.
        version: of the Keras that wrote it, such as (3, 9); (1,) when the file does not say.
        weights: the HDF5 file.
        legacy: whether `weights` is a whole `.h5`, whose weights are listed for each layer.
    """

    name: str
    config: Any
    version: tuple[int, ...]
    weights: Hdf5
    legacy: bool


def opened(path: str) -> Archive:
    """Read a file; its weights are read later.

    Raises:
        FileError: it is damaged, out of bounds, or neither format.
        UnsupportedError: it has weights alone.
    """
    data = atomic.read(path)
    return _of_zip(data, path) if data.startswith(b"PK") else _of_hdf5(data, path)


def _of_zip(data: bytes, name: str) -> Archive:
    try:
        _check_count(data)
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.namelist()
            _check_members(members)
            config = _member(file, CONFIG, LARGEST_TEXT)
            metadata = _member(file, METADATA, LARGEST_TEXT) if METADATA in members else b"{}"
            weights = _member(file, WEIGHTS, FACTOR * len(data) + SPARE)
    except Exception as error:  # zipfile fails in many ways
        raise FileError(f"'{name}' is not a model of Keras: {error}; save it with model.save('m.keras')") from error
    about = _json(metadata, name, METADATA)
    version = about.get("keras_version") if isinstance(about, dict) else None
    return Archive(name, _json(config, name, CONFIG), _version(version), Hdf5(weights, f"{name}/{WEIGHTS}"), False)


def _check_count(data: bytes) -> None:
    if data.count(ENTRY) > ENTRIES:
        raise FileError(f"it has {data.count(ENTRY):,} members; expected {ENTRIES:,} at most")


def _check_members(members: list[str]) -> None:
    if len(set(members)) != len(members):
        raise FileError("it has two members of one name")
    if CONFIG not in members or WEIGHTS not in members:
        raise FileError(f"it has no {CONFIG} or no {WEIGHTS}")


def _member(file: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Return the bytes of one member, which is read into memory and never written to a path."""
    member = file.getinfo(name)
    if member.flag_bits & 1:
        raise FileError(f"'{name}' is encrypted")
    if member.file_size > min(largest, DEFLATE * max(1, member.compress_size)):
        raise FileError(f"'{name}' declares {member.file_size:,} bytes in {member.compress_size:,}, beyond the bounds")
    return file.read(member)


def _of_hdf5(data: bytes, name: str) -> Archive:
    weights = Hdf5(data, name)
    config = weights.text("", "model_config")
    if config is None:
        if weights.names("layers") or weights.names("_layer_checkpoint_dependencies") or weights.names(""):
            raise UnsupportedError(
                f"'{name}' has weights alone, and no model that they belong to; make the model in Python, call "
                f"model.load_weights({name!r}) and save both: model.save('m.keras')"
            )
        raise FileError(f"'{name}' has no attribute 'model_config'; save a model with model.save('m.keras')")
    version = weights.text("", "keras_version") or weights.text("model_weights", "keras_version")
    return Archive(name, _json(config.encode(), name, "model_config"), _version(version), weights, True)


def _json(text: bytes, name: str, part: str) -> Any:
    try:
        return bounded_json.loads(text, finite=False, longest=LARGEST_TEXT)
    except (ValueError, RecursionError) as error:
        raise FileError(f"'{name}': {part} is not read: {error}; save the model with Keras again") from error


def _version(text: Any) -> tuple[int, ...]:
    numbers = [part for part in str(text or "1").split(".")[:2] if part.isascii() and part.isdigit() and len(part) < 6]
    return tuple(int(part) for part in numbers) or (1,)
