"""A stream: one carried state, stepped one frame at a time."""

import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from edgernn.array import Array
from edgernn.budget.monitor import Monitor
from edgernn.budget.verdict import Budget
from edgernn.errors import FrameError, StateError, UnsupportedError
from edgernn.model.parts import slices
from edgernn.runtime import saved
from edgernn.runtime.backend import Bound
from edgernn.runtime.carried import checked_states
from edgernn.runtime.contract import check_contract, same_states
from edgernn.runtime.float_io import FloatIO, initial_state
from edgernn.runtime.guard import OnBadInput, check_frame, check_policy
from edgernn.runtime.health import Health
from edgernn.runtime.parts import (
    Answer,
    answering,
    by_name,
    check_destination,
    destinations,
    flat_frame,
    flat_frames,
)
from edgernn.runtime.recovery import Recovery
from edgernn.runtime.source import Source
from edgernn.runtime.state_guard import StateWatch

_WHOLE = slice(None)  # created once instead of at every step


class Stream:
    """One carried state: `step` takes one frame at a time, on one thread at a time.

    `program.stream()` creates it. It is the only object of edgernn that changes while a model runs.
    """

    __slots__ = (
        "_answer",
        "_bound",
        "_busy",
        "_frames",
        "_initial_state",
        "_inputs",
        "_names",
        "_outputs",
        "_parts",
        "_primed",
        "_raw",
        "_recovery",
        "_run",
        "_view",
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
        monitor: Monitor | Budget | None,
        watch: StateWatch | None,
        *,
        raw: bool,
    ) -> None:
        check_policy(on_bad_input)
        manifest = program.manifest
        self.program = program
        self._busy, self._raw = False, raw
        self._bound: Bound = FloatIO(bound, manifest) if manifest.quantization and not raw else bound
        self._x, self._y = self._bound.x, self._bound.y
        self._x[:] = 0
        self._view: Any = self._x.data  # takes nothing but its own shape and dtype
        self._inputs, self._outputs = manifest.named_inputs, manifest.named_outputs
        self._frames = manifest.frames_per_step
        self._parts = {name: self._y[part] for name, part in slices(self._outputs).items()}
        self._answer = answering(self._y, self._parts)
        self._recovery = Recovery(self._bound, bound, manifest, on_bad_input, watch, counts=monitor is None)
        self._run = self._recovery.guard(self._bound.step)
        self.monitor = monitor if monitor is None or isinstance(monitor, Monitor) else Monitor(monitor)
        if self.monitor is not None:
            self._run = self.monitor.wrap(self._run)
        self._names = tuple(manifest.states.items())
        self._initial_state = initial_state(manifest, raw=raw)
        self._primed = self._on_scratch()
        self.reset()

    def step(self, frame: Any, out: Any = None) -> Answer:
        """Compute the outputs for one frame, and carry the state.

        Args:
            frame: float32 of shape (inputs,); int32 of shape (1,) when the model begins with an embedding. Where a step
                takes several frames, of shape (frames_per_step, width), or flat with all frames of one input before
                those of the next. In a raw stream the frame, the result and the state have the dtypes of the manifest.
                Several inputs are arrays by name, or a tuple of them in the order of `manifest.named_inputs`.
            out: the array for the result, float32 of shape (outputs,), or arrays by name for several outputs; new
                arrays by default.

        Returns:
            float32 of shape (outputs,); of several outputs, an array for each by name.

        Raises:
            FrameError: the frame or `out` has a wrong shape or dtype; or the frame is not finite, beyond the limit or
                outside the table, and on_bad_input is "raise". The state is unchanged.
            StateError: another thread is using the stream. The stream is unchanged.
            FileError: the runtime refuses the step, as the artifact may be damaged.
        """
        if self._busy:
            raise self._in_use()
        self._busy = True  # CPython lets no other thread in between a test and a store: that takes a call or a loop
        try:
            outs = destinations(out, self._y, self._parts) if out is not None and self._parts else None
            if out is not None and outs is None:
                check_destination(out, self._y)
            try:
                self._view[_WHOLE] = frame
            except (TypeError, ValueError, NotImplementedError, BufferError):
                flat = flat_frame(frame, self._inputs, self._x.dtype, self._frames)
                check_frame(flat, self._x)
                self._x[...] = flat
            if self._run():
                self._recovery.recover(self._run)
            if out is None:
                return self._answer()
            if outs is None:
                out[...] = self._y
                return out
            for result, part in zip(outs, self._parts.values(), strict=True):
                result[...] = part
            return out
        finally:
            self._busy = False

    def prime(self) -> None:
        """Load what a step touches into the caches: the code of `step` runs on a scratch state, and nothing changes.

        A step after a pause finds the caches cold. Call this shortly before a frame is due, as often as there is time;
        `edgernn.pace` does. State, monitor and the frame that on_bad_input="hold" would take stay as they are.

        Raises:
            StateError: another thread is using the stream.
        """
        if self._busy:
            raise self._in_use()
        self._busy = True
        try:
            self._primed.step(self._x)
        finally:
            self._busy = False

    def run(self, frames: Any) -> Answer:
        """Compute the outputs for a block of frames, beginning in the carried state.

        Args:
            frames: (time, inputs), each row as `step` takes it; several inputs by name or in a tuple, of equal lengths.
                Where a step takes several frames, (time, width of a frame), and time is a multiple of frames_per_step.

        Returns:
            (steps, outputs); of several outputs, (steps, width) for each by name.

        Raises:
            FrameError, StateError, FileError: as `step`; the state includes the frames before a refused one.
        """
        frames = flat_frames(frames, self._inputs, self._x.dtype, self._frames)
        if not isinstance(frames, np.ndarray) or frames.ndim != 2 or frames.shape[1:] != self._x.shape:
            arrived = f"shape {frames.shape}" if isinstance(frames, np.ndarray) else f"type {type(frames).__name__}"
            raise FrameError(f"a block of {arrived} arrived; expected an array (time, {self._x.size // self._frames})")
        if frames.dtype != self._x.dtype and len(frames):
            check_frame(frames[0], self._x)
        if self._busy:
            raise self._in_use()
        self._busy = True
        try:
            results = self._run_block(frames)
            self._recovery.look()
            return by_name(results, self._outputs) if self._outputs else results
        finally:
            self._busy = False

    def _run_block(self, frames: Array) -> Array:
        """Run as many frames as the backend can in one call, up to one that it refuses, and step the rest."""
        results = np.empty((len(frames), self._y.size), self._y.dtype)
        done = 0
        if self._bound.run is not None and self._recovery.last_good is None and self.monitor is None:
            done = self._bound.run(np.ascontiguousarray(frames), results)
        for frame, result in zip(frames[done:], results[done:], strict=True):
            self._x[...] = frame
            if self._run():
                self._recovery.recover(self._run)
            result[...] = self._y
        return results

    def reset(self) -> Self:
        """Return to the initial state: zeros, or the initial states that the model learned.

        Raises:
            StateError: another thread is using the stream.
        """
        self._check_idle()
        self._bound.set_states(self._initial_state)
        return self

    @property
    def state(self) -> dict[str, Array]:
        """The carried states by name, each a copy, float32 of shape (width,). Set it again to resume bit for bit.

        Raises:
            StateError: another thread is using the stream; or, when it is set, the names, shapes or dtypes are those of
                another model, or a value is not finite or too large to step from.
        """
        self._check_idle()
        return {name: array.copy() for (name, _), array in zip(self._names, self._bound.get_states(), strict=True)}

    @state.setter
    def state(self, states: Mapping[str, Array]) -> None:
        self._check_idle()
        self._bound.set_states(checked_states(states, dict(self._names), self._initial_state))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the carried state into a file, atomically: `program.restore(path)` goes on from it, bit for bit.

        The file is on disk when this returns, which takes as long as the disk needs.

        Raises:
            FileError: the file cannot be written; an older one is unchanged.
            StateError: another thread is using the stream.
        """
        saved.save(path, self.program.manifest, {0: self.state})

    @property
    def health(self) -> Health:
        """The counts of its guards until now; may be read from another thread."""
        return self._recovery.health

    def swap(self, program: Source) -> bool:
        """Go on with another program from the next frame on: a newer model, or another precision of this one.

        The state is handed over where both programs have states of the same names and widths; else the stream is in
        the initial state of the new one. Policy, monitor, state guard and `health` stay.

        Returns:
            Whether the state was handed over.

        Raises:
            StateError: the frames or answers of the programs differ, or another thread is using the stream. Nothing
                changed.
            UnsupportedError: as Program.stream.
        """
        if self._busy:
            raise self._in_use()
        before, after = self.program.manifest, program.manifest
        check_contract(before, after, raw=self._raw)
        recovery, watch = self._recovery, self._recovery.watch
        guards: Any = {"on_bad_input": recovery.on_bad_input, "state_guard": None if watch is None else watch.guard}
        other: Stream = program.stream(raw=self._raw, monitor=self.monitor, **guards)
        handed_over = same_states(before, after)
        if handed_over:
            other.state = self.state
        other._recovery.take_over(recovery)
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))
        return handed_over

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise UnsupportedError(
            f"a Stream of '{self.program.name}' cannot be pickled or copied: it is memory of its runtime; pickle its "
            "program and its state, and give the state to a new stream: stream = program.stream(); stream.state = state"
        )

    def _on_scratch(self) -> "Stream":
        """Return a stream of the same objects that steps a scratch state; a bad frame in `x` becomes zeros."""
        primed: Stream = object.__new__(type(self))
        for name in {*self.__slots__} - {"_primed"}:
            setattr(primed, name, getattr(self, name))
        primed._recovery = self._recovery.on_scratch()
        primed._run = primed._recovery.guard(self._bound.prime)
        if self.monitor is not None:  # its code, in one that counts for itself
            primed._run = Monitor(self.monitor.budget).wrap(primed._run)
        return primed

    def _in_use(self) -> StateError:
        return StateError(
            f"this stream of '{self.program.name}' is being used by another thread, or by a hook; use each stream "
            "on one thread at a time, and program.stream() for another"
        )

    def _check_idle(self) -> None:
        """Refuse to get or set the state while a step changes it; hooks are called between two steps."""
        if self._busy and not any(each is not None and each.in_hook for each in (self.monitor, self._recovery.watch)):
            raise self._in_use()
