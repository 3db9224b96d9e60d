"""The slots of Streams: which are joined, and the slots of a step as an array."""

from array import array
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import StateError, UsageError

MOST_KNOWN = 256  # slots of former steps that are not checked again

_INTP = np.dtype(np.intp)
_TYPECODE = "q" if _INTP.itemsize == 8 else "l"  # of the same integers in an array.array


class Slots:
    """Slots from 0 to capacity - 1, each joined or free.

    Args:
        capacity: how many there are.
        name: of the program, for messages.

    Raises:
        UsageError: the capacity is not a whole number of at least 1.
    """

    __slots__ = ("_joined", "_known", "_name", "capacity")

    def __init__(self, capacity: Any, name: str) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            raise UsageError(f"capacity={capacity!r} arrived; expected a whole number of streams, at least 1")
        self.capacity, self._name = capacity, name
        self._joined = np.zeros(capacity, np.bool_)
        self._known: dict[bytes, Array] = {}  # the slots of former steps, which are checked already

    @property
    def joined(self) -> tuple[int, ...]:
        """The slots that are joined, in order."""
        return tuple(int(slot) for slot in np.flatnonzero(self._joined))

    def __len__(self) -> int:
        """The number of slots that are joined."""
        return int(np.count_nonzero(self._joined))

    def free(self) -> int:
        """Return the first slot that is not joined.

        Raises:
            StateError: all are.
        """
        if self._joined.all():
            raise StateError(
                f"all {self.capacity} slots of '{self._name}' are joined; let one leave, or make program.streams() "
                "with more capacity"
            )
        return int(self._joined.argmin())

    def join(self, slot: int) -> None:
        """Join a slot that is free."""
        self._joined[slot] = True

    def leave(self, slot: int) -> None:
        """Make a slot free again."""
        self._known.clear()
        self._joined[slot] = False

    def check_free(self, slot: int) -> None:
        """Refuse a slot that cannot be joined.

        Raises:
            StateError: it is joined, or beyond the capacity.
        """
        if slot >= self.capacity:
            raise StateError(f"slot {slot} is beyond the capacity of {self.capacity}; make program.streams() with more")
        if self._joined[slot]:
            raise StateError(f"slot {slot} is joined already; let it leave first, or make program.streams() anew")

    def one(self, slot: Any) -> int:
        """Return a slot that is joined.

        Raises:
            StateError: it is not.
        """
        if isinstance(slot, bool) or not isinstance(slot, int | np.integer):
            raise StateError(f"slot {slot!r} arrived; expected the number that join() returned")
        if not 0 <= slot < self.capacity or not self._joined[slot]:
            joined = ", ".join(map(str, self.joined)) or "none"
            raise StateError(f"slot {slot} is not joined; joined are {joined}: join() begins a stream")
        return int(slot)

    def places(self, slots: Any) -> Array:
        """Return the slots of a step as an array (n,) of intp.

        Raises:
            StateError: they are no numbers of joined slots, or one comes twice.
        """
        key = _key(slots)
        places = None if key is None else self._known.get(key)
        if places is None:
            places = self._checked(slots)
            if len(self._known) < MOST_KNOWN:
                self._known[places.tobytes()] = places
        return places

    def _checked(self, slots: Any) -> Array:
        """The same, of slots that were not stepped together before."""
        try:
            places = np.array(slots)
        except ValueError:  # lists of several lengths
            places = np.zeros(())
        places = places.astype(np.intp) if places.shape == (0,) else places
        if places.ndim != 1 or places.dtype.kind not in "iu":
            raise StateError(f"slots={slots!r} arrived; expected the numbers of joined slots, one for each frame")
        each = places.tolist()
        for slot in each:
            self.one(slot)
        if len({*each}) < len(each):
            twice = next(slot for slot in each if each.count(slot) > 1)
            raise StateError(f"slot {twice} comes twice in one step; step it once with each frame, in order")
        return places.astype(np.intp)


def _key(slots: Any) -> bytes | None:
    """The bytes of slots as an array of intp, in half the time that numpy takes; None where they need a closer look."""
    if isinstance(slots, np.ndarray):
        return slots.tobytes() if slots.dtype is _INTP and slots.ndim == 1 else None
    try:
        return array(_TYPECODE, slots).tobytes()
    except (TypeError, ValueError, OverflowError):
        return None
