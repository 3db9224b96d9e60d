"""Streams: many carried states in slots, stepped together, so that the weights are read once for several of them."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import FrameError, StateError, UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.runtime import saved
from edgernn.runtime.backend import ManyBound
from edgernn.runtime.batch import converting_many, good_rows, guarded_many, refused, rows
from edgernn.runtime.carried import checked_states
from edgernn.runtime.float_io import initial_state, integers, numbers
from edgernn.runtime.guard import OnBadInput, check_policy
from edgernn.runtime.health import Health
from edgernn.runtime.parts import Answer, by_name
from edgernn.runtime.slots import Slots
from edgernn.runtime.source import Source
from edgernn.runtime.state_guard import Look, StateWatch


class Streams:
    """Up to `capacity` carried states in slots: `step` takes a frame for each of any of them, on one thread at a time.

    `program.streams(capacity)` creates it. Each stream answers as one of `program.stream()` would.
    """

    __slots__ = (
        "_bound",
        "_busy",
        "_converts",
        "_dtypes",
        "_health",
        "_initial_state",
        "_last_good",
        "_left",
        "_manifest",
        "_on_bad_input",
        "_slots",
        "_step",
        "_watch",
        "program",
    )

    def __init__(
        self,
        program: Source,
        bound: ManyBound,
        slots: Slots,
        on_bad_input: OnBadInput,
        watch: StateWatch | None,
        *,
        raw: bool,
    ) -> None:
        check_policy(on_bad_input)
        manifest = program.manifest
        self.program, self._slots, self._manifest = program, slots, manifest
        self._busy, self._on_bad_input, self._bound = False, on_bad_input, bound
        self._health, self._watch, self._left = Health(), watch, 0 if watch is None else watch.every
        self._converts = bool(manifest.quantization) and not raw
        if self._converts:
            self._step = converting_many(bound, manifest)
        else:
            self._step = bound.step if bound.guards else guarded_many(bound.step, manifest)
        self._dtypes = tuple(
            np.dtype("float32" if self._converts and name in manifest.quantization else manifest.dtype(name))
            for name in (INPUT, OUTPUT)
        )
        self._initial_state = initial_state(manifest, raw=raw)
        self._last_good = (
            np.zeros((slots.capacity, manifest.inputs), self._dtypes[0]) if on_bad_input == "hold" else None
        )

    def join(self) -> int:
        """Begin a stream in its initial state, and return its slot, from 0 to capacity - 1.

        Raises:
            StateError: all slots are joined, or another thread is using the streams.
        """
        self._check_idle()
        slot = self._slots.free()
        self._begin(slot)
        self._slots.join(slot)
        return slot

    def leave(self, slot: int) -> None:
        """End the stream of a slot, which may be joined again.

        Raises:
            StateError: the slot is not joined, or another thread is using the streams.
        """
        self._slots.leave(self._one(slot))

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots that are joined, in order."""
        return self._slots.joined

    @property
    def capacity(self) -> int:
        """The number of slots."""
        return self._slots.capacity

    def __len__(self) -> int:
        """The number of slots that are joined."""
        return len(self._slots)

    def step(self, frames: Any, slots: Any) -> Answer:
        """Step the streams of some slots, each with a frame of its own.

        Args:
            frames: (n, inputs), a row for each slot, as `Stream.step` takes one: float32, or int32 symbols (n, 1).
                Where a step takes several frames also (n, frames_per_step, width). Several inputs are arrays by name,
                or a tuple of them in the order of `manifest.named_inputs`.
            slots: n joined slots, each once, in any order: integers in a sequence or an array.

        Returns:
            (n, outputs), in the order of `slots`; of several outputs, (n, width) for each by name.

        Raises:
            FrameError: the frames have a wrong shape or dtype, or a frame is not finite, beyond the limit or outside
                the table and on_bad_input is "raise". No stream was stepped.
            StateError: a slot is not joined or comes twice, or another thread is using the streams. Nothing changed.
            FileError: the runtime refuses the step, as the artifact may be damaged.
        """
        if self._busy:
            raise self._in_use()
        self._busy = True
        try:
            places = self._slots.places(slots)
            xs, shape = frames, (len(places), self._manifest.inputs)
            if type(xs) is not np.ndarray or xs.dtype is not self._dtypes[0] or xs.shape != shape:
                xs = rows(frames, self._manifest, self._dtypes[0])
                if len(xs) != len(places):
                    raise FrameError(f"{len(xs)} frames arrived for {len(places)} slots; expected a frame for each")
            ys = np.empty((len(places), self._manifest.outputs), self._dtypes[1])
            row = self._step(xs, places, ys)
            if row >= 0:
                xs = self._recovered(xs, places, row)
                self._step(xs, places, ys)
            if self._last_good is not None:
                self._last_good[places] = xs
            self._left -= 1
            if not self._left:
                self._look()
            return by_name(ys, self._manifest.named_outputs) if self._manifest.named_outputs else ys
        finally:
            self._busy = False

    def reset(self, slot: int) -> None:
        """Return the stream of a slot to its initial state, as `Stream.reset`.

        Raises:
            StateError: the slot is not joined, or another thread is using the streams.
        """
        self._begin(self._one(slot))

    def get_state(self, slot: int) -> dict[str, Array]:
        """Return copies of the carried states of a slot by name, as `Stream.state`.

        Raises:
            StateError: the slot is not joined, or another thread is using the streams.
        """
        states, manifest = self._bound.get_states(self._one(slot)), self._manifest
        named = zip(manifest.states, states, strict=True)
        return {name: numbers(manifest, name, q) if self._converts else q.copy() for name, q in named}

    def set_state(self, slot: int, states: Mapping[str, Array]) -> None:
        """Replace the carried states of a slot: by those of a `Stream` of the same model, or of any slot.

        Raises:
            StateError: as `get_state`; or the names, shapes or dtypes are those of another model, or a value is not
                finite or too large to step from. Nothing changed.
        """
        place, manifest = self._one(slot), self._manifest
        self._set(place, checked_states(states, manifest.states, self._initial_state))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the states of all joined slots into one file, atomically, as `Stream.save`.

        Raises:
            FileError: the file cannot be written; an older one is unchanged.
            StateError: another thread is using the streams.
        """
        saved.save(path, self._manifest, {slot: self.get_state(slot) for slot in self.slots})

    def restore(self, path: str | os.PathLike[str]) -> tuple[int, ...]:
        """Join the slots that a file holds, each in its saved state. Returns the slots.

        Raises:
            FileError: the file is missing, truncated or altered, or holds no states.
            StateError: the states are those of another model; or a slot of the file is joined, or beyond the capacity.
                Nothing changed.
        """
        self._check_idle()
        streams = saved.load(path, self._manifest, raw=not self._converts)
        for slot in streams:
            self._slots.check_free(slot)
        checked = {
            slot: checked_states(each, self._manifest.states, self._initial_state) for slot, each in streams.items()
        }
        for slot, states in checked.items():
            self._begin(slot)
            self._set(slot, states)
            self._slots.join(slot)
        return tuple(checked)

    def _begin(self, slot: int) -> None:
        self._set(slot, self._initial_state)
        if self._last_good is not None:
            self._last_good[slot] = 0

    def _set(self, slot: int, states: tuple[Array, ...]) -> None:
        manifest = self._manifest
        if self._converts:
            states = tuple(integers(manifest, name, x) for name, x in zip(manifest.states, states, strict=True))
        self._bound.set_states(slot, states)

    def _recovered(self, xs: Array, places: Array, row: int) -> Array:
        """Return the frames with others in the place of bad ones, or refuse the first bad one."""
        manifest, bad = self._manifest, ~good_rows(xs, self._manifest)
        count = int(np.count_nonzero(bad))
        if self._on_bad_input == "raise":
            self._health |= Health(refused=count)
            raise refused(xs, row, int(places[row]), manifest)
        self._health |= Health(zeroed=count) if self._last_good is None else Health(held=count)
        xs = xs.copy()
        xs[bad] = 0 if self._last_good is None else self._last_good[places[bad]]
        return xs

    def _look(self) -> None:
        """Let the state guard look at the states of every joined slot."""
        if self._watch is None:
            return
        self._left, resets = self._watch.every, []
        for slot in self.slots:
            look = self._watch.look(self._bound.get_states(slot), slot=slot) or Look(Health())
            self._health |= look.health | Health(looks=1)
            if look.states is not None:
                self._bound.set_states(slot, look.states)
            resets += [] if look.reset is None else [look.reset]
        for reset in resets:
            self._watch.report(reset)

    @property
    def health(self) -> Health:
        """The counts of its guards until now, of all slots together; may be read from another thread."""
        return self._health

    def _one(self, slot: Any) -> int:
        """Return a slot that is joined."""
        self._check_idle()
        return self._slots.one(slot)

    def _check_idle(self) -> None:
        if self._busy and not (self._watch is not None and self._watch.in_hook):
            raise self._in_use()

    def _in_use(self) -> StateError:
        return StateError(
            f"these streams of '{self.program.name}' are being used by another thread, or by a hook; use them on one "
            "thread at a time, and program.streams() for others"
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise UnsupportedError(
            f"Streams of '{self.program.name}' cannot be pickled or copied: they are memory of their runtime; pickle "
            "the program and the state of each slot, and give them to new streams with set_state"
        )
