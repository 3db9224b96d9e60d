"""Patterns of zeros: which weights of one matrix stay, by their size."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from edgernn.errors import GraphError
from edgernn.model.blocks import ROWS
from edgernn.model.tensor import Array

REACH = 0.05  # how far the part that whole blocks come to may be from the part that is asked for


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix to thin out, and what is known of it.

    Attributes:
        name: "weight 'u' of layer 'gru'", for messages.
        weight: (rows, columns).
        diagonal: bool (rows, columns), where a unit reads itself.
        gates: the names of the equal parts into which the rows are cut; nothing when they are no gates.
    """

    name: str
    weight: Array
    diagonal: Array
    gates: tuple[str, ...] = ()


class Pattern(Protocol):
    """A rule for zeros."""

    def mask(self, matrix: Matrix, /) -> Array:
        """Bool (rows, columns), True where a weight stays; equal weights go from the last to the first."""

    def at(self, share: float, /) -> Self:
        """A share of the way to this pattern, from 0 to 1."""


@dataclass(frozen=True)
class Magnitude:
    """The smallest weights of each matrix go, wherever they are: S. Han et al. (arXiv:1506.02626)."""

    part: float

    def mask(self, matrix: Matrix) -> Array:
        scores = np.abs(matrix.weight)
        zeros = _zeros(matrix.name, scores.size, 0, self.part, 1.0, "weights")
        return _largest(scores.ravel(), scores.size - zeros).reshape(scores.shape)

    def at(self, share: float) -> "Magnitude":
        return Magnitude(self.part * share)


@dataclass(frozen=True)
class FewOf:
    """The `most` largest of every `of` neighbours in a row stay: A. Mishra et al. (arXiv:2104.08378)."""

    most: int = 2
    of: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.most < self.of:
            raise GraphError(f"{self.most} of every {self.of} weights arrived; expected fewer than all, and not none")

    def mask(self, matrix: Matrix) -> Array:
        rows, columns = matrix.weight.shape
        full = np.full((rows, -(-columns // self.of) * self.of), -1.0)  # beyond the end: less than any
        full[:, :columns] = np.abs(matrix.weight)
        order = np.argsort(-full.reshape(rows, -1, self.of), axis=-1, kind="stable")
        stays = np.argsort(order, axis=-1, kind="stable") < self.most
        mask: Array = stays.reshape(rows, -1)[:, :columns]
        return mask

    def at(self, share: float) -> "FewOf":
        del share  # there is no way to a pattern of N in M that is one itself
        return self


@dataclass(frozen=True)
class Blocks:
    """Whole blocks of 16 rows by `columns` go, those of the smallest norm: what the compiled step passes over.

    After J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement"
    (arXiv:1709.08243) and the sparse matrices of LPCNet (arXiv:1810.11846): a density for each gate, and a diagonal of
    the recurrent matrix that is dense; here its blocks are, and count among those that stay.

    Attributes:
        part: of the blocks that become zeros, in each matrix.
        columns: 4 for int8, 1 for floats.
        gates: the part for gates of a name, where it is another.
        diagonal: whether a unit always reads itself.
        reach: how far what whole blocks come to may be from `part`.
    """

    part: float
    columns: int = 4
    gates: Mapping[str, float] = field(default_factory=dict)
    diagonal: bool = False
    reach: float = REACH

    def mask(self, matrix: Matrix) -> Array:
        if not set(self.gates) & set(matrix.gates):
            return self._mask(matrix.name, matrix.weight, matrix.diagonal, self.part)
        rows = len(matrix.weight) // len(matrix.gates)
        if rows % ROWS:
            near = " or ".join(str(each) for each in (rows // ROWS * ROWS, -(-rows // ROWS) * ROWS) if each)
            raise GraphError(
                f"{matrix.name} has {rows} rows for each gate, and blocks of {ROWS} would lie in two of them; train "
                f"with {near} units, or give one part for all gates"
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
        return replace(self, part=self.part * share, gates=gates, reach=self.reach if share == 1 else 1.0)

    def _part(self, gate: str) -> float:
        return self.gates.get(gate, self.part)

    def _mask(self, name: str, weight: Array, diagonal: Array, part: float) -> Array:
        norms = self._each(weight.astype(float) ** 2).sum(axis=(1, 3))
        kept = self._each(diagonal).any(axis=(1, 3)) & self.diagonal
        what = f"blocks of {ROWS} x {self.columns}"
        zeros = _zeros(name, norms.size, int(kept.sum()), part, self.reach, what)
        stays = _largest(np.where(kept, np.inf, norms).ravel(), norms.size - zeros).reshape(norms.shape)
        whole = np.repeat(np.repeat(stays, ROWS, axis=0), self.columns, axis=1)
        return whole[: weight.shape[0], : weight.shape[1]]

    def _each(self, values: Array) -> Array:
        """(blocks down, 16, blocks across, columns), zeros beyond the ends."""
        rows, columns = (-(-length // size) for length, size in zip(values.shape, (ROWS, self.columns), strict=True))
        full = np.zeros((rows * ROWS, columns * self.columns), values.dtype)
        full[: values.shape[0], : values.shape[1]] = values
        return full.reshape(rows, ROWS, columns, self.columns)


def _largest(scores: Array, count: int) -> Array:
    """Bool, True for so many of the largest; of equal ones the first."""
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-scores, kind="stable")[:count]] = True
    return mask


def _zeros(name: str, count: int, kept: int, part: float, reach: float, what: str) -> int:
    """How many of `count` blocks or weights become zeros.

    Raises:
        GraphError: none would be left, or the part cannot be reached; with the nearest that can.
    """
    zeros = round(part * count)
    most = count - max(kept, 1)
    possible = min(zeros, most)
    if zeros > most or abs(possible - part * count) > reach * count + 1e-9:
        why = f", and {kept} of them hold the diagonal" if kept else ""
        raise GraphError(
            f"{name} has {count} {what}{why}: {part:g} of them cannot be zeros; the nearest possible part is "
            f"{possible / count:.3g} ({possible} of {count}), or keep the layer as it is"
        )
    return zeros
