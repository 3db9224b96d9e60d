"""The torch module of an ONNX graph: one submodule for each node that computes with data."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgernn_export.sources.onnx.call import Call, Operation


class NodeModule(nn.Module):
    """One node: its operator applied to the values that flow into it and to constants.

    Args:
        call: the node.
        operation: what its operator computes.
        operands: see `bind`.
    """

    def __init__(self, call: Call, operation: Operation | None = None, operands: Sequence[Any] = ()) -> None:
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
    """A graph of ONNX.

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


def graph_module(names: Sequence[str], *graph: Any) -> GraphModule:
    """Return a GraphModule whose forward has arguments of these names, which traces and messages show."""

    def forward(self: GraphModule, *arguments: Tensor) -> dict[str, Tensor]:
        return self.run(arguments)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, annotation=torch.Tensor) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    module: GraphModule = type("OnnxGraph", (GraphModule,), {"forward": forward})(*graph)
    return module.eval()


def needed(steps: Sequence[Step], slots: Iterable[int]) -> list[Step]:
    """Return the steps that some slots depend on, in order."""
    slots, chosen = set(slots), []
    for step in reversed(steps):
        if slots & set(step.writes):
            slots |= set(step.reads)
            chosen.append(step)
    return chosen[::-1]


def identifier(name: str, taken: Iterable[str]) -> str:
    """Return a name as an argument of a function, unlike those that are taken."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = plain if re.match("[A-Za-z]", plain) else f"x{plain}"
    unique, number, others = plain, 2, set(taken)
    while unique in others:
        unique, number = f"{plain}_{number}", number + 1
    return unique
