"""What is read of a TFLite graph so far: values, modules and states."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from edgernn_export.sources.foreign.nodes import Step
from edgernn_export.sources.tflite.call import Call
from edgernn_export.sources.tflite.loading import File


@dataclass(frozen=True)
class Flow:
    """A value that depends on data: its slot in the module, and its value for the example."""

    slot: int
    example: Tensor


Value = Flow | Tensor | None
"""A value that depends on data, a constant, or none where an operand is absent."""


@dataclass(frozen=True)
class Carried:
    """A state that the file keeps: its name, the values before and after a call, and its tensor or none."""

    name: str
    before: Flow
    after: Flow
    tensor: int | None = None


@dataclass
class Resource:
    """A resource variable: its initial value, and the value before and after the operators so far."""

    initial: Tensor | None = None
    before: Flow | None = None
    value: Value = None
    read: list[int] = field(default_factory=list)
    assigned: int = -1


@dataclass
class Reader:
    """What is read of a graph so far.

    Attributes:
        file: the file.
        steps: the calls of modules.
        modules: by name.
        carried: the states of variable tensors.
        resources: by name.
        length: the longest sequence that an operator with states runs over.
        tables: the slot of an argument with whole numbers -> the rows of the table that they are looked up in.
        handles: the tensor of a resource variable -> its name.
        slots: how many values there are.
        inner: whether it reads the subgraph that sets the initial values.
        named: how many modules have each name, besides their numbers.
    """

    file: File
    steps: list[Step] = field(default_factory=list)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    carried: list[Carried] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
    length: int = 0
    tables: dict[int, int] = field(default_factory=dict)
    handles: dict[int, str] = field(default_factory=dict)
    slots: int = 0
    inner: bool = False
    named: Counter[str] = field(default_factory=Counter)

    def flow(self, example: Tensor) -> Flow:
        """Return a value in a new slot."""
        self.slots += 1
        return Flow(self.slots - 1, example)

    def unique(self, operator: str) -> str:
        """Return a name for a module."""
        name = operator.lower().removeprefix("unidirectional_sequence_")
        self.named[name] += 1
        return f"{name}_{self.named[name]}" if self.named[name] > 1 else name


def operand_of(call: Call, values: Mapping[int, Value], index: int) -> Value:
    if index >= 0 and index not in values:
        raise call.refuse(f"it reads tensor {index}, which nothing computes before it; export it again")
    return values[index] if index >= 0 else None
