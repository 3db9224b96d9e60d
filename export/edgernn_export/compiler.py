"""The C compiler: the system's own, or the one in the package ziglang."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edgernn.errors import CompilerError

OPTIONS = ("-std=c99", "-O3", "-fPIC", "-shared", "-s", "-Wl,--build-id=none")
SHOWN_LINES = 8


def command() -> list[str]:
    """The compiler to run: $CC, else cc, gcc or clang on the path, else ziglang.

    Raises:
        CompilerError: there is none.
    """
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return [found]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CompilerError("there is no C compiler here (cc, gcc, clang): install one, or pip install 'edgernn[native]'")


def shared_library(source: str, options: Sequence[str]) -> bytes:
    """Compile one source to a shared library; the same source and compiler give the same bytes.

    Raises:
        CompilerError: there is no compiler, or it fails; its first lines are shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.c").write_text(source)
        call = [*command(), *OPTIONS, *options, "model.c", "-o", "model.so", "-lm"]
        try:
            done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  the user's own compiler
        except OSError as error:
            raise CompilerError(f"the compiler '{call[0]}' cannot be run: {error.strerror}; check $CC") from error
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[:SHOWN_LINES])
            raise CompilerError(f"{' '.join(call[:-4])} failed with code {done.returncode}:\n{said}")
        return Path(folder, "model.so").read_bytes()
