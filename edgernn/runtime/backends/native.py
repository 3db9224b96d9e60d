"""The compiled step as a backend: a `.so` file that edgernn_export wrote for this kind of processor."""

import ctypes
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest, parse_manifest
from edgernn.device import isa
from edgernn.errors import FileError, UnsupportedError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.runtime.backend import FloatStep, StepMany
from edgernn.runtime.library import check_answers, load_library, pointer

ALIGNMENT = 64  # bytes of a cache line
METH_NOARGS = 4  # CPython's flag of a function without arguments
COUNTDOWN = np.dtype(np.uint32)


class NativeEngine:
    """A loaded library; its code has no state, so any number of streams and threads may run it."""

    def __init__(self, library: ctypes.CDLL, manifest: Manifest) -> None:
        self.manifest = manifest
        self.library = library
        self.levels = isa.split(manifest.cpu)

    @property
    def backend(self) -> str:
        """The level whose code runs."""
        return f"native {self.levels[self.library.edgernn_chosen() if len(self.levels) > 1 else 0]}"

    def choose(self, level: str) -> None:
        """Take the step of another level, for all streams, which go on with their states.

        Raises:
            UnsupportedError: the library has no such level, or this processor lacks it; nothing changes.
            ParityError: the level fails the self-test on this machine.
        """
        if level not in self.levels:
            raise UnsupportedError(f"the library has no level '{level}'; {misspelt(level, self.levels)}")
        if len(self.levels) > 1 and self.library.edgernn_choose(self.levels.index(level)):
            raise UnsupportedError(f"level {level} needs {isa.missing(level) or 'another processor'}")
        check_answers(self.library, self.manifest, level)

    def bind(self) -> "NativeBound":
        """A new carried state."""
        return NativeBound(self.library, self.manifest)

    def bind_many(self, capacity: int) -> "NativeMany":
        """New carried states, which are stepped together."""
        return NativeMany(self.library, self.manifest, capacity)


class NativeBound:
    """One state struct, a scratch one and a countdown behind it, and calls with arguments bound once.

    A call releases the GIL.
    """

    guards = True
    float_step: FloatStep | None = None

    def __init__(self, library: ctypes.CDLL, manifest: Manifest) -> None:
        offsets, float_offsets = (ctypes.c_size_t * 2)(), (ctypes.c_size_t * 3)()
        library.edgernn_places(offsets)
        converts = bool({INPUT, OUTPUT} & manifest.quantization.keys())
        if converts:
            library.edgernn_number_places(float_offsets)
        size = float_offsets[2] or library.edgernn_size()
        end = library.edgernn_countdown_at()
        memory = _aligned(end + COUNTDOWN.itemsize)
        self._state = memory[: 2 * size]
        counts = library.edgernn_in_python()
        self.countdown: Array | None = np.frombuffer(memory.data, COUNTDOWN, 1, end) if counts else None
        state = pointer(self._state)
        library.edgernn_reset(state)
        self.x: Array = self._inside(offsets[0], manifest.inputs, manifest.dtype(INPUT))
        self.y: Array = self._inside(offsets[1], manifest.outputs, manifest.dtype(OUTPUT))
        dtypes = {name: np.dtype(manifest.dtype(name)) for name in manifest.states}
        cuts = np.cumsum([0, *(dtypes[name].itemsize * width for name, width in manifest.states.items())])
        self._carried: Array = np.zeros(cuts[-1], np.uint8)
        self._views = tuple(
            self._carried[a:b].view(dtype) for (a, b), dtype in zip(pairwise(cuts), dtypes.values(), strict=True)
        )
        self.step, self.prime = _functions(library, self._state, "")
        if converts:
            x = self._inside(float_offsets[0], manifest.inputs, "float32") if INPUT in manifest.quantization else self.x
            y = (
                self._inside(float_offsets[1], manifest.outputs, "float32")
                if OUTPUT in manifest.quantization
                else self.y
            )
            self.float_step = FloatStep(x, y, *_functions(library, self._state, "_numbers"))
        self._run = partial(library.edgernn_run, state)
        self._get = partial(library.edgernn_get, state, pointer(self._carried))
        self._set = partial(library.edgernn_set, state, pointer(self._carried))

    def _inside(self, offset: int, width: int, dtype: str) -> Array:
        """A part of the state struct as an array."""
        return np.frombuffer(self._state.data, dtype, width, offset)

    def run(self, xs: Array, ys: Array) -> int:
        """Run consecutive frames in one call, and return how many were done before one was refused."""
        done: int = self._run(pointer(xs), pointer(ys), ctypes.c_size_t(len(xs)))
        return done

    def get_states(self) -> tuple[Array, ...]:
        self._get()
        return self._views

    def set_states(self, states: tuple[Array, ...]) -> None:
        for view, state in zip(self._views, states, strict=True):
            view[...] = state
        self._set()


