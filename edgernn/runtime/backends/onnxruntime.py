"""ONNX Runtime as a backend: `.onnx` files, with two alternating sets of state buffers."""

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.adopted import Adopted, TensorInfo, check_tensors
from edgernn.artifact.manifest import STREAMS, Manifest, check_signature, parse_manifest
from edgernn.device.runtimes import named
from edgernn.errors import FileError, UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.parts import slices
from edgernn.runtime.adopted import copying, into_scratch, replay, wired
from edgernn.runtime.backend import restoring, step_error, varied
from edgernn.runtime.carried import BoundRows, Rows

# The official wheels from 1.29 on start a telemetry thread at import; the API call to stop it comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime
except ImportError as error:
    raise named("onnxruntime").missing() from error

RUNTIME = f"onnxruntime {onnxruntime.__version__}"
"""The name of the runtime, with its version."""

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "bool")
_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    **{f"tensor({name})": name for name in _INTEGERS},
}

WARNINGS, ERRORS = 2, 3
"""What a runtime prints. Files of other tools declare shapes that are not theirs, which is a warning in every step."""

ONE_STREAM = (
    "it was exported with the shapes of one, as are models in dynamic int8, whose input the runtime rounds with one "
    "scale for all streams, and models that rearrange the positions of a frame"
)

CONFIG = {
    "session.intra_op.allow_spinning": "0",
    # Operations between DequantizeLinear and QuantizeLinear are computed in float, and weights are converted once. The
    # runtime's int8 kernel takes longer than that on x86-64, and so do weights that are converted at every step.
    "session.disable_quant_qdq": "1",
}
"""Settings of every session."""


class OrtEngine:
    """One session, shared by every stream: ONNX Runtime's `run` is thread safe."""

    def __init__(self, session: onnxruntime.InferenceSession, manifest: Manifest, for_many: Callable[[], Any]) -> None:
        self.backend, self.manifest, self.session = RUNTIME, manifest, session
        self._for_many = cache(for_many)

    def bind(self) -> "OrtBound | AdoptedBound":
        """A new carried state."""
        adopted = self.manifest.adopted
        return AdoptedBound(self.session, self.manifest, adopted) if adopted else OrtBound(self.session, self.manifest)

    def bind_many(self, capacity: int) -> BoundRows:
        """New carried states, which are stepped together.

        Raises:
            UnsupportedError: the first axis of the file is that of one stream.
        """
        session, manifest = self._for_many(), self.manifest
        if manifest.adopted is not None or {node.shape[0] for node in session.get_inputs()} != {STREAMS}:
            reason = "another tool wrote it" if manifest.adopted is not None else ONE_STREAM
            raise UnsupportedError(
                f"{RUNTIME} steps this file for one stream at a time: {reason}; make a program.stream() for each, or "
                "export the model as .so"
            )
        return BoundRows(manifest, capacity, partial(_bound_rows, session))


class OrtWindow:
    """One session over whole windows, of any length."""

    def __init__(self, session: onnxruntime.InferenceSession, manifest: Manifest) -> None:
        self.backend, self.manifest, self._session = RUNTIME, manifest, session

    def run(self, frames: Array) -> Array:
        """(time, inputs) -> (time, outputs), or (1, outputs)."""
        try:
            (answers,) = self._session.run(["y"], {"x": frames})
        except Exception as error:  # as in open_session
            raise step_error(error) from error
        return np.asarray(answers)


