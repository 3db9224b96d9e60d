"""LiteRT, or else tflite-runtime, as a backend: `.tflite` files, one interpreter per stream."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.adopted import Adopted, check_tensors
from edgernn.artifact.manifest import Manifest, check_signature, parse_manifest
from edgernn.device.runtimes import running
from edgernn.errors import FileError, UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.parts import slices
from edgernn.runtime.adopted import Copies, copying, into_scratch, replay, requantizing, wired
from edgernn.runtime.backend import ManyBound, restoring, step_error


def _installed() -> tuple[Any, str]:
    """The class of interpreters in the preferred package that is installed, and the name of the package."""
    runtimes = running(".tflite")
    for runtime in runtimes:
        try:
            return import_module(f"{runtime.module}.interpreter").Interpreter, runtime.package
        except ImportError as error:
            reason = error
    raise runtimes[0].missing() from reason


for _kind in (np.float32, np.float64):
    np.finfo(_kind)  # numpy keeps it; on 32-bit ARM tflite-runtime turns denormals off when it is imported

Interpreter, PACKAGE = _installed()

RUNTIME = f"{PACKAGE} {metadata.version(PACKAGE)}"
"""The name of the runtime, with its version."""

_WHOLE = slice(None)  # created once instead of at every step


class TfliteEngine:
    """The bytes of a model; an interpreter may be used by one thread at a time, so each stream has its own."""

    def __init__(self, data: bytes, name: str, threads: int) -> None:
        self.backend = RUNTIME
        self.manifest: Manifest = parse_manifest(data, name)
        self._data, self._name, self._threads = data, name, threads
        interpreter, adopted = self.interpreter(), self.manifest.adopted
        ins, outs = tensors(interpreter.get_input_details()), tensors(interpreter.get_output_details())
        if adopted is None:
            check_signature(name, self.manifest, {**ins, **outs})
        else:
            check_tensors(name, adopted, ins, outs)
            replay(self, name)

    def interpreter(self) -> Any:
        """A new interpreter with its tensors allocated.

        Raises:
            FileError: the runtime refuses the file.
        """
        adopted = self.manifest.adopted
        shapes = {info.name: info.shape for info in adopted.arguments} if adopted else {}
        return open_interpreter(self._data, self._name, self._threads, shapes)

    def bind(self) -> "TfliteBound | AdoptedBound":
        """A new carried state."""
        adopted = self.manifest.adopted
        interpreter = self.interpreter()
        return AdoptedBound(interpreter, self.manifest, adopted) if adopted else TfliteBound(interpreter, self.manifest)

    def bind_many(self, _capacity: int) -> ManyBound:
        """Refuse: a `.tflite` file has the shapes of one stream.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            f"{RUNTIME} steps '{self._name}' for one stream at a time: a .tflite file has the shapes of one; make a "
            "program.stream() for each, or export the model as .so, .onnx or .rnn"
        )


