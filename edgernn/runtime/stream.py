"""A stream: one carried state, stepped a frame at a time."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest
from edgernn.budget.monitor import Monitor
from edgernn.budget.verdict import Budget
from edgernn.errors import FrameError, StateError, UnsupportedError, UsageError
from edgernn.integer.overflow import HELD
from edgernn.runtime.backend import Bound
from edgernn.runtime.guard import guarded, holding, unfit

Array = NDArray[Any]
OnBadInput = Literal["raise", "hold", "zero"]

_WHOLE = slice(None)  # made once, and not at every step


class Source(Protocol):
    """The program that a stream was made from."""

    @property
    def name(self) -> str:
        """Its file."""

    @property
    def sha256(self) -> str:
        """The checksum of the file."""

    @property
    def manifest(self) -> Manifest:
        """What it reads, carries and answers."""

    @property
    def backend(self) -> str:
        """The runtime that steps it, with its version."""


class Stream:
    """One carried state: `step` a frame at a time, on one thread at a time.

    `program.stream()` makes it. Nothing else in edgernn changes while a model runs.
    """

    __slots__ = (
        "_answer",
        "_bound",
        "_busy",
        "_held",
        "_initial_state",
        "_limit",
        "_names",
        "_on_bad_input",
        "_run",
        "_view",
        "_vocabulary_size",
        "_x",
        "_y",
        "monitor",
        "program",
    )

    def __init__(
        self,
        program: Source,
        bound: Bound,
        on_bad_input: OnBadInput,
        initial_state: tuple[Array, ...],
        monitor: Monitor | Budget | None,
    ) -> None:
        if on_bad_input not in ("raise", "hold", "zero"):
            raise UsageError(f"on_bad_input='{on_bad_input}' does not exist; there are 'raise', 'hold' and 'zero'")
        manifest = program.manifest
        self.program = program
        self._busy = False
        self._on_bad_input = on_bad_input
        self._bound = bound
        self._x, self._y = self._bound.x, self._bound.y
        self._x[:] = 0
        self._view: Any = self._x.data  # takes nothing but its own shape and dtype
        self._answer = self._y.copy
        self._run = self._bound.step
        if not self._bound.guards:
            self._run = guarded(self._run, self._x, manifest)
        self._held = self._x.copy() if on_bad_input == "hold" else None
        if self._held is not None:
            self._run = holding(self._run, self._x, self._held)
        self.monitor = monitor if monitor is None or isinstance(monitor, Monitor) else Monitor(monitor)
        if self.monitor is not None:
            self._run = self.monitor.wrap(self._run)
        self._vocabulary_size, self._limit = manifest.vocabulary_size, manifest.limit
        self._names = tuple(manifest.states.items())
        self._initial_state = initial_state
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
            StateError: another thread is using the stream. Nothing of it has changed.
        """
        if self._busy:
            raise self._shared()
        self._busy = True  # CPython lets no other thread in between a test and a store: that takes a call or a loop
        try:
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
        finally:
            self._busy = False

    def run(self, frames: Array) -> Array:
        """A block of frames, (time, inputs) -> (time, outputs), from the carried state on.

        Raises:
            FrameError, StateError: as `step`; the frames before the one that is refused are in the state.
        """
        if not isinstance(frames, np.ndarray) or frames.ndim != 2 or frames.shape[1:] != self._x.shape:
            arrived = f"shape {frames.shape}" if isinstance(frames, np.ndarray) else f"type {type(frames).__name__}"
            raise FrameError(f"a block of {arrived} arrived; expected an array (time, {self._x.size})")
        if frames.dtype != self._x.dtype and len(frames):
            self._check(frames[0])
        if self._busy:
            raise self._shared()
        self._busy = True
        try:
            return self._run_block(frames)
        finally:
            self._busy = False

    def _run_block(self, frames: Array) -> Array:
        """As many frames as the backend does in one call, up to one that must not enter, and the rest by steps."""
        results = np.empty((len(frames), self._y.size), self._y.dtype)
        done = 0
        run = getattr(self._bound, "run", None)
        if run is not None and self._held is None and self.monitor is None:
            done = run(np.ascontiguousarray(frames), results)
        for frame, result in zip(frames[done:], results[done:], strict=True):
            self._x[...] = frame
            if self._run():
                self._repair()
                self._run()
            result[...] = self._y
        return results

    def reset(self) -> Self:
        """Back to rest: zeros, or the initial states that the model learned.

        Raises:
            StateError: another thread is using the stream.
        """
        self._check_alone()
        self._bound.write(self._initial_state)
        return self

    @property
    def state(self) -> dict[str, Array]:
        """The carried states by name, each a copy, float32 of shape (width,). Give it back to resume bit for bit.

        Raises:
            StateError: another thread is using the stream; on setting, names, shapes or dtypes of another model, or
                values not finite or too large to step from.
        """
        self._check_alone()
        return {name: array.copy() for (name, _), array in zip(self._names, self._bound.read(), strict=True)}

    @state.setter
    def state(self, states: Mapping[str, Array]) -> None:
        self._check_alone()
        wanted = dict(self._names)
        if not isinstance(states, Mapping) or not all(isinstance(array, np.ndarray) for array in states.values()):
            told = f"expected arrays by name, {wanted}, as `state` gives them"
            raise StateError(f"a {type(states).__name__} arrived; {told}")
        given = dict(states)
        if {name: array.shape for name, array in given.items()} != {name: (width,) for name, width in wanted.items()}:
            arrived = {name: array.shape for name, array in given.items()}
            raise StateError(f"a state of {arrived} arrived; expected {wanted}: it belongs to another model")
        for name, kept in zip(wanted, self._initial_state, strict=True):
            if given[name].dtype != kept.dtype:
                raise StateError(f"state '{name}' is {given[name].dtype}; expected {kept.dtype}")
            if not (np.abs(given[name]) <= HELD).all():
                wrong = unfit(f"state '{name}'", given[name], HELD)
                raise StateError(f"{wrong}; give one that was saved before")
        self._bound.write(tuple(given[name] for name in wanted))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise UnsupportedError(
            f"a Stream of '{self.program.name}' cannot be pickled or copied: it is memory of its runtime; pickle its "
            "program and its state, and give the state to a new stream: stream = program.stream(); stream.state = state"
        )

    def _shared(self) -> StateError:
        return StateError(
            f"this stream of '{self.program.name}' is being used by another thread, or by its monitor's hook; use each "
            "stream on one thread at a time, and program.stream() for another"
        )

    def _check_alone(self) -> None:
        """Refuse to read or change a state while a step changes it; a hook is told between two steps."""
        if self._busy and not (self.monitor is not None and self.monitor.in_hook):
            raise self._shared()

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
        elif self._vocabulary_size:
            raise FrameError(
                f"index {self._x[0]} arrived; expected 0 to {self._vocabulary_size - 1}, a row of the table"
            )
        else:
            wrong = unfit("the frame", self._x, self._limit)
            raise FrameError(f"{wrong}; mend the source, or choose on_bad_input='hold' or 'zero'")