class OrtBound:
    """Fixed buffers: each step reads the states from one set and writes them to the other."""

    guards = False
    countdown = run = float_step = None

    def __init__(self, session: onnxruntime.InferenceSession, manifest: Manifest) -> None:
        self.x: Array = np.zeros(manifest.inputs, manifest.dtype(INPUT))
        self.y: Array = np.zeros(manifest.outputs, manifest.dtype(OUTPUT))
        self._sets = tuple(
            [np.zeros(width, manifest.dtype(name)) for name, width in manifest.states.items()] for _ in range(2)
        )
        self.turn = 0
        self._session = session
        bindings = [self._bind(manifest, self._sets[turn], self._sets[1 - turn]) for turn in range(2)]
        self._runs = tuple(_call(session, binding) for binding in bindings)
        self._scratch = varied(self)  # its step writes the states of the next turn, which hold nothing yet
        self._primed = restoring(self._scratch.step, self.y)

    def step(self) -> None:
        try:
            self._runs[self.turn]()
        except RuntimeError as error:
            raise step_error(error) from error
        self.turn = 1 - self.turn

    def prime(self) -> None:
        self._scratch.turn = self.turn
        self._primed()

    def get_states(self) -> tuple[Array, ...]:
        return tuple(self._sets[self.turn])

    def set_states(self, states: tuple[Array, ...]) -> None:
        for buffer, state in zip(self._sets[self.turn], states, strict=True):
            buffer[:] = state

    def _bind(self, manifest: Manifest, before: list[Array], after: list[Array]) -> Any:
        binding = self._session.io_binding()
        ins = dict(zip((f"{name}.in" for name in manifest.states), before, strict=True))
        outs = dict(zip((f"{name}.out" for name in manifest.states), after, strict=True))
        xs, ys = manifest.named_inputs, manifest.named_outputs
        for name, array in {**(_parts(INPUT, self.x, xs) or {INPUT: self.x}), **ins}.items():
            shape = array.shape if name == INPUT and manifest.vocabulary_size else (1, *array.shape)
            binding.bind_input(name, "cpu", 0, array.dtype, shape, array.ctypes.data)
        for name, array in {**(_parts(OUTPUT, self.y, ys) or {OUTPUT: self.y}), **outs}.items():
            binding.bind_output(name, "cpu", 0, array.dtype, (1, *array.shape), array.ctypes.data)
        return binding


class AdoptedBound:
    """Buffers of the shapes that an adopted file has; its states alternate between two sets."""

    guards = False
    countdown = run = float_step = None

    def __init__(self, session: onnxruntime.InferenceSession, manifest: Manifest, adopted: Adopted) -> None:
        self._ins = {info.name: np.zeros(info.size, info.dtype) for info in adopted.inputs.values()}
        self._outs = {info.name: np.zeros(info.size, info.dtype) for info in adopted.outputs.values()}
        wiring = wired(manifest, adopted, self._ins, self._outs)
        self.x, self.y, self._contexts, self._names = wiring.x, wiring.y, wiring.contexts, tuple(manifest.states)
        self._constants = [np.full(c.tensor.size, c.value, c.tensor.dtype) for c in adopted.constants.values()]
        self._sets = tuple({name: np.zeros(i.size, i.dtype) for name, i in adopted.states.items()} for _ in range(2))
        self.turn = 0
        bindings = [self._bind(session, adopted, self._sets[turn], self._sets[1 - turn]) for turn in range(2)]
        both = [(name, self._outs[info.name]) for name, info in adopted.results.items() if info.name in self._outs]
        after = [
            (*((self._sets[1 - turn][name].data, array.data) for name, array in both), *wiring.after)
            for turn in range(2)
        ]
        calls = [_call(session, binding) for binding in bindings]
        self._runs = tuple(map(copying, calls, [wiring.before] * 2, after))
        runs = tuple(map(copying, calls, [wiring.before] * 2, map(into_scratch, after)))
        self._scratch = varied(self, _runs=runs)  # its step writes the states of the next turn, which hold nothing yet
        self._primed = restoring(self._scratch.step, self.y)

    def step(self) -> None:
        self._runs[self.turn]()
        self.turn = 1 - self.turn

    def prime(self) -> None:
        self._scratch.turn = self.turn
        self._primed()

    def get_states(self) -> tuple[Array, ...]:
        return tuple(self._states().values())

    def set_states(self, states: tuple[Array, ...]) -> None:
        for buffer, state in zip(self._states().values(), states, strict=True):
            buffer[:] = state

    def _states(self) -> dict[str, Array]:
        states = {**self._sets[self.turn], **self._contexts}
        return {name: states[name] for name in self._names}

    def _bind(
        self,
        session: onnxruntime.InferenceSession,
        adopted: Adopted,
        before: Mapping[str, Array],
        after: Mapping[str, Array],
    ) -> Any:
        binding = session.io_binding()
        ins: list[tuple[TensorInfo, Array]] = [(info, self._ins[info.name]) for info in adopted.inputs.values()]
        ins += [(info, before[name]) for name, info in adopted.states.items()]
        ins += [(c.tensor, array) for c, array in zip(adopted.constants.values(), self._constants, strict=True)]
        outs = [(info, self._outs[info.name]) for info in adopted.outputs.values()]
        outs += [(info, after[name]) for name, info in adopted.results.items() if info.name not in self._outs]
        for info, array in ins:
            binding.bind_input(info.name, "cpu", 0, array.dtype, info.shape, array.ctypes.data)
        for info, array in outs:
            binding.bind_output(info.name, "cpu", 0, array.dtype, info.shape, array.ctypes.data)
        return binding


