"""The compiled step as a backend: a `.so` file that edgernn_export wrote for this kind of processor."""

import _ctypes
import ctypes
import os
import weakref
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest, parse_manifest
from edgernn.device import isa
from edgernn.errors import FileError, ParityError, UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT

Array = NDArray[Any]

ALIGNMENT = 64  # bytes: a line of the cache
METH_NOARGS = 4  # of CPython: a function without arguments

FUNCTIONS = tuple(
    f"edgernn_{name}"
    for name in ("size", "places", "widths", "reset", "advance", "run", "get", "set", "self_test_at", "in_python")
)
"""What every library has; one for Python has more, which `in_python` tells."""

NUMBERS = ("edgernn_number_places", "edgernn_advance_numbers")
"""And one with integers at its door."""


class NativeEngine:
    """A loaded library; its code has no state of its own, so any number of streams and threads may run it."""

    def __init__(self, library: ctypes.CDLL, manifest: Manifest) -> None:
        self.backend = f"native {manifest.cpu}"
        self.manifest = manifest
        self.library = library

    def bind(self) -> "NativeBound":
        """A new carried state."""
        return NativeBound(self.library, self.manifest)


class NativeBound:
    """One state struct, and calls whose arguments are bound once; a call lets other threads run."""

    guards = True

    def __init__(self, library: ctypes.CDLL, manifest: Manifest) -> None:
        places, beyond = (ctypes.c_size_t * 2)(), (ctypes.c_size_t * 3)()
        library.edgernn_places(places)
        turns = bool({INPUT, OUTPUT} & manifest.quantization.keys())
        if turns:
            library.edgernn_number_places(beyond)
        self._state = _aligned(beyond[2] or library.edgernn_size())
        state = _pointer(self._state)
        library.edgernn_reset(state)
        self.x: Array = self._inside(places[0], manifest.inputs, manifest.dtype(INPUT))
        self.y: Array = self._inside(places[1], manifest.outputs, manifest.dtype(OUTPUT))
        kinds = {name: np.dtype(manifest.dtype(name)) for name in manifest.states}
        cuts = np.cumsum([0, *(kinds[name].itemsize * width for name, width in manifest.states.items())])
        self._carried: Array = np.zeros(cuts[-1], np.uint8)
        self._views = tuple(
            self._carried[a:b].view(made) for (a, b), made in zip(pairwise(cuts), kinds.values(), strict=True)
        )
        self.step = _step(library, self._state, "step", library.edgernn_advance)
        if turns:
            x = self._inside(beyond[0], manifest.inputs, "float32") if INPUT in manifest.quantization else self.x
            y = self._inside(beyond[1], manifest.outputs, "float32") if OUTPUT in manifest.quantization else self.y
            self.turning = x, y, _step(library, self._state, "numbers", library.edgernn_advance_numbers)
        self._run = partial(library.edgernn_run, state)
        self._get = partial(library.edgernn_get, state, _pointer(self._carried))
        self._set = partial(library.edgernn_set, state, _pointer(self._carried))

    def _inside(self, place: int, width: int, dtype: str) -> Array:
        """A part of the state as an array."""
        return np.frombuffer(self._state.data, dtype, width, place)

    def run(self, xs: Array, ys: Array) -> int:
        """Consecutive frames in one call: how many were done before one was refused."""
        done: int = self._run(_pointer(xs), _pointer(ys), ctypes.c_size_t(len(xs)))
        return done

    def read(self) -> tuple[Array, ...]:
        self._get()
        return self._views

    def write(self, states: tuple[Array, ...]) -> None:
        for held, given in zip(self._views, states, strict=True):
            held[...] = given
        self._set()


