"""Replay: an interpreter applies the operations of a trace, one after another."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from edgernn.errors import UnsupportedError
from edgernn.model.operation import Op, Ref

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Interpreter(Protocol[T_co]):
    """What the operations of a trace mean: their results as arrays, magnitudes, nodes of a file or statements of C."""

    def apply(self, op: Op, args: Sequence[Any], /) -> T_co | Sequence[T_co]:
        """Apply one operation.

        Args:
            op: the operation.
            args: `op.args`, with the interpreter's value in place of each Ref.

        Returns:
            The value that the operation makes; the values in order for a split.

        Raises:
            UnsupportedError: the interpreter does not have the operation.
        """


class MethodInterpreter:
    """An interpreter with one method per operation, called by its name in edgernn.model.ops.OPERATIONS with `args`."""

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Call the method of the operation."""
        method = getattr(self, op.name, None)
        if method is None:
            raise UnsupportedError(
                f"layer '{op.layer}' uses the operation '{op.name}', which {type(self).__name__} does not have; "
                "write the cell with other operations"
            )
        return method(*args)


def replay(operations: Iterable[Op], interpreter: Interpreter[T], values: dict[str, T]) -> dict[str, T]:
    """Apply operations in their order.

    Args:
        operations: those of a trace, or some of them.
        interpreter: applies each operation.
        values: the interpreter's values of `x` and of the states before the step, by name. The values that the
            operations make are added to it.

    Returns:
        `values`.

    Raises:
        UnsupportedError: the interpreter does not have an operation.
    """
    for op in operations:
        result: Any = interpreter.apply(op, [values[arg.name] if isinstance(arg, Ref) else arg for arg in op.args])
        for ref, value in zip(op.outputs, result if op.name == "split" else (result,), strict=True):
            values[ref.name] = value
    return values
