"""The torch module of a file's graph: one submodule for each node that computes with data."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

ADOPT = "or run the file as it is, on its own runtime: edgernn adopt"


@dataclass(frozen=True)
class Operation:
    """What an operator computes: function(call, *operands) returns a tensor, or a tuple of them.

    Attributes:
        function: of the node, as its source describes it, and torch tensors; an operand that is absent is None.
        static: the positions of operands that must be constants; they arrive as numbers, or lists of them.
    """

    function: Callable[..., Any]
    static: frozenset[int] = frozenset()


def static(*positions: int) -> Callable[[Callable[..., Any]], Operation]:
    """Return a decorator for a function whose operands at these positions must be constants."""
    return lambda function: Operation(function, frozenset(positions))


class NodeModule(nn.Module):
    """One node: its operator applied to the values that flow into it and to constants.

    Args:
        call: the node, as its source describes it.
        operation: what its operator computes.
        operands: see `bind`.
    """

    def __init__(self, call: Any, operation: Operation | None = None, operands: Sequence[Any] = ()) -> None:
        super().__init__()
        self.call, self.operation = call, operation
        self.bind(operands)

    def bind(self, operands: Sequence[Any]) -> None:
        """Set the operands: tensors, numbers and lists of them, None, and FLOWS where a value comes in."""
        self.operands: list[Any] = []
        for i, operand in enumerate(operands):
            if isinstance(operand, Tensor):
                self.register_buffer(f"constant{i}", operand)
            self.operands.append(_Constant(f"constant{i}") if isinstance(operand, Tensor) else operand)

    def forward(self, *values: Tensor) -> Any:
        """Compute the node's results."""
        flowing = iter(values)
        return self.compute(*(self._operand(each, flowing) for each in self.operands))

    def compute(self, *operands: Any) -> Any:
        """Compute the node's results from its operands."""
        assert self.operation is not None
        return self.operation.function(self.call, *operands)

    def _operand(self, operand: Any, flowing: Iterator[Tensor]) -> Any:
        if isinstance(operand, _Constant):
            return getattr(self, operand.name)
        return next(flowing) if isinstance(operand, Flows) else operand


@dataclass(frozen=True)
class Flows:
    """Stands for an operand that flows in."""


@dataclass(frozen=True)
class _Constant:
    """Stands for an operand that is a buffer of this name."""

    name: str


FLOWS = Flows()


@dataclass(frozen=True)
class Step:
    """The call of a submodule: its name, the slots that it reads, and those that its results are in."""

    module: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class GraphModule(nn.Module):
    """The graph of a file.

    Args:
        modules: by unique name.
        steps: in order.
        arguments: the slot of each argument of forward.
        results: name -> slot.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        steps: Sequence[Step],
        arguments: Sequence[int],
        results: Mapping[str, int],
    ) -> None:
        super().__init__()
        for step in steps:
            self.add_module(step.module, modules[step.module])
        self.steps, self.arguments, self.results = list(steps), list(arguments), dict(results)

    def run(self, arguments: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute every result, by name."""
        values: dict[int, Any] = dict(zip(self.arguments, arguments, strict=True))
        for step in self.steps:
            result = self.get_submodule(step.module)(*(values[slot] for slot in step.reads))
            values.update(zip(step.writes, result if isinstance(result, tuple | list) else (result,), strict=False))
        return {name: values[slot] for name, slot in self.results.items()}


def graph_module(kind: str, names: Sequence[str], *graph: Any) -> GraphModule:
    """Return a GraphModule whose forward has arguments of these names; traces and messages show them, and its kind."""

    def forward(self: GraphModule, *arguments: Tensor) -> dict[str, Tensor]:
        return self.run(arguments)

    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, either, annotation=torch.Tensor) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    module: GraphModule = type(kind, (GraphModule,), {"forward": forward})(*graph)
    return module.eval()


def needed(steps: Sequence[Step], slots: Iterable[int]) -> list[Step]:
    """Return the steps that some slots depend on, in order."""
    slots, chosen = set(slots), []
    for step in reversed(steps):
        if slots & set(step.writes):
            slots |= set(step.reads)
            chosen.append(step)
    return chosen[::-1]


def dependences(
    steps: Sequence[Step], inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> dict[str, frozenset[str]]:
    """Return the inputs that each output depends on, by name; inputs and outputs are name -> slot."""
    reached = {slot: frozenset({name}) for name, slot in inputs.items()}
    for step in steps:
        through = frozenset[str]().union(*(reached.get(slot, frozenset()) for slot in step.reads))
        reached.update(dict.fromkeys(step.writes, through))
    return {name: reached.get(slot, frozenset()) for name, slot in outputs.items()}


def identifier(name: str, taken: Iterable[str]) -> str:
    """Return a name as an argument of a function, unlike those that are taken."""
    plain = re.sub(r"\W", "_", name.removesuffix(":0"), flags=re.ASCII).strip("_")
    plain = plain if re.match("[A-Za-z]", plain) else f"x{plain}"
    unique, number, others = plain, 2, {*taken, "self"}
    while unique in others:
        unique, number = f"{plain}_{number}", number + 1
    return unique
