"""The state guard: every so many steps it looks at the carried states, which return to rest when they are broken.

A value that is not finite, or beyond what may be set as a state, would stay for ever. Denormal numbers become 0:
compiled code and LiteRT flush them inside a step, numpy and ONNX Runtime carry them on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import numpy as np
from numpy import abs as size

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import UsageError
from edgernn.integer.overflow import HELD
from edgernn.model.graph import OUTPUT
from edgernn.runtime.float_io import initial_state
from edgernn.runtime.health import Health

EVERY = 1000
LARGEST_COUNT = 2**32 - 1

TINY = np.finfo(np.float32).tiny
"""The smallest number of float32 that is not denormal."""

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
        health: its counts.
        states: all states with which the stream goes on; None where they stay as they are.
        reset: why they were reset; None where they were not.
    """

    health: Health
    states: tuple[Array, ...] | None
    reset: StateReset | None


class StateWatch:
    """The state guard at work in a Stream, or in Streams.

    Args:
        guard: of a user.
        manifest: of the artifact.
    """

    def __init__(self, guard: StateGuard, manifest: Manifest) -> None:
        self.guard, self.every, self._hook = guard, guard.every, guard.hook
        self._manifest = manifest
        self._rest = initial_state(manifest, raw=True)
        self._thread_in_hook: int | None = None

    def look(self, carried: tuple[Array, ...], y: Array | None = None, slot: int | None = None) -> Look:
        """Look at states.

        Args:
            carried: the states as the artifact has them, in the order of the manifest; they are not changed.
            y: the last answer, likewise.
            slot: for the report.
        """
        states = dict(zip(self._manifest.states, carried, strict=True))
        saturated = self._saturated(states if y is None else {**states, OUTPUT: y})
        reset = _broken(states, slot)
        if reset is not None:
            return Look(Health(looks=1, resets=1, saturated=saturated), self._rest, reset)
        denormal = {name: _denormal(state) for name, state in states.items() if state.dtype.kind == "f"}
        flushed = sum(int(np.count_nonzero(each)) for each in denormal.values())
        health = Health(looks=1, saturated=saturated, flushed=flushed)
        if not flushed:
            return Look(health, None, None)
        after = tuple(np.where(denormal[name], 0, q) if name in denormal else q for name, q in states.items())
        return Look(health, after, None)

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

    def _saturated(self, values: Mapping[str, Array]) -> int:
        """Count the integers that are the smallest or the largest of their quantization parameters."""
        counts = (
            np.count_nonzero((values[name] == each.low) | (values[name] == each.high))
            for name, each in self._manifest.quantization.items()
            if name in values
        )
        return sum(map(int, counts))


def counted(step: Step, every: int, look: Callable[[], object]) -> Step:
    """A step that calls `look` after every so many steps in which it refused no frame."""
    left = every

    def counted_step(step: Step = step) -> Any:  # an argument is faster than a closure
        nonlocal left
        if step():
            return True
        left -= 1
        if left:
            return False
        left = every
        look()
        return False

    return counted_step


def _broken(states: Mapping[str, Array], slot: int | None) -> StateReset | None:
    """Return the first value that cannot be; an integer always can."""
    for name, state in states.items():
        good = size(state) <= HELD if state.dtype.kind == "f" else np.True_
        if not good.all():
            element = int(good.argmin())
            return StateReset(name, element, float(state[element]), slot)
    return None


def _denormal(state: Array) -> Array:
    """Return which elements are denormal."""
    small: Array = (size(state) < TINY) & (state != 0)
    return small
