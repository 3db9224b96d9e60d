"""A weight: an immutable array, compared and hashed by its content."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import prod
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from edgernn.array import Array
from edgernn.errors import GraphError
from edgernn.model import int4

FLOATS = ("float32", "float64")
INTEGERS = ("int8", "uint8")

DYNAMIC = "dynamic_wi8_afp32"

FOUR_BITS = "weight_only_wi4_afp32"

GROUP = 32  # inputs that share a scale, in a row with several scales

STATIC: Mapping[str, int] = MappingProxyType({"static_wi8_ai8": 8, "static_wi8_ai16": 16})
"""The schemes in which a layer computes with integers -> the bits of its values; see edgernn.integer.plan."""

SCHEMES: Mapping[str, str] = MappingProxyType(
    {
        "fp16": "float16",
        "weight_only_wi8_afp32": "int8",
        FOUR_BITS: "uint8",
        DYNAMIC: "int8",
        **dict.fromkeys(STATIC, "int8"),
    }
)
"""The schemes of quantized weights -> the dtype of the weights. Integers have one scale per row, or per GROUP of a row.

fp16 and the two weight_only schemes only save memory: the arithmetic is that of float. weight_only_wi4_afp32 packs two
integers per byte (edgernn.model.int4). In dynamic_wi8_afp32 an affine rounds its input to int8 with one scale per
vector, sums integers, and scales the sums once. In the static schemes every value has quantization parameters of its
own, from `Graph.ranges`.
"""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A read-only array of weights with one or two axes; every element is finite.

    The weights are floats (float32 or float64), or quantized by a scheme, which defines how an affine uses them. Two
    tensors are equal when all their content is, so equal weights can be merged and hashed. The constructor takes
    whatever numpy converts to an array; integers without a scheme become float32.

    Attributes:
        stored: the array as it is stored.
        scale: float32 (rows,), the value of one integer step in each row; for four bits also (rows, groups), in each
            GROUP of a row. None for floats.
        scheme: one of SCHEMES, or "" for plain floats.

    Raises:
        GraphError: elements that are not finite numbers, more than two axes, or a scale that does not fit.
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
        """The length of each axis, in weights, also where two weights share a byte."""
        return (len(self.stored), int4.length(self.stored)) if self.scheme == FOUR_BITS else self.stored.shape

    @property
    def size(self) -> int:
        """The number of weights."""
        return prod(self.shape)

    @cached_property
    def integers(self) -> Array:
        """The integers of a scheme with integers, one for each weight: int8 (rows, inputs)."""
        if self.scheme != FOUR_BITS:
            return self.stored
        unpacked = int4.unpack(self.stored)
        unpacked.setflags(write=False)
        return unpacked

    @property
    def nbytes(self) -> int:
        """The bytes that the weights and scales take in memory."""
        return self.stored.nbytes + (0 if self.scale is None else self.scale.nbytes)

    def dense(self, dtype: DTypeLike | None = None) -> Array:
        """Return the weights as an array of floats in `dtype`; by default float32, or the own dtype of plain floats."""
        plain = self.stored if self.scale is None else self.integers * _each(self.scale, self.shape)
        target = plain.dtype if dtype is None and not self.scheme else np.dtype(dtype or np.float32)
        return plain.astype(target, copy=False)

    def astype(self, dtype: DTypeLike) -> "Tensor":
        """Return plain floats in another dtype; quantized weights are unchanged."""
        return self if self.scheme or self.stored.dtype == dtype else Tensor(self.stored.astype(dtype))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the whole content."""
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
    dtypes = (SCHEMES[scheme],) if scheme else FLOATS
    if array.dtype.name not in dtypes:
        raise GraphError(
            f"a tensor of dtype {array.dtype} arrived{f' for {scheme}' * bool(scheme)}; expected {' or '.join(dtypes)}"
        )
    if array.ndim not in {1, 2}:
        raise GraphError(f"a tensor of shape {array.shape} arrived; expected one or two axes")
    if not np.isfinite(array).all():
        raise GraphError(
            f"a tensor of shape {array.shape} holds values that are not finite; look for a training run that diverged"
        )
    if (scale is not None) != (dtypes[0] in INTEGERS):
        raise GraphError(
            f"a {array.dtype} tensor arrived with{'out' * (scale is None)} a scale; integers have one, floats have none"
        )
    if scale is not None:
        _check_scale(array, scale, scheme)


def _check_scale(array: Array, scale: Array, scheme: str) -> None:
    four = scheme == FOUR_BITS
    if array.ndim == 2 and four and (int4.unpack(array) == int4.PADDING).any():
        raise GraphError(f"a weight of -8 arrived for {scheme}; expected -{int4.LARGEST} to {int4.LARGEST}")
    if array.dtype == np.int8 and (array == -128).any():
        raise GraphError(f"a weight of -128 arrived for {scheme}; expected -127 to 127")
    inputs = int4.length(array) if array.ndim == 2 and four else 0
    shapes = [array.shape[:1], *([(len(array), inputs // GROUP)] if inputs > GROUP and inputs % GROUP == 0 else [])]
    if array.ndim != 2 or scale.shape not in shapes or not np.all((scale >= 0) & np.isfinite(scale)):
        groups = f", or one per {GROUP} inputs when {GROUP} divides their number" if four else ""
        raise GraphError(
            f"a scale of shape {scale.shape} meets a tensor of shape {array.shape}; expected one per row{groups}, "
            "not negative"
        )


def _each(scale: Array, shape: tuple[int, ...]) -> Array:
    """Return the scale of each weight: (rows, 1) or (rows, inputs)."""
    return scale[:, None] if scale.ndim == 1 else np.repeat(scale, shape[1] // scale.shape[1], axis=1)
