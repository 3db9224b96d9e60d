"""Calling a reader by its name with options from a recipe."""

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


def read(name: str, path: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Data:
    """Read a folder or file with one of READERS; the notes of the data are logged as warnings.

    Args:
        name: of the reader.
        path: what it reads.
        options: those of the reader's `read`, by name.

    Returns:
        With its origin: the checksum of every file that the reader read.

    Raises:
        UsageError: no such reader, an option that it does not have, or one that it needs and is not given.
        FileError, FrameError: what the reader refuses.
        MissingExtraError: the package that reads such files is not installed.
    """
    if name not in READERS:
        raise UsageError(f"there is no reader '{name}'; {misspelt(name, READERS)}")
    reader = import_module(READERS[name]).read
    _, *known = signature(reader).parameters.values()
    given = dict(options or {})
    for option in given:
        if option not in {each.name for each in known}:
            raise UsageError(
                f"reader '{name}' has no option '{option}'; {misspelt(option, [each.name for each in known])}"
            )
    for each in known:
        if each.default is each.empty and each.name not in given:
            raise UsageError(f"reader '{name}' needs the option '{each.name}'; give it")
    kinds = get_type_hints(reader)
    for option, value in given.items():
        if not fits(kinds[option], value):
            raise UsageError(f"reader '{name}' has {option} = {value!r}; expected {named(kinds[option])}")
    with atomic.checksums() as checksums:
        data: Data = reader(path, **given)
    for note in data.notes:
        log.warning(note)
    return replace(data, origin=Origin.of(path, checksums))
