"""The files of c_runtime as one text: each after those that it includes."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

INCLUDE = re.compile(r'^#include "(\w+)\.h"\n', re.MULTILINE)


def kernels(names: Iterable[str]) -> str:
    """The files of these names, without suffix, and all that they need."""
    found: dict[str, str] = {}
    for name in sorted(names):
        _find(name, found)
    return "\n".join(found.values())


def _find(name: str, found: dict[str, str]) -> None:
    said = _read(name)
    for needed in INCLUDE.findall(said):
        if needed not in found:
            _find(needed, found)
    found[name] = INCLUDE.sub("", said).strip() + "\n"


@cache
def _read(name: str) -> str:
    return files("edgernn_export").joinpath("c_runtime", f"{name}.h").read_text()
