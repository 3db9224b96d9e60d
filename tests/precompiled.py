"""The header of gcc's vector intrinsics, parsed once: without it that takes two thirds of compiling a small model."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from zlib import crc32

from edgernn_export.targets.c.compiler import OPTIONS, Compiler

HEADER = "immintrin.h"
LINKED = {"-shared", "-s", "-c"}
CHECKED = ("-Winvalid-pch", "-Werror")
"""With these options a precompiled header that gcc cannot use is an error."""


@dataclass(frozen=True)
class Headers:
    """A folder of precompiled headers, one for each set of options."""

    folder: Path

    def before(self, how: Compiler, kind: tuple[str, ...]) -> Compiler:
        """The compiler that begins with the header; the same one where it is not gcc, or has no AVX."""
        if not _gcc(how) or not any("x86-64-v" in option for option in how.options):
            return how
        options = [
            each
            for each in (*OPTIONS, *kind, *how.options)
            if each not in {*LINKED, *CHECKED} and not each.startswith("-Wl,")
        ]
        header = self.folder / f"{crc32(repr((how.command, options)).encode()):08x}.h"
        if not header.exists():
            header.write_text(f"#include <{HEADER}>\n")
            subprocess.run([*how.command, *options, "-x", "c-header", header, "-o", f"{header}.gch"], check=True)
        return replace(how, options=(*how.options, "-include", str(header)))


def _gcc(how: Compiler) -> bool:
    path = shutil.which(how.command[0])
    return path is not None and len(how.command) == 1 and _of_gnu(path)


@cache
def _of_gnu(path: str) -> bool:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return "Free Software Foundation" in done.stdout
