"""What a cell is: a frozen dataclass of weights with one `step` (or `join`), and the table of all cells."""

from collections.abc import Mapping
from dataclasses import fields, replace
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints

from edgernn.errors import GraphError
from edgernn.model.factored import Factored, joined, parted
from edgernn.model.ops import Ops, V
from edgernn.model.range import LARGEST as FINITE
from edgernn.model.tensor import Tensor


class Cell(Protocol):
    """One layer that reads one value and may carry state.

    A weight's axes are declared where it is: `w: Annotated[Tensor, "3 * hidden", "inputs"]`. A factor is a
    number, another field of the cell, or a name that must then be the same in every weight; the name
    `inputs` is the width that the cell reads. A matrix that only `affine` reads may be a Factored one.
    """

    @property
    def states(self) -> Mapping[str, int]:
        """The name and width of each state, in the order in which `step` takes and returns them."""

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...], /) -> tuple[V, tuple[V, ...]]:
        """One frame: (input, states before) -> (output, states after)."""


class Join(Protocol):
    """One layer without state that reads several values."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def join(self, ops: Ops[V], /, *xs: V) -> V:
        """The branches made one."""


LARGEST = 1 << 22
"""The largest whole number among the settings of a cell, and the most elements of a value."""

CELLS: dict[str, type[Any]] = {}
"""Every cell by its name in a file: filled by `@cell`, so a cell is known once its module is imported."""

C = TypeVar("C", bound=type[Any])


def cell(cls: C) -> C:
    """Enter a frozen dataclass into CELLS and check the declared shapes whenever one is made.

    Raises:
        GraphError: another class has the name already.
    """
    known = CELLS.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise GraphError(f"a cell named '{cls.__name__}' exists already, in {known.__module__}; choose another name")
    made = cls.__init__

    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        _check_settings(self)
        dimensions(self)

    cls.__init__ = checked
    CELLS[cls.__name__] = cls
    return cls


def tensors(cell: Any) -> dict[str, Tensor]:
    """The weights of a cell by field name, a factored `u` as `u.left` and `u.right`; one that is None is left out."""
    return parted({field.name: getattr(cell, field.name) for field in fields(cell)})


def with_tensors(cell: Any, others: Mapping[str, Tensor]) -> Any:
    """The same cell with other weights, by their names in `tensors`; the rest as they are."""
    return replace(cell, **joined(tensors(cell) | dict(others)))


def settings(cell: Any) -> dict[str, Any]:
    """The fields of a cell that are no weights."""
    weights = _axes(type(cell))
    return {field.name: getattr(cell, field.name) for field in fields(cell) if field.name not in weights}


def _check_settings(cell: Any) -> None:
    """Refuse settings of another kind than is declared, and numbers that no cell has."""
    for field in fields(cell):
        value, real = getattr(cell, field.name), isinstance(getattr(cell, field.name), Real)
        if field.type is int and not (isinstance(value, Integral) and abs(int(value)) <= LARGEST):
            raise _unfit(cell, field.name, f"a whole number of at most {LARGEST:,}")
        if field.type is float and not (real and -FINITE <= value <= FINITE):
            raise _unfit(cell, field.name, "a number that is finite in float32")


def _unfit(cell: Any, name: str, wanted: str) -> GraphError:
    return GraphError(f"{type(cell).__name__}.{name} is {getattr(cell, name)!r}; expected {wanted}")


def dimensions(cell: Any) -> dict[str, int]:
    """The length that each name in the declared shapes stands for, such as {"hidden": 64, "inputs": 40}.

    Raises:
        GraphError: a weight is missing, or its shape contradicts the declaration or another weight.
    """
    known = {name: value for name, value in settings(cell).items() if isinstance(value, int)}
    for name, (axes, optional) in _axes(type(cell)).items():
        tensor = getattr(cell, name)
        if tensor is None and optional:
            continue
        if not isinstance(tensor, Tensor | Factored):
            raise GraphError(
                f"{type(cell).__name__}.{name} is a {type(tensor).__name__}; expected a Tensor of shape "
                f"({', '.join(axes)}): wrap the array as Tensor(array)"
            )
        if len(tensor.shape) != len(axes) or not all(map(_fits, axes, tensor.shape, [known] * len(axes))):
            names = ", ".join(f"{k} = {v}" for k, v in known.items())
            raise GraphError(
                f"{type(cell).__name__}.{name} has shape {tensor.shape}; expected ({', '.join(axes)})"
                + (f" with {names}" if names else "")
            )
    return known


def _fits(axis: str, length: int, known: dict[str, int]) -> bool:
    """Whether an axis such as "3 * hidden" can have this length; an unknown name is learnt from it."""
    rest, unknown = length, ""
    for factor in axis.split(" * "):
        size = int(factor) if factor.isdigit() else known.get(factor)
        if size is None:
            unknown = factor
        elif size < 1 or rest % size:
            return False
        else:
            rest //= size
    if unknown:
        known[unknown] = rest
        return rest > 0
    return rest == 1


def _axes(cls: type[Any]) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Field -> (declared axes, whether it may be None), for the fields annotated as weights."""
    found = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if get_origin(hint) is Annotated:
            kind, *axes = get_args(hint)
            found[name] = (tuple(axes), type(None) in get_args(kind))
    return found
