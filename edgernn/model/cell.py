"""The protocol of a cell, a frozen dataclass of weights with one `step` or `join`, and the table of all cells."""

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

    The axes of a weight are declared in its annotation: `w: Annotated[Tensor, "3 * hidden", "inputs"]`. A factor of an
    axis is a number, another field of the cell, or a name. A name stands for the same length in every weight, and
    `inputs` is the width that the cell reads. A matrix that only `affine` reads may be Factored.

    `@cell` registers a class, checks the shapes of its weights, and sets the defaults of `exact`, `delays` and
    `GATES`.
    """

    GATES: ClassVar[tuple[str, ...]]
    """The names of the equal parts of its weights' rows, in order; empty by default, for a cell without gates."""

    @property
    def exact(self) -> bool:
        """Whether no pass may quantize, prune or factorize the cell, as a feature cell; False by default."""

    @property
    def delays(self) -> bool:
        """Whether the output depends on the states alone, so that the cell may read a later layer; False by default."""

    @property
    def states(self) -> Mapping[str, int]:
        """The name and width of each state, in the order in which `step` takes and returns them."""

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...], /) -> tuple[V, tuple[V, ...]]:
        """Compute one frame: (input, states before) -> (output, states after)."""


class Join(Protocol):
    """One layer without state that reads several values."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    GATES: ClassVar[tuple[str, ...]]

    @property
    def exact(self) -> bool:
        """As in a Cell."""

    @property
    def delays(self) -> bool:
        """False: a join carries no state."""

    def join(self, ops: Ops[V], /, *xs: V) -> V:
        """Compute one frame: the inputs -> the output."""


LARGEST = 1 << 22
"""The largest integer among the settings of a cell, and the largest width of a value in elements."""

CELLS: dict[str, type[Any]] = {}
"""Every cell by its name in a file. `@cell` adds to it: a cell can be loaded once its module is imported."""

C = TypeVar("C", bound=type[Any])


def cell(cls: C) -> C:
    """Register a frozen dataclass in CELLS, check the declared shapes in its constructor, and set defaults.

    The defaults are `exact = False`, `delays = False` and `GATES = ()`.

    Raises:
        GraphError: another class has the same name.
    """
    known = CELLS.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise GraphError(f"a cell named '{cls.__name__}' exists already, in {known.__module__}; choose another name")
    construct = cls.__init__

    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        _check_settings(self)
        dimensions(self)

    cls.__init__ = checked
    for name, default in (("exact", False), ("delays", False), ("GATES", ())):
        if not hasattr(cls, name):
            setattr(cls, name, default)
    CELLS[cls.__name__] = cls
    return cls


def is_join(cell: Any) -> bool:
    """Return whether a cell is a Join, which reads several values, and not a Cell."""
    return hasattr(cell, "join")


def tensors(cell: Any) -> dict[str, Tensor]:
    """Return the weights of a cell by field name; a Factored `u` is `u.left` and `u.right`, and None is left out."""
    return parted({field.name: getattr(cell, field.name) for field in fields(cell)})


def with_tensors(cell: Any, others: Mapping[str, Tensor]) -> Any:
    """Return the cell with some weights replaced, by their names in `tensors`."""
    return replace(cell, **joined(tensors(cell) | dict(others)))


def settings(cell: Any) -> dict[str, Any]:
    """Return the fields of a cell that are not weights."""
    weights = _axes(type(cell))
    return {field.name: getattr(cell, field.name) for field in fields(cell) if field.name not in weights}


def _check_settings(cell: Any) -> None:
    """Refuse a setting of another type than declared, and a number out of bounds."""
    for field in fields(cell):
        value, real = getattr(cell, field.name), isinstance(getattr(cell, field.name), Real)
        if field.type is int and not (isinstance(value, Integral) and abs(int(value)) <= LARGEST):
            raise _unfit(cell, field.name, f"a whole number of at most {LARGEST:,}")
        if field.type is float and not (real and -FINITE <= value <= FINITE):
            raise _unfit(cell, field.name, "a number that is finite in float32")


def _unfit(cell: Any, name: str, expected: str) -> GraphError:
    return GraphError(f"{type(cell).__name__}.{name} is {getattr(cell, name)!r}; expected {expected}")


def dimensions(cell: Any) -> dict[str, int]:
    """Return the length of each name in the declared shapes, such as {"hidden": 64, "inputs": 40}.

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


def input_width(cell: Any) -> int | None:
    """Return the width that a cell reads; None where it takes any."""
    width = dimensions(cell).get("inputs", getattr(cell, "inputs", None))
    return None if width is None else int(width)


def _fits(axis: str, length: int, known: dict[str, int]) -> bool:
    """Return whether an axis such as "3 * hidden" can have this length; add an unknown name to `known`."""
    quotient, unknown = length, ""
    for factor in axis.split(" * "):
        size = int(factor) if factor.isdigit() else known.get(factor)
        if size is None:
            unknown = factor
        elif size < 1 or quotient % size:
            return False
        else:
            quotient //= size
    if unknown:
        known[unknown] = quotient
        return quotient > 0
    return quotient == 1


def _axes(cls: type[Any]) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return the fields that are annotated as weights: name -> (declared axes, whether the weight is optional)."""
    weights = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if get_origin(hint) is Annotated:
            kind, *axes = get_args(hint)
            weights[name] = (tuple(axes), type(None) in get_args(kind))
    return weights
