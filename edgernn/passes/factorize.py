"""Low rank: matrices as products of two thin ones, where that leaves fewer weights."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgernn.errors import GraphError, UsageError
from edgernn.files.toml import misspelt
from edgernn.model.cell import tensors
from edgernn.model.factored import Factored
from edgernn.model.graph import PRECISIONS, Graph, Layer
from edgernn.model.tensor import Array, Tensor
from edgernn.passes import keep as keeping

NOISE = 1e-12  # of the energy: less than what rounding to float32 leaves in a matrix of lower rank


@dataclass(frozen=True)
class Rank:
    """How thin the factors of a matrix may be.

    Attributes:
        rows, columns: of the matrix.
        rank: the smallest that keeps the energy asked for.
        most: the largest rank at which two factors have fewer weights than the matrix; 0 for none.
        at_most: the share of the energy that `most` keeps, so what can be asked for.
    """

    rows: int
    columns: int
    rank: int
    most: int
    at_most: float

    @property
    def pays(self) -> bool:
        """Whether two factors of this rank have fewer weights than the matrix."""
        return self.rank <= self.most


def factorize(graph: Graph, energy: float | Mapping[str, float], *, keep: Collection[str] = ()) -> Graph:
    """The same graph with matrices of affines as products of rank r, where r * (rows + columns) < rows * columns.

    By the singular values, split evenly between the factors: no product of that rank is nearer (C. Eckart and G. Young,
    "The approximation of one matrix by another of lower rank", 1936). The first gates of a layer share the right factor
    with its others. Tables and feature cells (`EXACT`) stay as they are, and so does what is factored already; `ranks`
    tells what stays whole. The values of a step get other names, so calibrate afterwards: no range is kept.

    Args:
        graph: with float weights; prune units before, and zeros and quantize afterwards.
        energy: the share of the sum of squared singular values to keep, above 0 and up to 1: of every matrix, or of
            those named as in `Graph.tensors`.
        keep: layers to leave as they are.

    Raises:
        UsageError: a share out of bounds, a matrix or layer that is not there, or weights that are quantized.
        GraphError: no matrix would have fewer weights; with the shares that can be asked for.
    """
    found = ranks(graph, energy, keep=keep)
    if not any(each.pays for each in found.values()):
        told = [
            f"'{name}' needs rank {each.rank} and gains up to {each.most}, with {_floored(each.at_most)} of it"
            for name, each in found.items()
        ]
        raise GraphError(f"no matrix has fewer weights as a product with so much of its energy: {', '.join(told)}")

    def thinner(layer: Layer) -> Layer:
        fields = {
            name: _product(tensor, found[f"{layer.name}.{name}"].rank)
            for name, tensor in tensors(layer.cell).items()
            if f"{layer.name}.{name}" in found and found[f"{layer.name}.{name}"].pays
        }
        return replace(layer, cell=replace(layer.cell, **fields))

    return replace(graph, layers=tuple(map(thinner, graph.layers)), ranges={})


def ranks(graph: Graph, energy: float | Mapping[str, float], *, keep: Collection[str] = ()) -> dict[str, Rank]:
    """How thin the factors of each matrix may be, by its name in `Graph.tensors`; see `factorize`."""
    if graph.precision not in PRECISIONS.values():
        raise UsageError(f"a model in {graph.precision} cannot be factored; give the one that it was made from")
    keeping.check(graph, keep)
    matrices = {
        name: tensor for layer in graph.layers if layer.name not in keep for name, tensor in _matrices(graph, layer)
    }
    if not matrices:
        raise UsageError("no layer is left to factor; all are kept or factored, or have no matrices")
    asked = energy if isinstance(energy, Mapping) else dict.fromkeys(matrices, energy)
    for name, share in asked.items():
        if name not in matrices:
            raise UsageError(f"there is no matrix '{name}' to factor; {misspelt(name, matrices)}")
        if not 0 < share <= 1:
            raise UsageError(f"an energy of {share} arrived; expected a share above 0 and up to 1, such as 0.95")
    return {name: _rank(matrices[name].dense(np.float64), share) for name, share in asked.items()}


def _matrices(graph: Graph, layer: Layer) -> Iterator[tuple[str, Tensor]]:
    """The whole matrices of a layer that affines read, and nothing else."""
    if getattr(layer.cell, "EXACT", False):
        return
    operations = graph.layer_traces[layer.name].operations
    others = {arg for op in operations if op.name != "affine" for arg in op.args if isinstance(arg, Tensor)}
    read = {op.args[0] for op in operations if op.name == "affine"} - others
    for name, tensor in tensors(layer.cell).items():
        if tensor in read and "." not in name:
            yield f"{layer.name}.{name}", tensor


def _rank(matrix: Array, energy: float) -> Rank:
    rows, columns = matrix.shape
    kept = np.cumsum(np.linalg.svd(matrix, compute_uv=False) ** 2)
    shares = kept / kept[-1] if kept[-1] else np.ones_like(kept)
    most = (rows * columns - 1) // (rows + columns)
    rank = 1 + int(np.searchsorted(shares, energy - NOISE))
    return Rank(rows, columns, min(rank, len(shares)), most, float(shares[most - 1]) if most else 0.0)


def _product(tensor: Tensor, rank: int) -> Factored:
    u, values, v = np.linalg.svd(tensor.dense(np.float64), full_matrices=False)
    root = np.sqrt(values[:rank])
    left, right = u[:, :rank] * root, root[:, None] * v[:rank]
    return Factored(*(Tensor(each.astype(tensor.stored.dtype)) for each in (left, right)))


def _floored(share: float) -> str:
    """Three digits that are not more than it is."""
    return f"{np.floor(share * 1000) / 1000:g}"