class _Method(ctypes.Structure):
    """What CPython calls PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _step(library: ctypes.CDLL, state: Array, name: str, advance: Any) -> Callable[[], Any]:
    """The step as a function that takes nothing: one of Python's own where this Python has what that needs.

    It owns what it needs by the place that CPython has for a function's module: its definition, the library, the state.
    """
    if not library.edgernn_in_python():
        return partial(advance, _pointer(state))
    method = _Method(b"step", ctypes.cast(library[f"edgernn_python_{name}"], ctypes.c_void_p), METH_NOARGS, None)
    kinds = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    make = kinds(("PyCFunction_NewEx", ctypes.pythonapi))
    made: Callable[[], Any] = make(ctypes.addressof(method), state.ctypes.data, (method, library, state))
    return made


def load(data: bytes, name: str, threads: int) -> NativeEngine:  # noqa: ARG001  a step is one thread's work
    """The library in verified bytes, without a file: so a path that was written anew is never the old one.

    Raises:
        UnsupportedError: it was compiled for another processor; nothing of it has run.
        FileError: it is no compiled step, or the system cannot load it.
        ParityError: its own test fails on this machine.
    """
    manifest = parse_manifest(data, name)
    if not manifest.cpu:
        raise FileError(
            f"'{name}' is an artifact for another runtime, and no compiled step; give it its own suffix back"
        )
    lacking = isa.missing(manifest.cpu)
    if lacking:
        raise UnsupportedError(
            f"'{name}' was compiled for {manifest.cpu}, and needs {lacking}; export it on this machine"
        )
    library = _library(data, name)
    _check_functions(library, manifest, name)
    library.edgernn_size.restype = ctypes.c_size_t
    library.edgernn_run.restype = ctypes.c_size_t
    _check_widths(library, manifest, name)
    _check_answers(library, manifest, name)
    return NativeEngine(library, manifest)


def _check_answers(library: ctypes.CDLL, manifest: Manifest, name: str) -> None:
    """Run the library's own test: frames with the answers that numpy gave where it was written."""
    place, values = (ctypes.c_size_t * 2)(), np.zeros(3, manifest.dtype(OUTPUT))
    failed = library.edgernn_self_test_at(place, _pointer(values))
    if failed:
        found, wanted, most = (float(value) for value in values)
        what = f"y[{place[1]}] is {found:.9g}, and {wanted:.9g} was expected: they are {abs(found - wanted):.3g} apart"
        why = f"{what}, and may be {most:.3g}" if failed > 1 else "a frame of the test is refused"
        raise ParityError(
            f"'{name}' fails its own test on this machine: at frame {place[0]} {why}; export it on this machine, and "
            "where that was done, please report the model"
        )


def _check_functions(library: ctypes.CDLL, manifest: Manifest, name: str) -> None:
    """Refuse a library that is no compiled step: nothing is called before all is there."""
    turns = {INPUT, OUTPUT} & manifest.quantization.keys()
    lacking = [each for each in (*FUNCTIONS, *(NUMBERS if turns else ())) if not hasattr(library, each)]
    if lacking:
        raise FileError(
            f"'{name}' is a library, and no compiled step of edgernn: it has no function {lacking[0]}; export it again"
        )


def _check_widths(library: ctypes.CDLL, manifest: Manifest, name: str) -> None:
    """Hold what the code was compiled for against what the file says of itself."""
    found = (ctypes.c_size_t * 3)()
    library.edgernn_widths(found)
    wanted = (manifest.inputs, sum(manifest.states.values()), manifest.outputs)
    if tuple(found) != wanted:
        raise FileError(
            f"'{name}' has inputs, states and outputs of {tuple(found)} values; it should have {wanted}: "
            "export it again"
        )


def _library(data: bytes, name: str) -> ctypes.CDLL:
    """Load from memory. The descriptor stays open as long as the library does: its number is the library's name to the
    system, which would give the old library for a number that is used again.
    """
    memory = os.memfd_create("edgernn")
    try:
        with os.fdopen(os.dup(memory), "wb") as file:
            file.write(data)
        library = ctypes.CDLL(f"/proc/self/fd/{memory}")
    except OSError as error:
        os.close(memory)
        raise FileError(f"'{name}' cannot be loaded here: {error}; export it on this machine") from error
    unload = weakref.finalize(library, _unload, library._handle, memory)  # noqa: SLF001  ctypes has no public name for it
    unload.atexit = False  # when Python ends, a thread or a last frame may still be in it
    return library


def _unload(handle: int, memory: int) -> None:
    """Once no stream holds one of its functions, and so not the library."""
    _ctypes.dlclose(handle)
    os.close(memory)


def _aligned(size: int) -> Array:
    """Zeroed bytes that begin at a line of the cache."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
