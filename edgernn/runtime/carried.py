"""Carried states: those that a user gives back are checked, and those of many streams are rows of arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import StateError
from edgernn.integer.overflow import HELD
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.parts import names, slices
from edgernn.runtime.backend import step_error
from edgernn.runtime.guard import refusal


def checked_states(states: Any, widths: Mapping[str, int], initial_state: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return states by name in the order of the model.

    Args:
        states: arrays by name, as `Stream.state` returns them.
        widths: the width of each state of the model, by name.
        initial_state: the initial states in the same order, whose dtypes are expected.

    Raises:
        StateError: the names, shapes or dtypes are those of another model, or a value is not finite or too large to
            step from.
    """
    if not isinstance(states, Mapping) or not all(isinstance(array, np.ndarray) for array in states.values()):
        raise StateError(
            f"a {type(states).__name__} arrived; expected arrays by name, {dict(widths)}, as `state` returns them"
        )
    arrays = dict(states)
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != {name: (width,) for name, width in widths.items()}:
        raise StateError(f"a state of {shapes} arrived; expected {dict(widths)}: it belongs to another model")
    for name, initial in zip(widths, initial_state, strict=True):
        if arrays[name].dtype != initial.dtype:
            raise StateError(f"state '{name}' is {arrays[name].dtype}; expected {initial.dtype}")
        if not (np.abs(arrays[name]) <= HELD).all():
            message = refusal(f"state '{name}'", arrays[name], HELD)
            raise StateError(f"{message}; give one that was saved before")
    return tuple(arrays[name] for name in widths)


Rows = Mapping[str, Array]
"""Arrays with a row for each of some streams, by name."""


class CarriedRows:
    """The states of many streams, each in an array (capacity, width)."""

    def __init__(self, manifest: Manifest, capacity: int) -> None:
        self.arrays = {
            name: np.zeros((capacity, width), manifest.dtype(name)) for name, width in manifest.states.items()
        }

    def get_states(self, slot: int) -> tuple[Array, ...]:
        """The states of a slot, in the order of the manifest; views."""
        return tuple(array[slot] for array in self.arrays.values())

    def set_states(self, slot: int, states: tuple[Array, ...]) -> None:
        """Replace the states of a slot."""
        for array, state in zip(self.arrays.values(), states, strict=True):
            array[slot] = state


class BoundRows(CarriedRows):
    """Streams in a runtime whose step takes any number of rows, from and to arrays at fixed places.

    Args:
        manifest: of the artifact.
        capacity: the number of slots.
        bind: takes the arrays (n, width) that enter and leave a step, by their names in the artifact, and returns the
            step; a symbol enters as (n,).
    """

    guards = False
    float_step = None

    def __init__(self, manifest: Manifest, capacity: int, bind: Callable[[Rows, Rows], Callable[[], None]]) -> None:
        super().__init__(manifest, capacity)
        xs = names(INPUT, manifest.named_inputs) or {INPUT: manifest.inputs}
        ys = names(OUTPUT, manifest.named_outputs) or {OUTPUT: manifest.outputs}
        self._parts = tuple(slices(xs).values()), tuple(slices(ys).values())
        self._xs = {name: np.zeros((capacity, width), manifest.dtype(INPUT)) for name, width in xs.items()}
        self._ys = {name: np.zeros((capacity, width), manifest.dtype(OUTPUT)) for name, width in ys.items()}
        self._before, self._after = (
            {f"{name}.{way}": array.copy() for name, array in self.arrays.items()} for way in ("in", "out")
        )
        self._bind, self._symbols = bind, bool(manifest.vocabulary_size)
        self._steps: dict[int, Callable[[], None]] = {}  # the number of streams -> the step of so many rows

    def step(self, xs: Array, slots: Array, ys: Array) -> int:
        """Step streams, as edgernn.runtime.backend.StepMany."""
        n, (ins, outs) = len(xs), self._parts
        if n and n not in self._steps:
            self._steps[n] = self._bound(n)
        for buffer, part in zip(self._xs.values(), ins, strict=True):
            buffer[:n] = xs[:, part]
        for array, before in zip(self.arrays.values(), self._before.values(), strict=True):
            before[:n] = array[slots]
        if n:
            try:
                self._steps[n]()
            except RuntimeError as error:
                raise step_error(error) from error
        for array, after in zip(self.arrays.values(), self._after.values(), strict=True):
            array[slots] = after[:n]
        for buffer, part in zip(self._ys.values(), outs, strict=True):
            ys[:, part] = buffer[:n]
        return -1

    def _bound(self, n: int) -> Callable[[], None]:
        ins = {name: array[:n] for name, array in {**self._xs, **self._before}.items()}
        if self._symbols:
            ins[INPUT] = ins[INPUT][:, 0]
        return self._bind(ins, {name: array[:n] for name, array in {**self._ys, **self._after}.items()})
