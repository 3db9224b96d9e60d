"""A matrix as the product of two low-rank factors: fewer weights, and fewer multiplications in a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgernn.errors import GraphError
from edgernn.model.tensor import Tensor


@dataclass(frozen=True)
class Factored:
    """`left @ right`, which a cell may have in place of a matrix that only `affine` reads.

    No interpreter, target or pass sees a Factored weight: tracing makes two affines of it, one for each factor.

    Raises:
        GraphError: a factor is not a Tensor, or the shapes do not fit.
    """

    left: Tensor  # (rows, rank)
    right: Tensor  # (rank, columns)

    def __post_init__(self) -> None:
        factors: tuple[Any, ...] = (self.left, self.right)
        if not all(isinstance(each, Tensor) for each in factors):
            raise GraphError("a factor is not a Tensor; wrap the array as Tensor(array)")
        left, right = (each.shape for each in factors)
        if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
            raise GraphError(f"factors of shapes {left} and {right} arrived; expected (rows, rank) and (rank, columns)")

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the product."""
        return (self.left.shape[0], self.right.shape[1])


def parted(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of fields by name: a Tensor `u` as `u`, a Factored one as `u.left` and `u.right`."""
    parts: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if isinstance(weight, Tensor):
            parts[name] = weight
        elif isinstance(weight, Factored):
            parts |= {f"{name}.left": weight.left, f"{name}.right": weight.right}
    return parts


def joined(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the weights from which `parted` made these tensors."""
    whole: dict[str, Any] = {name: tensor for name, tensor in tensors.items() if "." not in name}
    for name in dict.fromkeys(name.partition(".")[0] for name in tensors if "." in name):
        whole[name] = Factored(tensors[f"{name}.left"], tensors[f"{name}.right"])
    return whole
