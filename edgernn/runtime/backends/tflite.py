"""LiteRT, or else tflite-runtime, as a backend: `.tflite` files, one interpreter per stream."""

import ctypes
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest, check_signature, parse_manifest
from edgernn.errors import FileError, MissingExtraError

try:
    from ai_edge_litert.interpreter import Interpreter

    PACKAGE = "ai-edge-litert"
except ImportError:
    try:
        from tflite_runtime.interpreter import Interpreter

        PACKAGE = "tflite-runtime"
    except ImportError as error:
        raise MissingExtraError("ai-edge-litert", "litert", "a .tflite file") from error

Array = NDArray[Any]

_WHOLE = slice(None)  # made once, and not at every step


class TfliteEngine:
    """The bytes of a model; an interpreter may be used by one thread at a time, so each stream has its own."""

    def __init__(self, data: bytes, name: str, threads: int) -> None:
        self.backend = f"{PACKAGE} {metadata.version(PACKAGE)}"
        self.manifest: Manifest = parse_manifest(data, name)
        self._data, self._name, self._threads = data, name, threads
        interpreter = self.interpreter()
        details = (*interpreter.get_input_details(), *interpreter.get_output_details())
        check_signature(
            name, self.manifest, {d["name"]: (tuple(d["shape"].tolist()), np.dtype(d["dtype"]).name) for d in details}
        )

    def interpreter(self) -> Any:
        """A new interpreter with its tensors allocated.

        Raises:
            FileError: the runtime refuses the file.
        """
        try:
            made = Interpreter(model_content=self._data, num_threads=self._threads)
            made.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise FileError(f"{self.backend} refuses '{self._name}': {error}") from error
        return made

    def bind(self) -> "TfliteBound":
        """A new carried state."""
        return TfliteBound(self.interpreter(), self.manifest)


class TfliteBound:
    """The interpreter's own tensors, seen as arrays.

    The addresses are taken once: they stay where they are until tensors are allocated anew, which never happens here.
    """

    guards = False

    def __init__(self, interpreter: Any, manifest: Manifest) -> None:
        self._interpreter = interpreter
        details = (*interpreter.get_input_details(), *interpreter.get_output_details())
        views = {detail["name"]: _view(interpreter, detail["index"]) for detail in details}
        self.x, self.y = views["x"], views["y"]
        self._before = tuple(views[f"{name}.in"] for name in manifest.states)
        self._pairs = tuple((views[f"{name}.in"].data, views[f"{name}.out"].data) for name in manifest.states)
        self._invoke = _call(interpreter)

    def step(self) -> None:
        self._invoke()
        for before, after in self._pairs:
            before[_WHOLE] = after

    def read(self) -> tuple[Array, ...]:
        return self._before

    def write(self, states: tuple[Array, ...]) -> None:
        for held, given in zip(self._before, states, strict=True):
            held[:] = given


def _call(interpreter: Any) -> Callable[[], Any]:
    """What invokes an interpreter, without looking for arrays over its memory first: `_view` leaves none.

    This is what the package's own method calls in the end, or that method by a package that has built it otherwise.
    """
    call: Callable[[], Any]
    try:
        call = interpreter._interpreter.Invoke  # noqa: SLF001
    except AttributeError:
        call = interpreter.invoke
    return call


def _view(interpreter: Any, index: int) -> Array:
    """A tensor as a flat array over the interpreter's memory, without a reference that would stop `invoke`."""
    tensor = interpreter.tensor(index)()
    held = (ctypes.c_char * tensor.nbytes).from_address(tensor.ctypes.data)
    return np.frombuffer(held, tensor.dtype)


def load(data: bytes, name: str, threads: int) -> TfliteEngine:
    """An engine over the bytes of a verified `.tflite` file.

    Raises:
        FileError: the runtime refuses it, or finds other names, shapes or types than the file says of itself.
    """
    return TfliteEngine(data, name, threads)
