"""The state guard: every so many steps it looks at the carried states, which return to rest when they are broken.

A value that is not finite, or beyond what may be set as a state, would stay for ever. Denormal numbers become 0:
compiled code and LiteRT flush them inside a step, numpy and ONNX Runtime carry them on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from operator import length_hint
from sys import byteorder
from threading import get_ident
from typing import Any

import numpy as np
from numpy import abs as size, count_nonzero

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import UsageError
from edgernn.integer.overflow import HELD
from edgernn.model.graph import OUTPUT
from edgernn.runtime.float_io import initial_state
from edgernn.runtime.health import Health

EVERY = 4000
LARGEST_COUNT = 2**32 - 1

TINY = np.finfo(np.float32).tiny
"""The smallest number of float32 that is not denormal."""

HIGH = slice(3 if byteorder == "little" else 0, None, 4)
"""The bytes of float32 with the sign and most of the exponent."""

DOUBTFUL = bytes(not 1 <= byte & 127 < np.float32(HELD).view(np.uint32) >> 24 for byte in range(256))
"""A translation table of these: 1 for those of 0, of denormal numbers and of what may be beyond HELD; else 0."""

Step = Callable[[], Any]


@dataclass(frozen=True)
class StateReset:
    """States that were reset, by the first value that cannot be.

    Attributes:
        state: its state.
        element: its place in that.
        value: not finite, or beyond what may be set as a state.
        slot: that of Streams; None of a Stream.
    """

    state: str
    element: int
    value: float
    slot: int | None = None


Hook = Callable[[StateReset], object]


@dataclass(frozen=True)
class StateGuard:
    """Looks at the states of a stream: `program.stream(state_guard=StateGuard())`, then `stream.health` at any time.

    Attributes:
        every: the number of steps from one look to the next. A block of `run` is looked at when it ends.
        hook: called with a StateReset, after the states were reset; it may get and set them. An exception from it
            propagates out of `step`.

    Raises:
        UsageError: `every` is not a whole number from 1 to 2 ** 32 - 1.
    """

    every: int = EVERY
    hook: Hook | None = None

    def __post_init__(self) -> None:
        if type(self.every) is not int or not 1 <= self.every <= LARGEST_COUNT:
            raise UsageError(f"a state guard every {self.every!r} steps arrived; expected 1 to {LARGEST_COUNT}")


def state_guard(guard: Any) -> StateGuard:
    """Return the state guard that a user asks for, by itself or by its number of steps.

    Raises:
        UsageError: it is neither.
    """
    return guard if isinstance(guard, StateGuard) else StateGuard(guard)


@dataclass(frozen=True)
class Look:
    """What a look finds.

    Attributes:
        health: its counts, but for the look itself.
        states: all states with which the stream goes on; None where they stay as they are.
        reset: why they were reset; None where they were not.
    """

    health: Health
    states: tuple[Array, ...] | None = None
    reset: StateReset | None = None


class StateWatch:
    """The state guard at work in a Stream, or in Streams.

    Args:
        guard: of a user.
        manifest: of the artifact.
    """

    def __init__(self, guard: StateGuard, manifest: Manifest) -> None:
        self.guard, self.every, self._hook = guard, guard.every, guard.hook
        self._quantization, self._names = manifest.quantization, tuple(manifest.states)
        self._floats = tuple(k for k, name in enumerate(self._names) if name not in manifest.quantization)
        self._rest = initial_state(manifest, raw=True)
        self._thread_in_hook: int | None = None

    def look(self, states: tuple[Array, ...], y: Array | None = None, slot: int | None = None) -> Look | None:
        """Look at states; return None where there is nothing to count.

        Args:
            states: as the artifact has them, in the order of the manifest; they are not changed.
            y: the last answer, likewise.
            slot: for the report.
        """
        saturated, flushed = self._saturated(states, y) if self._quantization else 0, 0
        for k in self._floats:
            if 1 not in states[k].view(np.uint8)[HIGH].tobytes().translate(DOUBTFUL):
                continue
            magnitude = size(states[k])
            if not magnitude.max() <= HELD:  # not `>`: it may be no number
                element = int((magnitude <= HELD).argmin())
                reset = StateReset(self._names[k], element, float(states[k][element]), slot)
                return Look(Health(resets=1, saturated=saturated), self._rest, reset)
            flushed += int(count_nonzero(magnitude) - count_nonzero(magnitude >= TINY))
        if not flushed:
            return Look(Health(saturated=saturated)) if saturated else None
        return Look(Health(saturated=saturated, flushed=flushed), tuple(map(_flushed, states)))

    def report(self, reset: StateReset) -> None:
        """Call the hook."""
        if self._hook is not None:
            self._thread_in_hook = get_ident()
            try:
                self._hook(reset)
            finally:
                self._thread_in_hook = None

    @property
    def in_hook(self) -> bool:
        """Whether this thread is running the hook."""
        return self._thread_in_hook == get_ident()

    def _saturated(self, states: tuple[Array, ...], y: Array | None) -> int:
        """Count the integers that are the smallest or the largest of their quantization parameters."""
        values = dict(zip(self._names, states, strict=True)) | ({} if y is None else {OUTPUT: y})
        counts = (
            count_nonzero((values[name] == each.low) | (values[name] == each.high))
            for name, each in self._quantization.items()
            if name in values
        )
        return sum(map(int, counts))


def counted(step: Step, every: int, look: Callable[[], object]) -> Step:
    """A step that calls `look` after every so many steps in which it refused no frame."""
    left = repeat(None, every - 1)

    def counted_step(step: Step = step) -> Any:  # an argument is faster than a closure
        nonlocal left
        for _ in left:  # takes one: a loop over an iterator that ends is the cheapest count of Python
            if step():
                left = repeat(None, length_hint(left) + 1)
                return True
            return False
        if step():
            return True
        left = repeat(None, every - 1)
        look()
        return False

    return counted_step


def _flushed(state: Array) -> Array:
    """Return a state with 0 in the place of denormal numbers; integers stay."""
    if state.dtype.kind != "f":
        return state
    return np.where((size(state) < TINY) & (state != 0), np.float32(0), state)
