"""A compiled step as a library in memory: its functions are checked, and its self-test is run."""

import _ctypes
import ctypes
import os
import weakref
from collections.abc import Iterable

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.device import isa
from edgernn.errors import FileError, ParityError
from edgernn.model.graph import INPUT, OUTPUT

FUNCTIONS = tuple(
    f"edgernn_{name}"
    for name in (
        *("size", "places", "widths", "reset", "advance", "prime", "run", "get", "set"),
        *("self_test_at", "in_python", "countdown_at"),
        *("many_size", "step_many"),
    )
)
"""The functions of every library; `in_python` says whether it also has those that make Python functions, which count
steps down at `countdown_at`."""

CHOICE = ("edgernn_choose", "edgernn_chosen")
"""The further functions of a library for several levels of processors."""

NUMBERS = tuple(
    f"edgernn_{name}" for name in ("number_places", "advance_numbers", "prime_numbers", "step_many_numbers")
)
"""The further functions of a library with quantized inputs or outputs."""

PYTHON, PYTHON_NUMBERS = (tuple(f"edgernn_python_{name}{of}" for name in ("step", "prime")) for of in ("", "_numbers"))
"""The further functions of a library that makes Python functions, and of one with quantized inputs or outputs."""


def load_library(data: bytes, name: str, manifest: Manifest) -> ctypes.CDLL:
    """Load a library from bytes whose level of processor this machine has.

    Raises:
        FileError: it is not a compiled step, or the system cannot load it.
        ParityError: its self-test fails on this machine.
    """
    library = _library(data, name)
    _check_functions(library, manifest, name)
    for function in (
        library.edgernn_size,
        library.edgernn_run,
        library.edgernn_many_size,
        library.edgernn_countdown_at,
    ):
        function.restype = ctypes.c_size_t
    _check_widths(library, manifest, name)
    check_answers(library, manifest, name)
    return library


def check_answers(library: ctypes.CDLL, manifest: Manifest, name: str) -> None:
    """Run the self-test of the library: frames with the answers that numpy gave where it was written."""
    position, values = (ctypes.c_size_t * 2)(), np.zeros(3, manifest.dtype(OUTPUT))
    failed = library.edgernn_self_test_at(position, pointer(values))
    if failed:
        actual, expected, most = (float(value) for value in values)
        difference = abs(actual - expected)
        reason = f"y[{position[1]}] is {actual:.9g}, and {expected:.9g} was expected: they are {difference:.3g} apart"
        reason = f"{reason}, and may be {most:.3g}" if failed > 1 else "a frame of the test is refused"
        raise ParityError(
            f"'{name}' fails its own test on this machine: at frame {position[0]} {reason}; export it on this machine, "
            "and where that was done, please report the model"
        )


def _check_functions(library: ctypes.CDLL, manifest: Manifest, name: str) -> None:
    """Refuse a library that is not a compiled step; `in_python` alone is called."""
    converts = {INPUT, OUTPUT} & manifest.quantization.keys()
    expected = (*FUNCTIONS, *(NUMBERS if converts else ()), *(CHOICE if isa.SEVERAL in manifest.cpu else ()))
    _check_present(library, expected, name)
    if library.edgernn_in_python():
        _check_present(library, (*PYTHON, *(PYTHON_NUMBERS if converts else ())), name)


def _check_present(library: ctypes.CDLL, expected: Iterable[str], name: str) -> None:
    lacking = [each for each in expected if not hasattr(library, each)]
    if lacking:
        raise FileError(f"'{name}' is not a compiled step of edgernn: it has no function {lacking[0]}; export it again")


def _check_widths(library: ctypes.CDLL, manifest: Manifest, name: str) -> None:
    """Compare the widths that the code was compiled for with those of the manifest."""
    actual = (ctypes.c_size_t * 3)()
    library.edgernn_widths(actual)
    expected = (manifest.inputs, sum(manifest.states.values()), manifest.outputs)
    if tuple(actual) != expected:
        raise FileError(
            f"'{name}' has inputs, states and outputs of {tuple(actual)} values; it should have {expected}: "
            "export it again"
        )


def _library(data: bytes, name: str) -> ctypes.CDLL:
    """Load a library from memory.

    The descriptor stays open as long as the library is loaded: the system knows the library by its number, and would
    give the old library for a number that is used again.
    """
    memory = os.memfd_create("edgernn")
    try:
        with os.fdopen(os.dup(memory), "wb") as file:
            file.write(data)
        library = ctypes.CDLL(f"/proc/self/fd/{memory}")
    except (OSError, UnicodeDecodeError) as error:  # the loader's message has the names of a damaged library
        os.close(memory)
        reason = error if isinstance(error, OSError) else "its names are no text"
        raise FileError(f"'{name}' cannot be loaded here: {reason}; export it on this machine") from error
    unload = weakref.finalize(library, _unload, library._handle, memory)  # noqa: SLF001  ctypes has no public name for it
    unload.atexit = False  # when Python ends, a thread may still run its code
    return library


def _unload(handle: int, memory: int) -> None:
    """Unload a library, once no stream holds one of its functions."""
    _ctypes.dlclose(handle)
    os.close(memory)


def pointer(array: Array) -> ctypes.c_void_p:
    """The address of the first element of an array, for a call."""
    return ctypes.c_void_p(array.ctypes.data)
