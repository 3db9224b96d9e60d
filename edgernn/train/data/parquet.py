"""The columns of a Parquet file."""

import io
import os
from typing import Any

from edgernn.errors import FileError, MissingExtraError
from edgernn.files import atomic

try:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet
except ImportError as error:
    raise MissingExtraError("pyarrow", "train", "a .parquet file") from error


def columns(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], tuple[list[Any], ...]]:
    """Read the names and the cells of all columns; a missing cell is None.

    Raises:
        FileError: The file is missing, truncated or not a Parquet file.
    """
    data = atomic.read(path)
    try:
        table = parquet.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"'{os.fspath(path)}' is not a complete Parquet file: {error}; write it again") from error
    return tuple(map(str, table.column_names)), tuple(column.to_pylist() for column in table.columns)
