"""Sparsity patterns: the weights of a matrix that stay, by their magnitude."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from edgernn.array import Array
from edgernn.errors import GraphError
from edgernn.model.blocks import ROWS

TOLERANCE = 0.05  # the largest difference between the requested part and the part that whole blocks can have


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix to prune.

    Attributes:
        name: "weight 'u' of layer 'gru'", for error messages.
        weight: (rows, columns).
        diagonal: bool (rows, columns), True where a unit reads itself.
        gates: the names of the equal parts of its rows; empty when the rows are not those of gates.
    """

    name: str
    weight: Array
    diagonal: Array
    gates: tuple[str, ...] = ()


class Pattern(Protocol):
    """A sparsity pattern."""

    def mask(self, matrix: Matrix, /) -> Array:
        """Return bool (rows, columns), True where a weight stays; of equal weights the last are removed first."""

    def at(self, share: float, /) -> Self:
        """Return the pattern at a share of the way to this one, from 0 to 1."""


@dataclass(frozen=True)
class Magnitude:
    """The smallest weights of each matrix become zeros, at any position: S. Han et al. (arXiv:1506.02626)."""

    part: float

    def mask(self, matrix: Matrix) -> Array:
        scores = np.abs(matrix.weight)
        zeros = _zeros(matrix.name, scores.size, 0, self.part, 1.0, "weights")
        return _largest(scores.ravel(), scores.size - zeros).reshape(scores.shape)

    def at(self, share: float) -> "Magnitude":
        return Magnitude(self.part * share)


@dataclass(frozen=True)
class FewOf:
    """The `most` largest of every `of` neighbours in a row stay (N:M sparsity): A. Mishra et al. (arXiv:2104.08378)."""

    most: int = 2
    of: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.most < self.of:
            raise GraphError(
                f"{self.most} of every {self.of} weights arrived; expected at least one, and fewer than all"
            )

    def mask(self, matrix: Matrix) -> Array:
        rows, columns = matrix.weight.shape
        full = np.full((rows, -(-columns // self.of) * self.of), -1.0)  # padding: smaller than any magnitude
        full[:, :columns] = np.abs(matrix.weight)
        order = np.argsort(-full.reshape(rows, -1, self.of), axis=-1, kind="stable")
        stays = np.argsort(order, axis=-1, kind="stable") < self.most
        mask: Array = stays.reshape(rows, -1)[:, :columns]
        return mask

    def at(self, share: float) -> "FewOf":
        del share  # no intermediate pattern is N:M sparse
        return self


@dataclass(frozen=True)
class Blocks:
    """Blocks of 16 rows by `columns` with the smallest norm become zeros, which the compiled step skips.

    After J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement"
    (arXiv:1709.08243) and the sparse matrices of LPCNet (arXiv:1810.11846): a density for each gate, and a dense
    diagonal of the recurrent matrix. Here the blocks of the diagonal are dense, and count among the blocks that stay.

    Attributes:
        part: the part of the blocks of each matrix that becomes zero, from 0 to 1.
        columns: 4 for int8, 1 for floats.
        gates: the part of a gate, by its name, when it differs from `part`.
        diagonal: whether the blocks on the diagonal stay, so that a unit always reads itself.
        tolerance: the largest difference between `part` and the part that whole blocks can have.
    """

    part: float
    columns: int = 4
    gates: Mapping[str, float] = field(default_factory=dict)
    diagonal: bool = False
    tolerance: float = TOLERANCE

    def mask(self, matrix: Matrix) -> Array:
        if not set(self.gates) & set(matrix.gates):
            return self._mask(matrix.name, matrix.weight, matrix.diagonal, self.part)
        rows = len(matrix.weight) // len(matrix.gates)
        if rows % ROWS:
            near = " or ".join(str(each) for each in (rows // ROWS * ROWS, -(-rows // ROWS) * ROWS) if each)
            raise GraphError(
                f"{matrix.name} has {rows} rows for each gate, so a block of {ROWS} rows would belong to two gates; "
                f"train with {near} units, or give one part for all gates"
            )
        cut = [slice(k * rows, (k + 1) * rows) for k in range(len(matrix.gates))]
        return np.concatenate(
            [
                self._mask(f"{matrix.name}, gate '{gate}'", matrix.weight[at], matrix.diagonal[at], self._part(gate))
                for gate, at in zip(matrix.gates, cut, strict=True)
            ]
        )

    def at(self, share: float) -> "Blocks":
        gates = {name: part * share for name, part in self.gates.items()}
        return replace(self, part=self.part * share, gates=gates, tolerance=self.tolerance if share == 1 else 1.0)

    def _part(self, gate: str) -> float:
        return self.gates.get(gate, self.part)

    def _mask(self, name: str, weight: Array, diagonal: Array, part: float) -> Array:
        norms = self._each(weight.astype(float) ** 2).sum(axis=(1, 3))
        fixed = self._each(diagonal).any(axis=(1, 3)) & self.diagonal
        unit = f"blocks of {ROWS} x {self.columns}"
        zeros = _zeros(name, norms.size, int(fixed.sum()), part, self.tolerance, unit)
        stays = _largest(np.where(fixed, np.inf, norms).ravel(), norms.size - zeros).reshape(norms.shape)
        whole = np.repeat(np.repeat(stays, ROWS, axis=0), self.columns, axis=1)
        return whole[: weight.shape[0], : weight.shape[1]]

    def _each(self, values: Array) -> Array:
        """Return (blocks down, 16, blocks across, columns), padded with zeros."""
        rows, columns = (-(-length // size) for length, size in zip(values.shape, (ROWS, self.columns), strict=True))
        full = np.zeros((rows * ROWS, columns * self.columns), values.dtype)
        full[: values.shape[0], : values.shape[1]] = values
        return full.reshape(rows, ROWS, columns, self.columns)


def _largest(scores: Array, count: int) -> Array:
    """Return bool, True for the `count` largest scores; of equal scores the first."""
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-scores, kind="stable")[:count]] = True
    return mask


def _zeros(name: str, count: int, fixed: int, part: float, tolerance: float, unit: str) -> int:
    """Return how many of `count` blocks or weights become zeros.

    Raises:
        GraphError: none would be left, or the part is not possible; the message has the nearest possible part.
    """
    zeros = round(part * count)
    most = count - max(fixed, 1)
    possible = min(zeros, most)
    if zeros > most or abs(possible - part * count) > tolerance * count + 1e-9:
        why = f", and {fixed} of them contain the diagonal" if fixed else ""
        raise GraphError(
            f"{name} has {count} {unit}{why}: {part:g} of them cannot be zeros; the nearest possible part is "
            f"{possible / count:.3g} ({possible} of {count}), or leave the layer as it is with keep"
        )
    return zeros
