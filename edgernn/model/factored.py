"""A matrix as the product of two thin ones: fewer weights, and fewer products in a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgernn.errors import GraphError
from edgernn.model.tensor import Tensor


@dataclass(frozen=True)
class Factored:
    """`left @ right`, which a cell may hold in place of any matrix that only `affine` reads.

    No reading, target or pass sees one: recording makes two affines of it, and each factor is a weight by itself.

    Raises:
        GraphError: two tensors that are no such matrices.
    """

    left: Tensor  # (rows, rank)
    right: Tensor  # (rank, columns)

    def __post_init__(self) -> None:
        given: tuple[Any, ...] = (self.left, self.right)
        if not all(isinstance(each, Tensor) for each in given):
            raise GraphError("a factor is no Tensor; wrap the array as Tensor(array)")
        left, right = (each.shape for each in given)
        if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
            raise GraphError(f"factors of shapes {left} and {right} arrived; expected (rows, rank) and (rank, columns)")

    @property
    def shape(self) -> tuple[int, int]:
        """That of the product."""
        return (self.left.shape[0], self.right.shape[1])


def parted(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors in weights by name: `u` itself, or `u.left` and `u.right`; what is no weight is left out."""
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if isinstance(weight, Tensor):
            found[name] = weight
        elif isinstance(weight, Factored):
            found |= {f"{name}.left": weight.left, f"{name}.right": weight.right}
    return found


def joined(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The weights of which `parted` made these tensors."""
    whole: dict[str, Any] = {name: tensor for name, tensor in tensors.items() if "." not in name}
    for name in dict.fromkeys(name.partition(".")[0] for name in tensors if "." in name):
        whole[name] = Factored(tensors[f"{name}.left"], tensors[f"{name}.right"])
    return whole
