"""States that a user gives back: checked against those of the model before they replace the carried ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import StateError
from edgernn.integer.overflow import HELD
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
