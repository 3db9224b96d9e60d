"""A weight: numbers that never change, comparable by what they hold."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from edgernn.errors import GraphError

Array = NDArray[Any]

FLOATS = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class Tensor:
    """A read-only array of weights, float32 or float64, one or two axes, every element finite.

    Two tensors are equal when dtype, shape and bytes are; so equal weights can be merged and hashed.
    Anything that numpy takes is accepted; integers become float32.

    Raises:
        GraphError: not a number, not finite, or more than two axes.
    """

    stored: Array

    def __init__(self, stored: ArrayLike) -> None:
        array = np.array(stored, order="C")
        if array.dtype.kind in "iu":
            array = array.astype(np.float32)
        if array.dtype.name not in FLOATS:
            raise GraphError(f"a tensor of dtype {array.dtype} arrived; expected {' or '.join(FLOATS)}")
        if array.ndim not in {1, 2}:
            raise GraphError(f"a tensor of shape {array.shape} arrived; expected one or two axes")
        if not np.isfinite(array).all():
            raise GraphError(
                f"a tensor of shape {array.shape} holds values that are not finite; "
                "look for a training run that diverged"
            )
        array.setflags(write=False)
        object.__setattr__(self, "stored", array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.stored.shape

    @property
    def nbytes(self) -> int:
        """What the weights take in memory and in a file, in bytes."""
        return self.stored.nbytes

    def dense(self, dtype: DTypeLike | None = None) -> Array:
        """The weights as a plain array, in `dtype` when given."""
        return self.stored if dtype is None else self.stored.astype(dtype, copy=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of dtype, shape and bytes."""
        head = f"{self.stored.dtype.str}{self.shape}".encode()
        return sha256(head + self.stored.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Tensor({self.stored.dtype.name}{list(self.shape)})"