def open_interpreter(data: bytes, name: str, threads: int, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """An interpreter with its tensors allocated; inputs whose shapes differ from these are resized.

    Raises:
        FileError: the runtime refuses the file or a shape.
    """
    try:
        interpreter = Interpreter(model_content=data, num_threads=threads)
        for detail in interpreter.get_input_details() if shapes else ():
            shape = shapes.get(detail["name"])
            if shape is not None and shape != tuple(detail["shape"].tolist()):
                interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
        interpreter.get_input_details(), interpreter.get_output_details()  # it raises where a name is no text
    except (ValueError, RuntimeError) as error:
        raise FileError(f"{RUNTIME} refuses '{name}': {' '.join(str(error).split())}") from error
    return interpreter


def tensors(details: Any) -> dict[str, tuple[tuple[int | str | None, ...], str]]:
    """Return (shape, dtype) of the inputs or outputs of an interpreter, by name."""
    return {each["name"]: (tuple(each["shape"].tolist()), np.dtype(each["dtype"]).name) for each in details}


class TfliteBound:
    """Arrays over the memory of the interpreter's tensors.

    The addresses are read once: they are valid until tensors are allocated again, which never happens here.
    """

    guards = False
    countdown = run = float_step = None

    def __init__(self, interpreter: Any, manifest: Manifest) -> None:
        self._interpreter = interpreter
        details = (*interpreter.get_input_details(), *interpreter.get_output_details())
        try:
            views = {detail["name"]: _view(interpreter, detail["index"]) for detail in details}
        except ValueError as error:  # a tensor without memory
            raise step_error(error) from error
        self.x, to_parts = _whole(INPUT, views, manifest.named_inputs)
        self.y, from_parts = _whole(OUTPUT, views, manifest.named_outputs)
        self._before = tuple(views[f"{name}.in"] for name in manifest.states)
        states = tuple((views[f"{name}.in"].data, views[f"{name}.out"].data) for name in manifest.states)
        self._pairs = (*states, *((whole.data, part.data) for part, whole in from_parts))
        call = _after_copies(_call(interpreter), [(part.data, whole.data) for part, whole in to_parts])
        self.step = _carrying(call, self._pairs)
        self.prime = restoring(_carrying(call, into_scratch(self._pairs)), self.y)

    def get_states(self) -> tuple[Array, ...]:
        return self._before

    def set_states(self, states: tuple[Array, ...]) -> None:
        for tensor, state in zip(self._before, states, strict=True):
            tensor[:] = state


class AdoptedBound:
    """Arrays over the memory of the tensors of an adopted file, as those of a TfliteBound."""

    guards = False
    countdown = run = float_step = None

    def __init__(self, interpreter: Any, manifest: Manifest, adopted: Adopted) -> None:
        self._interpreter = interpreter
        ins = _fixed(interpreter, interpreter.get_input_details())
        names = {info.name for info in (*adopted.outputs.values(), *adopted.results.values())}
        outs = _fixed(interpreter, [each for each in interpreter.get_output_details() if each["name"] in names])
        for constant in adopted.constants.values():
            ins[constant.tensor.name][:] = constant.value
        wiring = wired(manifest, adopted, ins, outs)
        self.x, self.y = wiring.x, wiring.y
        states = {name: ins[info.name] for name, info in adopted.states.items()} | dict(wiring.contexts)
        self._states = tuple(states[name] for name in manifest.states)
        news = {name: outs[info.name] for name, info in adopted.results.items()}
        pairs = ((states[name].data, new.data) for name, new in news.items() if name not in adopted.requantized)
        after = (*pairs, *wiring.after)

        def carries(states: Mapping[str, Array]) -> tuple[Callable[[], None], ...]:
            return tuple(
                requantizing(states[name], news[name], manifest.quantization[name], leaving)
                for name, leaving in adopted.requantized.items()
            )

        call, copies = _call(interpreter), {name: state.copy() for name, state in states.items()}
        self.step = copying(call, wiring.before, after, carries(states))
        self.prime = restoring(copying(call, wiring.before, into_scratch(after), carries(copies)), self.y)

    def get_states(self) -> tuple[Array, ...]:
        return self._states

    def set_states(self, states: tuple[Array, ...]) -> None:
        for tensor, state in zip(self._states, states, strict=True):
            tensor[:] = state


def _carrying(call: Callable[[], Any], pairs: Copies) -> Callable[[], None]:
    """The call, and then the copies of pairs of memory."""

    def step(call: Callable[[], Any] = call, pairs: Copies = pairs) -> None:  # arguments are faster than attributes
        try:
            call()
        except RuntimeError as error:
            raise step_error(error) from error
        for to, source in pairs:
            to[_WHOLE] = source

    return step


def _after_copies(call: Callable[[], Any], pairs: Sequence[tuple[memoryview, memoryview]]) -> Callable[[], Any]:
    """The call, after each of the first memories was filled from the second; the call itself without any."""

    def copying() -> None:
        for to, source in pairs:
            to[_WHOLE] = source
        call()

    return copying if pairs else call


def _whole(value: str, views: Mapping[str, Array], parts: Mapping[str, int]) -> tuple[Array, list[tuple[Array, Array]]]:
    """The array of `x` or `y`; where it has parts, a new array, and each part with its place in it."""
    if not parts:
        return views[value], []
    whole = np.zeros(sum(parts.values()), views[f"{value}.{next(iter(parts))}"].dtype)
    return whole, [(views[f"{value}.{name}"], whole[part]) for name, part in slices(parts).items()]


def _call(interpreter: Any) -> Callable[[], Any]:
    """A function that invokes an interpreter, without checking first for arrays over its memory: `_view` leaves none.

    It is the inner function of the public method, or the public method where the package has no such function.
    """
    call: Callable[[], Any]
    try:
        call = interpreter._interpreter.Invoke  # noqa: SLF001
    except AttributeError:
        call = interpreter.invoke
    return call


def _fixed(interpreter: Any, details: Any) -> dict[str, Array]:
    """The tensors by name, as `_view`.

    Raises:
        UnsupportedError: the size of one is known only after a call, so its memory moves.
    """
    views = {}
    for each in details:
        try:
            views[each["name"]] = _view(interpreter, each["index"])
        except ValueError as error:
            raise UnsupportedError(
                f"tensor '{each['name']}' has no size before a call, and so no place in memory: convert the model with "
                "fixed sizes"
            ) from error
    return views


def _view(interpreter: Any, index: int) -> Array:
    """A tensor as a flat array over the interpreter's memory, without a reference that would stop `invoke`."""
    tensor = interpreter.tensor(index)()
    memory = (ctypes.c_char * tensor.nbytes).from_address(tensor.ctypes.data)
    return np.frombuffer(memory, tensor.dtype)


def load(data: bytes, name: str, threads: int) -> TfliteEngine:
    """An engine over the bytes of a verified `.tflite` file.

    Raises:
        FileError: the runtime refuses the file, or finds other names, shapes or types than its manifest has.
    """
    return TfliteEngine(data, name, threads)
