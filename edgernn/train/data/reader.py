"""Call a reader by its name, with the options of a recipe."""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from inspect import signature
from typing import Any, get_type_hints

from edgernn.errors import UsageError
from edgernn.files import atomic
from edgernn.files.spelling import misspelt
from edgernn.files.typed import fits, named
from edgernn.train.data import READERS
from edgernn.train.data.origin import Origin
from edgernn.train.data.sequences import Data

log = logging.getLogger("edgernn.train")


def read_data(name: str, path: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Data:
    """Read a folder or file with one of READERS. The notes of the data are logged as warnings.

    Args:
        name: the name of the reader.
        path: the folder or file.
        options: the options of the reader's `read`, by name.

    Returns:
        The data with its origin: the checksum of every file that was read.

    Raises:
        UsageError: The reader or an option does not exist, or a required option is missing.
        FileError, FrameError: The data is invalid.
        MissingExtraError: The package that reads such files is not installed.
    """
    if name not in READERS:
        raise UsageError(f"there is no reader '{name}'; {misspelt(name, READERS)}")
    reader = import_module(READERS[name]).read
    _, *known = signature(reader).parameters.values()
    arguments = dict(options or {})
    for option in arguments:
        if option not in {each.name for each in known}:
            raise UsageError(
                f"reader '{name}' has no option '{option}'; {misspelt(option, [each.name for each in known])}"
            )
    for each in known:
        if each.default is each.empty and each.name not in arguments:
            raise UsageError(f"reader '{name}' needs the option '{each.name}'; add it to [data]")
    kinds = get_type_hints(reader)
    for option, value in arguments.items():
        if not fits(kinds[option], value):
            raise UsageError(f"reader '{name}' has {option} = {value!r}; expected {named(kinds[option])}")
    with atomic.checksums() as checksums:
        data: Data = reader(path, **arguments)
    for note in data.notes:
        log.warning(note)
    return replace(data, origin=Origin.of(path, checksums))
