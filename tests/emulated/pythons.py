"""What a board's Python runs: the checks of tests/device, and libraries that its processor lacks instructions for."""

import re
import signal
from pathlib import Path
from typing import Any

from edgernn.process import child
from emulated.prepared import DOT_PRODUCTS
from emulated.system import ROOT, System, site_packages

DEVICE = ROOT / "tests/device"
LINE = re.compile(r"(?P<where>[^:]+): (?P<models>\d+) models match, largest error (?P<error>\S+?),(?P<rest>.*)")

OPENED = """
import sys, edgernn
from edgernn.errors import UnsupportedError
try:
    print(edgernn.open(sys.argv[1]).backend)
except UnsupportedError as error:
    print("refused:", error)
"""
LOADED = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("loader", sys.argv[1].replace(".so", "_stream.py"))
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
try:
    print("native", module.Stream().outputs)
except OSError as error:
    print("refused:", error)
"""
STEPPED = """
import sys, numpy, edgernn
stream = edgernn.open(sys.argv[1]).stream()
about = stream.program.manifest
stream.step(numpy.zeros(about.inputs, numpy.int32 if about.vocabulary_size else numpy.float32))
"""
UNCHECKED = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
print("self-test", library.edgernn_self_test_at((ctypes.c_size_t * 2)(), (ctypes.c_float * 3)()))
"""


class BoardError(Exception):
    """A board computes something else than the host, or does not refuse what it cannot run."""


def checked(system: System, folder: Path, wheel: Path) -> list[dict[str, Any]]:
    """A row for each runtime of the board, and one for a Python without numpy.

    Raises:
        BoardError: one of them differs from the host; the message has the last lines of the board's Python.
    """
    rows = []
    for runtime in system.board.runtimes:
        packages = site_packages(system.board, runtime, wheel)
        check = ("-W", "error", DEVICE / "check.py", folder, runtime)
        row = _row(_printed(system, packages, *check, *system.board.crashing))
        rows.append({"runtime": runtime, **row, "crashing": _crashing(system, folder / runtime, packages)})
    rows.append({"runtime": "without numpy", **_row(_printed(system, None, "-S", DEVICE / "bare.py", folder / "bare"))})
    return rows


def refusals(system: System, folder: Path, wheel: Path) -> dict[str, str]:
    """What a board says of a library for dot products, and of one that also has a level without.

    Raises:
        BoardError: it is not refused before its code runs, or it would run by itself.
    """
    runtime = next(iter(system.board.runtimes))
    packages, has = site_packages(system.board, runtime, wheel), "asimddp" in system.features
    only, both = (folder / DOT_PRODUCTS / f"{name}.so" for name in ("aarch64_dotprod", "all"))
    answers = {
        "edgernn.open": _printed(system, packages, "-c", OPENED, only).strip(),
        "the loader alone": _printed(system, None, "-S", "-c", LOADED, only).strip(),
        "several levels": _printed(system, packages, "-c", OPENED, both).strip(),
    }
    answers = {name: text.replace(f"{folder / DOT_PRODUCTS}/", "") for name, text in answers.items()}
    refused = [name for name, text in answers.items() if text.startswith("refused:")]
    if refused != ([] if has else ["edgernn.open", "the loader alone"]):
        raise BoardError(f"{system.board.processor.title} refuses by {refused}: {answers}")
    if any("a processor with asimddp" not in answers[name] for name in refused):
        raise BoardError(f"a refusal does not say what is missing: {answers}")
    call, environment = system.python("-S", "-c", UNCHECKED, only)
    done = child.run(call, folder, environment)
    if (done.returncode in {-signal.SIGILL, 128 + signal.SIGILL}) == has or (has and "self-test 0" not in done.stdout):
        raise BoardError(f"unchecked, the library for dot products ends with {done.returncode} {done.stdout}")
    return answers | {"unchecked": "runs" if has else "illegal instruction"}


def _crashing(system: System, folder: Path, packages: Path) -> list[str]:
    """The artifacts at which the board's runtime crashes, each seen to do so.

    Raises:
        BoardError: it runs one; then the table is out of date.
    """
    for name in system.board.crashing:
        call, environment = system.python("-c", STEPPED, folder / f"{name}.tflite", packages=packages)
        code = child.run(call, folder, environment).returncode
        if code not in {-signal.SIGSEGV, 128 + signal.SIGSEGV}:
            raise BoardError(f"'{name}' ends with {code} on {system.board.processor.title}; expected a crash")
    return list(system.board.crashing)


def _row(printed: str) -> dict[str, Any]:
    line = LINE.match(printed.strip())
    if line is None:
        raise BoardError(f"the board printed {printed!r}; expected the line of tests/device")
    exact = re.search(r"(\d+) (?:results )?with the same bits", line["rest"])
    return {"models": int(line["models"]), "error": float(line["error"]), "exact": int(exact[1]) if exact else 0}


def _printed(system: System, packages: Path | None, *arguments: object) -> str:
    call, environment = system.python(*arguments, packages=packages)
    done = child.run(call, ROOT, environment)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise BoardError(f"{system.board.processor.title} failed with code {done.returncode}:\n{last}")
    return done.stdout
