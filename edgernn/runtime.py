"""Opening an artifact and running it: an immutable Program, and a Stream for each carried state."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from edgernn import disk
from edgernn.budget import Budget
from edgernn.contract import Contract
from edgernn.door import Door, at_rest
from edgernn.engine import Bound, Engine, WindowEngine
from edgernn.errors import FrameError, StateError, UnsupportedError, UsageError
from edgernn.guard import check_window, guarded, holding, unfit
from edgernn.seal import verify
from edgernn.watch import Watch

Array = NDArray[Any]
OnBadInput = Literal["raise", "hold", "zero"]

BACKENDS = {
    ".onnx": "edgernn.backends.onnxruntime",
    ".rnn": "edgernn.backends.numpy",
    ".so": "edgernn.backends.native",
    ".tflite": "edgernn.backends.tflite",
}
"""The suffix of an artifact -> the module that runs it: `load(data, name, threads) -> Engine`."""


_WHOLE = slice(None)  # made once, and not at every step


@dataclass(frozen=True)
class Program:
    """A verified artifact, ready to run: immutable, and shared by any number of streams."""

    name: str
    sha256: str
    size: int  # bytes
    engine: Engine | WindowEngine

    @property
    def contract(self) -> Contract:
        """What it reads, carries and answers."""
        return self.engine.contract

    @property
    def backend(self) -> str:
        """The runtime that steps it, with its version."""
        return self.engine.backend

    def stream(
        self,
        *,
        on_bad_input: OnBadInput = "raise",
        raw: bool = False,
        watch: Watch | Budget | None = None,
    ) -> "Stream":
        """A new stream at rest.

        Args:
            on_bad_input: what a frame that is not finite or beyond the contract's limit, or an index outside the table,
                does. "raise" refuses it with a FrameError and leaves the state as it was; "hold" takes the last good
                frame in its place (zeros before any), "zero" takes zeros.
            raw: whether frames, results and states are as the artifact itself has them: integers of the grids that its
                contract has, int8 or int16, and nothing is converted.
            watch: counts how long every step takes, and how many take longer than the deadline of a budget:
                `stream.watch.snapshot()`. A block of frames is then run step by step.

        Raises:
            UnsupportedError: the model reads whole windows, or raw=True and it has no integers at its door.
        """
        if isinstance(self.engine, WindowEngine):
            raise UnsupportedError(
                f"'{self.name}' reads every window in both directions and cannot stream; give it a whole window with "
                "program.run(frames), or train a model in one direction"
            )
        said, bound = self.contract, self.engine.bind()
        if raw and not said.grids:
            raise UnsupportedError(
                f"raw=True, but '{self.name}' is {said.precision} and neither reads, carries nor answers integers; "
                "leave raw away, or write the model in a static precision"
            )
        outside = Door(bound, said) if said.grids and not raw else bound
        return Stream(self, outside, on_bad_input, at_rest(said, raw=raw), watch)

    def run(self, frames: Array) -> Array:
        """A whole sequence from rest, (time, inputs) -> (time, outputs), or (1, outputs) from a pooled window.

        Raises:
            FrameError: a frame that must not enter; a window must also have one at least.
        """
        if not isinstance(self.engine, WindowEngine):
            return self.stream().run(frames)
        check_window(frames, self.contract)
        return self.engine.run(np.ascontiguousarray(frames))


class Stream:
    """One carried state: `step` a frame at a time, on one thread at a time.

    `program.stream()` makes it. Nothing else in edgernn changes while a model runs.
    """

    __slots__ = (
        "_answer", "_bound", "_held", "_limit", "_names", "_on_bad_input", "_rest", "_rows", "_run", "_view", "_x",
        "_y", "program", "watch",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        bound: Bound,
        on_bad_input: OnBadInput,
        rest: tuple[Array, ...],
        watch: Watch | Budget | None,
    ) -> None:
        if on_bad_input not in ("raise", "hold", "zero"):
            raise UsageError(f"on_bad_input='{on_bad_input}' does not exist; there are 'raise', 'hold' and 'zero'")
        said = program.contract
        self.program = program
        self._on_bad_input = on_bad_input
        self._bound = bound
        self._x, self._y = self._bound.x, self._bound.y
        self._x[:] = 0
        self._view: Any = self._x.data  # takes nothing but its own shape and dtype
        self._answer = self._y.copy
        self._run = self._bound.step
        if not self._bound.guards:
            self._run = guarded(self._run, self._x, said)
        self._held = self._x.copy() if on_bad_input == "hold" else None
        if self._held is not None:
            self._run = holding(self._run, self._x, self._held)
        self.watch = watch if watch is None or isinstance(watch, Watch) else Watch(watch)
        if self.watch is not None:
            self._run = self.watch.watched(self._run)
        self._rows, self._limit = said.rows, said.limit
        self._names = tuple(said.states.items())
        self._rest = rest
        self.reset()

    def step(self, frame: Array, out: Array | None = None) -> Array:
        """One frame.

        Args:
            frame: float32 of shape (inputs,); int32 of shape (1,) when the model begins with an embedding. In a raw
                stream it is as the contract says, and so are the result and the state.
            out: where to put the result, float32 of shape (outputs,); a fresh array unless given.

        Returns:
            float32 of shape (outputs,).

        Raises:
            FrameError: wrong shape or dtype, of the frame or of out; or the frame is not finite, beyond the limit or
                outside the table, and on_bad_input is "raise". The state is as it was.
        """
        if out is not None:
            self._check_out(out)
        try:
            self._view[_WHOLE] = frame
        except (TypeError, ValueError, NotImplementedError, BufferError):
            self._check(frame)
            self._x[...] = frame
        if self._run():
            self._repair()
            self._run()
        if out is None:
            return self._answer()
        out[...] = self._y
        return out

    def run(self, frames: Array) -> Array:
        """A block of frames, (time, inputs) -> (time, outputs), from the carried state on."""
        if not isinstance(frames, np.ndarray) or frames.ndim != 2 or frames.shape[1:] != self._x.shape:
            arrived = f"shape {frames.shape}" if isinstance(frames, np.ndarray) else f"type {type(frames).__name__}"
            raise FrameError(f"a block of {arrived} arrived; expected an array (time, {self._x.size})")
        results = np.empty((len(frames), self._y.size), self._y.dtype)
        done = self._run_at_once(frames, results)
        for frame, result in zip(frames[done:], results[done:], strict=True):
            self.step(frame, result)
        return results

    def _run_at_once(self, frames: Array, results: Array) -> int:
        """As many frames as a backend can do in one call: up to the first that is refused, or none."""
        run = getattr(self._bound, "run", None)
        if run is None or self._held is not None or self.watch is not None or frames.dtype != self._x.dtype:
            return 0
        done: int = run(np.ascontiguousarray(frames), results)
        return done

    def reset(self) -> Self:
        """Back to rest: zeros, or the initial states that the model learned."""
        self._bound.write(self._rest)
        return self

    @property
    def state(self) -> dict[str, Array]:
        """The carried states by name, each a copy, float32 of shape (width,). Give it back to resume bit for bit.

        Raises:
            StateError: on setting, names, shapes or dtypes of another model, or values not finite or beyond the limit.
        """
        return {name: array.copy() for (name, _), array in zip(self._names, self._bound.read(), strict=True)}

    @state.setter
    def state(self, states: Mapping[str, Array]) -> None:
        wanted = dict(self._names)
        if not isinstance(states, Mapping) or not all(isinstance(array, np.ndarray) for array in states.values()):
            told = f"expected arrays by name, {wanted}, as `state` gives them"
            raise StateError(f"a {type(states).__name__} arrived; {told}")
        given = dict(states)
        if {name: array.shape for name, array in given.items()} != {name: (width,) for name, width in wanted.items()}:
            arrived = {name: array.shape for name, array in given.items()}
            raise StateError(f"a state of {arrived} arrived; expected {wanted}: it belongs to another model")
        for name, kept in zip(wanted, self._rest, strict=True):
            if given[name].dtype != kept.dtype:
                raise StateError(f"state '{name}' is {given[name].dtype}; expected {kept.dtype}")
            if not (np.abs(given[name]) <= self._limit).all():
                wrong = unfit(f"state '{name}'", given[name], self._limit)
                raise StateError(f"{wrong}; give one that was saved before")
        self._bound.write(tuple(given[name] for name in wanted))

    def _check_out(self, out: Any) -> None:
        """Refuse a place for the result that cannot take it, before the state moves on."""
        fits = isinstance(out, np.ndarray) and out.dtype == self._y.dtype and out.shape == self._y.shape
        if not fits or not out.flags.writeable:
            raise FrameError(
                f"out= cannot take the result; expected a writeable array of {self._y.dtype} of shape {self._y.shape}"
            )

    def _check(self, frame: Any) -> None:
        """The slow way to the same question as in `step`, and the words when the answer is no."""
        dtype, shape = self._x.dtype, self._x.shape
        if not isinstance(frame, np.ndarray) or frame.dtype != dtype or frame.shape != shape:
            arrived = f"{frame.dtype} of shape {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise FrameError(
                f"a frame of {arrived} arrived; expected an array of {dtype} of shape {shape}: "
                f"use np.asarray(frame, np.{dtype}) and one step per frame"
            )

    def _repair(self) -> None:
        """Put something else in the place of a bad frame, or refuse it before the state can meet it."""
        if self._held is not None:
            self._x[...] = self._held
        elif self._on_bad_input == "zero":
            self._x[...] = 0
        elif self._rows:
            raise FrameError(f"index {self._x[0]} arrived; expected 0 to {self._rows - 1}, a row of the table")
        else:
            wrong = unfit("the frame", self._x, self._limit)
            raise FrameError(f"{wrong}; mend the source, or choose on_bad_input='hold' or 'zero'")


def open(path: str | os.PathLike[str], *, threads: int = 1) -> Program:  # noqa: A001  edgernn.open is the verb
    """Open an artifact: read it once, verify its seal, and give the same bytes to the runtime that its suffix names.

    Args:
        path: a `.rnn`, `.onnx`, `.tflite` or `.so` file written by edgernn.
        threads: how many threads the runtime may use for a step; one is fastest for small models, and compiled code
            and numpy use no more.

    Raises:
        UsageError: no backend opens this suffix.
        FileError: the file is missing, truncated, altered or not written by edgernn.
        MissingExtraError: the runtime is not installed.
        UnsupportedError: compiled code for another processor.
        ParityError: compiled code that computes something else here than where it was written.
    """
    name = os.fspath(path)
    backend = backend_of(name)
    if not isinstance(threads, int) or threads < 1:
        raise UsageError(f"threads={threads!r} arrived; expected a number of at least 1")
    return load(disk.read(path), name, backend, threads)


def backend_of(name: str) -> str:
    """The module that runs files of this suffix.

    Raises:
        UsageError: there is none.
    """
    suffix = Path(name).suffix
    if suffix not in BACKENDS:
        raise UsageError(f"no backend opens '{name}'; there are {', '.join(sorted(BACKENDS))}")
    return BACKENDS[suffix]


def load(data: bytes, name: str, backend: str, threads: int = 1) -> Program:
    """A program from the bytes of an artifact; `backend` is a module as in BACKENDS."""
    sha256 = verify(data, name)
    engine: Engine | WindowEngine = import_module(backend).load(data, name, threads)
    return Program(name, sha256, len(data), engine)