def _parts(value: str, whole: Array, parts: Mapping[str, int]) -> dict[str, Array]:
    """Views of the parts of an array, by their names in the artifact."""
    return {f"{value}.{name}": whole[part] for name, part in slices(parts).items()}


def _bound_rows(session: onnxruntime.InferenceSession, ins: Rows, outs: Rows) -> Callable[[], None]:
    """A call with arrays of as many rows as there are streams."""
    binding = session.io_binding()
    for name, array in ins.items():
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    for name, array in outs.items():
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    return _call(session, binding)


def _call(session: onnxruntime.InferenceSession, binding: Any) -> Callable[[], None]:
    """A function that runs a binding, without RunOptions: reading them costs four times the step.

    The public method checks at every call whether a GPU graph is captured, which takes half a microsecond. So the inner
    function that it calls is called directly, or the public method where the package has no such function.
    """
    try:
        return partial(session._sess.run_with_iobinding, binding._iobinding, None)  # noqa: SLF001
    except AttributeError:
        return partial(session.run_with_iobinding, binding)


def load(data: bytes, name: str, threads: int) -> OrtEngine | OrtWindow:
    """A session over the bytes of a verified `.onnx` file.

    Raises:
        FileError: the runtime refuses the file, or finds other names, shapes or types than its manifest has.
        ParityError: an adopted file does not answer as it did when it was adopted.
    """
    manifest = parse_manifest(data, name)
    severity = WARNINGS if manifest.adopted is None else ERRORS
    open_for = partial(open_session, data, name, threads, step=not manifest.window, severity=severity)
    session = open_for(streams=None if manifest.window else 1)
    ins, outs = tensors(session.get_inputs()), tensors(session.get_outputs())
    if manifest.adopted is None:
        check_signature(name, manifest, {**ins, **outs})
        return OrtWindow(session, manifest) if manifest.window else OrtEngine(session, manifest, open_for)
    check_tensors(name, manifest.adopted, ins, outs)
    engine = OrtEngine(session, manifest, open_for)
    replay(engine, name)
    return engine


def tensors(nodes: Any) -> dict[str, tuple[tuple[int | str | None, ...], str]]:
    """Return (shape, dtype) of the inputs or outputs of a session, by name; an open size is a name or None."""
    return {node.name: (tuple(node.shape), _TYPES.get(node.type, node.type)) for node in nodes}


def open_session(
    data: bytes, name: str, threads: int, *, step: bool = True, severity: int = WARNINGS, streams: int | None = None
) -> onnxruntime.InferenceSession:
    """A session over the bytes of an `.onnx` file, for steps or for whole windows.

    Args:
        data: the file.
        name: of the file, for messages.
        threads: of one operation.
        step: whether it runs steps.
        severity: WARNINGS or ERRORS: what the runtime prints on standard error.
        streams: how many streams a step takes where the file leaves that open; None to leave it open here too.

    Raises:
        FileError: the runtime refuses the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = severity
    for key, value in CONFIG.items():
        options.add_session_config_entry(key, value)
    if streams is not None:
        options.add_free_dimension_override_by_name(STREAMS, streams)
    if step:  # freeing the values of a step one by one takes a seventh of the step, and they are small
        options.enable_mem_reuse = options.enable_cpu_mem_arena = False
    # "session.set_denormal_as_zero" stays off: it acts on the thread that creates the first session, and leaves the
    # caller's arithmetic in flush-to-zero for the rest of the process.
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        tensors((*session.get_inputs(), *session.get_outputs()))  # it raises where a name is no text
        return session
    except Exception as error:  # the exceptions of the runtime have no other base in common
        raise FileError(f"{RUNTIME} refuses '{name}': {' '.join(str(error).split())}") from error
