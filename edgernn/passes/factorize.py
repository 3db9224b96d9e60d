"""Low-rank factorization: a matrix becomes the product of two factors when these have fewer weights."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgernn.array import Array
from edgernn.errors import GraphError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.cell import tensors
from edgernn.model.factored import Factored
from edgernn.model.graph import PRECISIONS, Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.passes.keep import check_keep

NOISE = 1e-12  # of the energy; the rounding of a low-rank matrix to float32 leaves more


@dataclass(frozen=True)
class Rank:
    """The possible ranks of a matrix.

    Attributes:
        rows, columns: of the matrix.
        rank: the smallest rank that keeps the requested energy.
        most: the largest rank at which two factors have fewer weights than the matrix; 0 for none.
        at_most: the share of the energy that `most` keeps: the largest energy that may be requested.
    """

    rows: int
    columns: int
    rank: int
    most: int
    at_most: float

    @property
    def pays(self) -> bool:
        """Whether factors of this rank have fewer weights than the matrix."""
        return self.rank <= self.most


def factorize(graph: Graph, energy: float | Mapping[str, float], *, keep: Collection[str] = ()) -> Graph:
    """Return the graph with each matrix of an affine as a product of rank r, if r * (rows + columns) < rows * columns.

    The factors come from the singular value decomposition, with the singular values split evenly between them; no
    product of this rank is nearer (C. Eckart and G. Young, "The approximation of one matrix by another of lower rank",
    1936). All gates of a layer share the right factor. Tables, feature cells (`exact`) and factored matrices are
    unchanged; `ranks` tells which matrices stay whole. The values of a step get other names, so the result has no
    ranges: calibrate it afterwards.

    Args:
        graph: a graph with float weights. Prune units before; prune weights and quantize afterwards.
        energy: the share of the sum of squared singular values to keep, above 0 and up to 1: of every matrix, or by the
            matrix's name in `Graph.tensors`.
        keep: the layers to leave unchanged.

    Raises:
        UsageError: a share out of bounds, an unknown matrix or layer, or quantized weights.
        GraphError: no matrix would have fewer weights; the message has the shares that may be requested.
    """
    possible = ranks(graph, energy, keep=keep)
    if not any(each.pays for each in possible.values()):
        details = [
            f"'{name}' needs rank {each.rank} and is smaller up to {each.most}, with {_floored(each.at_most)} of it"
            for name, each in possible.items()
        ]
        raise GraphError(
            f"no matrix has fewer weights as a product with this share of its energy: {', '.join(details)}"
        )

    def factored(layer: Layer) -> Layer:
        fields = {
            name: _product(tensor, possible[f"{layer.name}.{name}"].rank)
            for name, tensor in tensors(layer.cell).items()
            if f"{layer.name}.{name}" in possible and possible[f"{layer.name}.{name}"].pays
        }
        return replace(layer, cell=replace(layer.cell, **fields))

    return replace(graph, layers=tuple(map(factored, graph.layers)), ranges={})


def ranks(graph: Graph, energy: float | Mapping[str, float], *, keep: Collection[str] = ()) -> dict[str, Rank]:
    """Return the possible ranks of each matrix, by its name in `Graph.tensors`; see `factorize`."""
    if graph.precision not in PRECISIONS.values():
        raise UsageError(f"a model in {graph.precision} cannot be factored; give the one that it was made from")
    check_keep(graph, keep)
    matrices = {
        name: tensor for layer in graph.layers if layer.name not in keep for name, tensor in _matrices(graph, layer)
    }
    if not matrices:
        raise UsageError("no layer is left to factor; all are kept or factored, or have no matrices")
    shares = energy if isinstance(energy, Mapping) else dict.fromkeys(matrices, energy)
    for name, share in shares.items():
        if name not in matrices:
            raise UsageError(f"there is no matrix '{name}' to factor; {misspelt(name, matrices)}")
        if not 0 < share <= 1:
            raise UsageError(f"an energy of {share} arrived; expected a share above 0 and up to 1, such as 0.95")
    return {name: _rank(matrices[name].dense(np.float64), share) for name, share in shares.items()}


def _matrices(graph: Graph, layer: Layer) -> Iterator[tuple[str, Tensor]]:
    """Iterate over the matrices of a layer that only affines read and that are not factored, by name."""
    if layer.cell.exact:
        return
    operations = graph.layer_traces[layer.name].operations
    others = {arg for op in operations if op.name != "affine" for arg in op.args if isinstance(arg, Tensor)}
    read = {op.args[0] for op in operations if op.name == "affine"} - others
    for name, tensor in tensors(layer.cell).items():
        if tensor in read and "." not in name:
            yield f"{layer.name}.{name}", tensor


def _rank(matrix: Array, energy: float) -> Rank:
    rows, columns = matrix.shape
    energy_of = np.cumsum(np.linalg.svd(matrix, compute_uv=False) ** 2)
    shares = energy_of / energy_of[-1] if energy_of[-1] else np.ones_like(energy_of)
    most = (rows * columns - 1) // (rows + columns)
    rank = 1 + int(np.searchsorted(shares, energy - NOISE))
    return Rank(rows, columns, min(rank, len(shares)), most, float(shares[most - 1]) if most else 0.0)


def _product(tensor: Tensor, rank: int) -> Factored:
    u, values, v = np.linalg.svd(tensor.dense(np.float64), full_matrices=False)
    root = np.sqrt(values[:rank])
    left, right = u[:, :rank] * root, root[:, None] * v[:rank]
    return Factored(*(Tensor(each.astype(tensor.stored.dtype)) for each in (left, right)))


def _floored(share: float) -> str:
    """Return a share with three digits, rounded down."""
    return f"{np.floor(share * 1000) / 1000:g}"
