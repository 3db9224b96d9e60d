"""The torch module of a TFLite graph: a submodule for each operator that computes with data."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgernn_export.sources.tflite.call import Call, Operation


class Node(nn.Module):
    """An operator applied to the values that flow into it and to constants.

    Args:
        call: the operator.
        operation: what it computes.
        operands: tensors, numbers and lists of them, None, and FLOWS where a value comes in.
    """

    def __init__(self, call: Call, operation: Operation, operands: Sequence[Any]) -> None:
        super().__init__()
        self.call, self.operation, self.operands = call, operation, list(operands)
        for i, operand in enumerate(operands):
            if isinstance(operand, Tensor):
                self.register_buffer(f"constant{i}", operand)
                self.operands[i] = None

    def forward(self, *values: Tensor) -> Any:
        """Compute the results."""
        flowing = iter(values)
        operands = [next(flowing) if isinstance(each, Flows) else each for each in self.operands]
        constants = [getattr(self, f"constant{i}", each) for i, each in enumerate(operands)]
        return self.operation.function(self.call, *constants)


@dataclass(frozen=True)
class Flows:
    """Stands for an operand that flows in."""


FLOWS = Flows()


@dataclass(frozen=True)
class Step:
    """The call of a submodule: its name, the slots that it reads, and those that its results are in."""

    module: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class TfliteGraph(nn.Module):
    """A graph.

    Args:
        modules: by name.
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


def graph_module(names: Sequence[str], *graph: Any) -> nn.Module:
    """Return a TfliteGraph whose forward has arguments of these names, which traces and messages show."""

    def forward(self: TfliteGraph, *arguments: Tensor) -> dict[str, Tensor]:
        return self.run(arguments)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, annotation=torch.Tensor) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    module: TfliteGraph = type("TfliteGraph", (TfliteGraph,), {"forward": forward})(*graph)
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
    """Return a name as that of an argument of a function, unlike those that are taken."""
    plain = re.sub(r"\W", "_", name.removesuffix(":0"), flags=re.ASCII).strip("_")
    plain = plain if re.match("[A-Za-z]", plain) else f"x{plain}"
    unique, number, others = plain, 2, {*taken, "self"}
    while unique in others:
        unique, number = f"{plain}_{number}", number + 1
    return unique
