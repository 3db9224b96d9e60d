"""The files of c_runtime as one text: each file after those that it includes."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

INCLUDE = re.compile(r'^#include "(\w+)\.h"\n', re.MULTILINE)


def kernels(names: Iterable[str]) -> str:
    """The files of these names, without suffix, and all that they include."""
    texts: dict[str, str] = {}
    for name in sorted(names):
        _add(name, texts)
    return "\n".join(texts.values())


def _add(name: str, texts: dict[str, str]) -> None:
    text = _text(name)
    for included in INCLUDE.findall(text):
        if included not in texts:
            _add(included, texts)
    texts[name] = INCLUDE.sub("", text).strip() + "\n"


@cache
def _text(name: str) -> str:
    return files("edgernn_export").joinpath("c_runtime", f"{name}.h").read_text()