class NativeMany:
    """The states of each slot side by side, and the memory in which some streams are computed at once.

    Frames and results pass through arrays whose addresses are bound once. A call releases the GIL.
    """

    guards = True

    def __init__(self, library: ctypes.CDLL, manifest: Manifest, capacity: int) -> None:
        dtypes = {name: np.dtype(manifest.dtype(name)) for name in manifest.states}
        cuts = np.cumsum([0, *(dtypes[name].itemsize * width for name, width in manifest.states.items())])
        self._places = tuple((a, b, dtype) for (a, b), dtype in zip(pairwise(cuts), dtypes.values(), strict=True))
        self._lanes = _aligned(library.edgernn_many_size())
        self._slots: Array = _aligned(capacity * int(cuts[-1])).reshape(capacity, int(cuts[-1]))
        widths, quantized = {INPUT: manifest.inputs, OUTPUT: manifest.outputs}, manifest.quantization
        x, y = ((width, manifest.dtype(name)) for name, width in widths.items())
        self.step: StepMany = self._stepping(library.edgernn_step_many, x, y)
        self.float_step: StepMany | None = None
        if {INPUT, OUTPUT} & quantized.keys():
            x, y = ((width, "float32" if name in quantized else manifest.dtype(name)) for name, width in widths.items())
            self.float_step = self._stepping(library.edgernn_step_many_numbers, x, y)

    def get_states(self, slot: int) -> tuple[Array, ...]:
        return tuple(self._slots[slot, a:b].view(dtype) for a, b, dtype in self._places)

    def set_states(self, slot: int, states: tuple[Array, ...]) -> None:
        for view, state in zip(self.get_states(slot), states, strict=True):
            view[...] = state

    def _stepping(self, function: Any, x: tuple[int, str], y: tuple[int, str]) -> StepMany:
        """A step with frames and results of these widths and dtypes."""
        capacity = len(self._slots)
        xs, ys, which = np.zeros((capacity, x[0]), x[1]), np.zeros((capacity, y[0]), y[1]), np.zeros(capacity, np.uintp)
        pointers = (pointer(array) for array in (self._lanes, self._slots, which, xs, ys))
        function.restype = ctypes.c_size_t
        call, count = partial(function, *pointers), ctypes.c_size_t

        def step(frames: Array, slots: Array, results: Array) -> int:
            n = len(frames)
            xs[:n], which[:n] = frames, slots
            done: int = call(count(n))
            results[...] = ys[:n]
            return -1 if done == n else done

        return step


class _Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _functions(library: ctypes.CDLL, state: Array, of: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """`step` and `prime` without arguments: built-in functions of CPython where this Python exports what they need."""
    if library.edgernn_in_python():
        return _built_in(library, state, f"step{of}"), _built_in(library, state, f"prime{of}")
    prime = library[f"edgernn_prime{of}"]
    prime.restype = None
    scratch = pointer(state[len(state) // 2 :])
    return partial(library[f"edgernn_advance{of}"], pointer(state)), partial(prime, pointer(state), scratch)


def _built_in(library: ctypes.CDLL, state: Array, name: str) -> Callable[[], Any]:
    """A function of the library as a built-in function of CPython.

    It owns its definition, the library and the state: they are in the field for its module.
    """
    function = ctypes.cast(library[f"edgernn_python_{name}"], ctypes.c_void_p)
    method = _Method(name.encode(), function, METH_NOARGS, None)
    signature = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    new_function = signature(("PyCFunction_NewEx", ctypes.pythonapi))
    built_in: Callable[[], Any] = new_function(ctypes.addressof(method), state.ctypes.data, (method, library, state))
    return built_in


def _aligned(size: int) -> Array:
    """Zeroed bytes that begin at a cache line."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def load(data: bytes, name: str, threads: int) -> NativeEngine:  # noqa: ARG001  a step is one thread's work
    """Load a library from verified bytes, without a file: a path that was written again never gives the old library.

    Raises:
        UnsupportedError: it was compiled for another processor; none of its code has run.
        FileError: it is not a compiled step, or the system cannot load it.
        ParityError: its self-test fails on this machine.
    """
    manifest = parse_manifest(data, name)
    if not manifest.cpu:
        raise FileError(f"'{name}' is an artifact of another runtime, not a compiled step; rename it to its own suffix")
    lacking = isa.missing(manifest.cpu)
    if lacking:
        raise UnsupportedError(
            f"'{name}' was compiled for {manifest.cpu}, and needs {lacking}; export it on this machine"
        )
    library = load_library(data, name, manifest)
    return NativeEngine(library, manifest)
