"""The contract of an adopted file: which tensors of a file of another tool are frames, states, constants and outputs.

The bytes of that file are the beginning of the artifact, unchanged; the manifest follows them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite, prod
from typing import Any

from edgernn.errors import FileError
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.cell import LARGEST

DTYPES = ("float32", "int8", "int16")
"""The dtypes of frames, states and outputs; the integers have quantization parameters."""

CONSTANTS = (*DTYPES, "float16", "float64", "int32", "int64", "uint8", "bool")
"""The dtypes of constants."""

AXES = 8
CONTEXT = ".context"  # the end of the name of a state that holds the last numbers of an input

Shapes = Mapping[str, tuple[tuple[int | str | None, ...], str]]
"""Name of a tensor in a runtime -> (shape, dtype); an open size is a name, None or -1."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the file.

    Attributes:
        name: in the runtime.
        shape: in a step.
        dtype: one of DTYPES or CONSTANTS.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True)
class Constant:
    """An input that has the same value in every step; each of its elements has it."""

    tensor: TensorInfo
    value: float


@dataclass(frozen=True)
class Adopted:
    """How the values of a manifest are bound to the tensors of a file that another tool wrote.

    Attributes:
        size: the bytes of that file, which the artifact begins with.
        runtime: the name and version of the runtime that gave `answers`.
        inputs: of a frame, in the order of the manifest; by name.
        outputs: likewise.
        states: the tensor that each state enters by; by name.
        results: the tensor that it leaves by.
        constants: by name.
        context: how many of the last numbers of an input are put in front of the next; by the name of the input. They
            are a state of the manifest, with CONTEXT behind that name.
        requantized: the quantization parameters of a state as it leaves, where it enters with others.
        answers: what edgernn.runtime.adopted.answers returned, as base64 of little-endian float32; "" for none.
        tolerance: how far a runtime may be from them.
        positive: whether the frames of the answers are positive, since others give no finite answers.
    """

    size: int
    runtime: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    states: Mapping[str, TensorInfo] = field(default_factory=dict)
    results: Mapping[str, TensorInfo] = field(default_factory=dict)
    constants: Mapping[str, Constant] = field(default_factory=dict)
    context: Mapping[str, int] = field(default_factory=dict)
    requantized: Mapping[str, QuantizationParameters] = field(default_factory=dict)
    answers: str = ""
    tolerance: float = 0.0
    positive: bool = False

    @property
    def arguments(self) -> Iterator[TensorInfo]:
        """The tensors that enter a step."""
        return chain(self.inputs.values(), self.states.values(), (each.tensor for each in self.constants.values()))

    @property
    def widths(self) -> dict[str, int]:
        """The width of each input in a frame, without its context."""
        return {name: info.size - self.context.get(name, 0) for name, info in self.inputs.items()}

    @property
    def state_widths(self) -> dict[str, int]:
        """The width of each state of the manifest."""
        states = {name: info.size for name, info in self.states.items()}
        return states | {f"{name}{CONTEXT}": count for name, count in self.context.items()}


def parsed(fields: Mapping[str, Any]) -> Adopted:
    """Return the contract in the JSON of a manifest, whose types were checked.

    Raises:
        ValueError, TypeError, KeyError: it contradicts itself.
    """
    tensors = {
        part: {name: _tensor(entry) for name, entry in fields[part].items()}
        for part in ("inputs", "outputs", "states", "results")
    }
    constants = {name: Constant(_tensor(each["tensor"]), each["value"]) for name, each in fields["constants"].items()}
    requantized = {name: QuantizationParameters(**each) for name, each in fields["requantized"].items()}
    adopted = Adopted(**{**fields, **tensors, "constants": constants, "requantized": requantized})
    _check(adopted)
    return adopted


def _tensor(entry: Mapping[str, Any]) -> TensorInfo:
    return TensorInfo(entry["name"], tuple(entry["shape"]), entry["dtype"])


def _check(adopted: Adopted) -> None:
    """Refuse what no adopted file has; sizes are compared by the manifest."""
    for info in (*adopted.arguments, *adopted.outputs.values(), *adopted.results.values()):
        sizes = len(info.shape) <= AXES and all(size >= 1 for size in info.shape) and info.size <= LARGEST
        if not sizes or info.dtype not in CONSTANTS:
            raise ValueError(f"'{info}' is no tensor of a step")
    if adopted.states.keys() != adopted.results.keys() or not adopted.inputs or not adopted.outputs:
        raise ValueError("a state does not leave, or there is no input or output")
    for name, info in adopted.states.items():
        if info.size != adopted.results[name].size or info.dtype != adopted.results[name].dtype:
            raise ValueError(f"state '{name}' enters as {info} and leaves as {adopted.results[name]}")
    if adopted.context.keys() - adopted.inputs.keys() or adopted.requantized.keys() - adopted.states.keys():
        raise ValueError("it names an input or a state that does not exist")
    if any(not 1 <= count < adopted.inputs[name].size for name, count in adopted.context.items()):
        raise ValueError("a context is as long as its input")
    if adopted.size < 1 or adopted.tolerance < 0 or not all(isfinite(c.value) for c in adopted.constants.values()):
        raise ValueError(f"a size of {adopted.size} or a tolerance of {adopted.tolerance} is invalid")


def check_tensors(name: str, adopted: Adopted, arguments: Shapes, results: Shapes) -> None:
    """Compare the tensors that a runtime sees in the file with the contract.

    Raises:
        FileError: one is missing or of another dtype, or an argument cannot have its shape.
    """
    ins = [(info, arguments) for info in adopted.arguments]
    outs = [(info, results) for info in (*adopted.outputs.values(), *adopted.results.values())]
    for info, actual in (*ins, *outs):
        shape, dtype = actual.get(info.name, ((), "missing"))
        if dtype != info.dtype or (actual is arguments and not _fits(info.shape, shape)):
            raise FileError(f"'{name}' has '{info.name}' {dtype} {shape}; its contract is {info}: adopt it again")
    more = arguments.keys() - {info.name for info in adopted.arguments}
    if more:
        raise FileError(f"'{name}' has an input '{min(more)}' that its contract does not name: adopt it again")


def _fits(shape: tuple[int, ...], actual: tuple[int | str | None, ...]) -> bool:
    """Return whether a runtime accepts a shape; an empty one is that of a scalar, or open."""
    known = [size if type(size) is int and size > 0 else None for size in actual]
    return not actual or (len(known) == len(shape) and all(b in {None, a} for a, b in zip(shape, known, strict=True)))


def lines(adopted: Adopted) -> list[str]:
    """Return what a contract says, as lines of text."""
    rows = [("input", name, _entering(adopted, name)) for name in adopted.inputs]
    rows += [("output", name, str(info)) for name, info in adopted.outputs.items()]
    rows += [("state", name, f"{info} <- {adopted.results[name]}") for name, info in adopted.states.items()]
    rows += [("constant", name, f"{each.tensor} = {each.value:g}") for name, each in adopted.constants.items()]
    if not adopted.states and not adopted.context:
        rows.append(("state", "none", "a step knows nothing of the frames before"))
    width = max(len(name) for _, name, _ in rows)
    return [f"  {kind:8} {name:{width}}  {text}" for kind, name, text in rows]


def _entering(adopted: Adopted, name: str) -> str:
    count, info = adopted.context.get(name, 0), adopted.inputs[name]
    return f"{info}, {count} of them from the frame before" if count else str(info)
