"""A weight: numbers that never change, comparable by what they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from edgernn.errors import GraphError
from edgernn.model import int4

Array = NDArray[Any]

FLOATS = ("float32", "float64")
INTEGERS = ("int8", "uint8")

DYNAMIC = "dynamic_wi8_afp32"

FOUR_BITS = "weight_only_wi4_afp32"

GROUP = 32  # inputs that share a scale, in a row that has more than one

STATIC: Mapping[str, int] = MappingProxyType({"static_wi8_ai8": 8, "static_wi8_ai16": 16})
"""The schemes in which a whole layer computes with integers -> the bits of its values; edgernn.integer.plan says how.
"""

SCHEMES: Mapping[str, str] = MappingProxyType(
    {
        "fp16": "float16",
        "weight_only_wi8_afp32": "int8",
        FOUR_BITS: "uint8",
        DYNAMIC: "int8",
        **dict.fromkeys(STATIC, "int8"),
    }
)
"""How weights are kept when not as floats -> the dtype; integers have one scale per row, or one per GROUP of inputs.

fp16 and the two weight_only schemes only save room: the arithmetic is that of float. Integers of weight_only_wi4_afp32
stand two in a byte (edgernn.model.int4). In dynamic_wi8_afp32 an affine rounds its input to int8 with one scale per
vector, sums integers and scales once. In the static schemes every value has a scale of its own, known beforehand from
`Graph.ranges`.
"""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A read-only array of weights with one or two axes, every element finite.

    As floats (float32 or float64), or in a smaller form with the name of the scheme that says how an affine uses it.
    Two tensors are equal when everything in them is; so equal weights can be merged and hashed. Anything that numpy
    takes is accepted; integers without a scheme become float32.

    Attributes:
        stored: the numbers as they are kept.
        scale: float32 (rows,), the value of one integer step in each row, or of weights of four bits (rows, groups),
            in each GROUP of a row; None but for integers.
        scheme: one of SCHEMES, "" for plain floats.

    Raises:
        GraphError: not a number, not finite, more than two axes, or a scale that does not fit.
    """

    stored: Array
    scale: Array | None = None
    scheme: str = ""

    def __init__(self, stored: ArrayLike, scale: ArrayLike | None = None, scheme: str = "") -> None:
        array = np.array(stored, order="C")
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if not scheme and scale is None and array.dtype.kind in "iu":
            array = array.astype(np.float32)
        factors = None if scale is None else np.array(scale, np.float32)
        _check(array, factors, scheme)
        for name, value in (("stored", array), ("scale", factors)):
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "scheme", scheme)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis, however the weights are kept."""
        return (len(self.stored), int4.length(self.stored)) if self.scheme == FOUR_BITS else self.stored.shape

    @property
    def size(self) -> int:
        """How many weights there are."""
        return prod(self.shape)

    @cached_property
    def whole(self) -> Array:
        """The integers of a scheme that has them, one for each weight: int8 (rows, inputs)."""
        if self.scheme != FOUR_BITS:
            return self.stored
        integers = int4.unpack(self.stored)
        integers.setflags(write=False)
        return integers

    @property
    def nbytes(self) -> int:
        """What the weights take in memory and in a file, in bytes."""
        return self.stored.nbytes + (0 if self.scale is None else self.scale.nbytes)

    def dense(self, dtype: DTypeLike | None = None) -> Array:
        """The weights as a plain array of floats, in `dtype` when given."""
        plain = self.stored if self.scale is None else self.whole * _each(self.scale, self.shape)
        wanted = plain.dtype if dtype is None and not self.scheme else np.dtype(dtype or np.float32)
        return plain.astype(wanted, copy=False)

    def astype(self, dtype: DTypeLike) -> "Tensor":
        """The same weights in another float; those of a scheme stay as they are."""
        return self if self.scheme or self.stored.dtype == dtype else Tensor(self.stored.astype(dtype))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the tensor is."""
        head = f"{self.stored.dtype.str}{self.shape}{self.scheme}".encode()
        tail = b"" if self.scale is None else self.scale.tobytes()
        return sha256(head + self.stored.tobytes() + tail).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Tensor({self.stored.dtype.name}{list(self.shape)})"


def _check(array: Array, scale: Array | None, scheme: str) -> None:
    if scheme and scheme not in SCHEMES:
        raise GraphError(f"a tensor of scheme '{scheme}' arrived; there are {', '.join(SCHEMES)}, or '' for floats")
    kinds = (SCHEMES[scheme],) if scheme else FLOATS
    if array.dtype.name not in kinds:
        raise GraphError(
            f"a tensor of dtype {array.dtype} arrived{f' for {scheme}' * bool(scheme)}; expected {' or '.join(kinds)}"
        )
    if array.ndim not in {1, 2}:
        raise GraphError(f"a tensor of shape {array.shape} arrived; expected one or two axes")
    if not np.isfinite(array).all():
        raise GraphError(
            f"a tensor of shape {array.shape} holds values that are not finite; look for a training run that diverged"
        )
    if (scale is not None) != (kinds[0] in INTEGERS):
        raise GraphError(
            f"a {array.dtype} tensor arrived with{'out' * (scale is None)} a scale; integers, and they alone, have one"
        )
    if scale is not None:
        _check_scale(array, scale, scheme)


def _check_scale(array: Array, scale: Array, scheme: str) -> None:
    four = scheme == FOUR_BITS
    if array.ndim == 2 and four and (int4.unpack(array) == int4.NOTHING).any():
        raise GraphError(f"a weight of -8 arrived for {scheme}; expected -{int4.LARGEST} to {int4.LARGEST}")
    inputs = int4.length(array) if array.ndim == 2 and four else 0
    shapes = [array.shape[:1], *([(len(array), inputs // GROUP)] if inputs > GROUP and inputs % GROUP == 0 else [])]
    if array.ndim != 2 or scale.shape not in shapes or not np.all((scale >= 0) & np.isfinite(scale)):
        groups = f", or one per {GROUP} inputs where these are whole groups" if four else ""
        raise GraphError(
            f"a scale of shape {scale.shape} meets a tensor of shape {array.shape}; expected one per row{groups}, "
            "not negative"
        )


def _each(scale: Array, shape: tuple[int, ...]) -> Array:
    """The scale of each weight: (rows, 1) or (rows, inputs)."""
    return scale[:, None] if scale.ndim == 1 else np.repeat(scale, shape[1] // scale.shape[1], axis=1)
