"""A random module as text: its blocks, inputs and outputs, and how it is called; what is printed is what ran."""

import itertools
import linecache
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from random_kinds import Block, Shape
from random_layouts import SEQUENCE, Layout

EXAMPLE = 9
LONGER = 48
"""The length of an example sequence, and of one for several frames in a step or late outputs."""
RESULTS = ("tuple", "list", "dict", "NamedTuple", "dataclass")
PACKINGS = ("apart", "tuple", "dict", "packed", "buffers")
WHOLE = PACKINGS[:3]
"""How states are passed beside whole sequences, which layers take as they are."""
FILES = itertools.count()


@dataclass(frozen=True)
class Head:
    """An output: the value that it is of, its shape, and whether only its last step is returned."""

    name: str
    of: str
    shape: Shape
    block: Block
    last: bool


@dataclass(frozen=True)
class Program:
    """A module of PyTorch by its blocks, and how it is called.

    Attributes:
        inputs: the shape of each input, by its name.
        blocks: the blocks in a row; each has the name of the value that it reads.
        heads: the outputs.
        steps: whether it takes one frame and its states, and not a sequence.
        layout: how the inputs are arranged.
        results, packing: how outputs are returned, and states are passed.
        seed: of the weights.
    """

    inputs: dict[str, Shape]
    blocks: tuple[tuple[str, Block], ...]
    heads: tuple[Head, ...]
    steps: bool = False
    layout: Layout = SEQUENCE["as it is"]
    results: str = "tuple"
    packing: str = "apart"
    seed: int = 0

    @property
    def states(self) -> dict[str, tuple[int, ...]]:
        """The shape of each state by its name."""
        named = ((f"h{i}", block) for i, (_, block) in enumerate(self.blocks))
        return {f"{name}{'abc'[k]}": shape for name, block in named for k, shape in enumerate(block.states)}

    @property
    def every(self) -> int:
        """How many frames one step takes."""
        return self.heads[0].shape.timing.every

    @property
    def delay(self) -> int:
        """By how many steps the latest output is late."""
        return max(head.shape.timing.delay for head in self.heads)

    @property
    def later(self) -> list[int]:
        """For each output, in how many steps after its first position begins it arrives."""
        times = [head.shape.timing for head in self.heads]
        return [time.late + self.delay - time.delay for time in times]

    @property
    def passed(self) -> bool:
        """Whether states are arguments."""
        return bool(self.states) and self.packing != "buffers"

    @property
    def source(self) -> str:
        """The module as Python."""
        parts, lines = self._parts(), self._lines()
        arguments = ["self", *self.inputs]
        if self.passed:
            arguments += list(self.states) if self.packing == "apart" else ["states"]
        return "\n".join(
            [
                "import torch",
                "from torch import nn",
                "from torch.nn import functional as F",
                *self._result_type(),
                "",
                "class Program(nn.Module):",
                "    def __init__(self):",
                "        super().__init__()",
                *(f"        self.{name} = {text}" for name, text in parts.items()),
                f"    def forward({', '.join(arguments)}):",
                *(f"        {line}" for line in lines),
                "",
                f"torch.manual_seed({self.seed})",
                "module = Program().eval()",
                "for each in module.parameters():",
                "    each.data.add_(torch.randn_like(each) / 10)",
                "for each in module.modules():",
                "    if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):",
                "        each.running_mean.uniform_(-0.5, 0.5), each.running_var.uniform_(0.5, 2)",
                "",
            ]
        )

    def __repr__(self) -> str:
        shapes = {name: tuple(each.shape) for name, each in self.example_inputs().items()}
        return f"\n{self.source}\n# from_torch(module, {shapes} and states {self.states}, {self.options})"

    def _parts(self) -> dict[str, str]:
        """The submodules and parameters by their names."""
        parts = {
            f"b{i}{suffix}": made for i, (_, block) in enumerate(self.blocks) for suffix, made in block.parts.items()
        }
        parts |= {f"{head.name}{suffix}": made for head in self.heads for suffix, made in head.block.parts.items()}
        if self.packing == "buffers":
            parts |= {name: f"nn.Buffer(torch.zeros({shape}))" for name, shape in self.states.items()}
        return parts

    def _lines(self) -> list[str]:
        """The body of forward."""
        lines = [self.layout.line.format(x=name) for name in self.inputs if self.layout.line]
        lines += self._unpacked()
        for i, (x, block) in enumerate(self.blocks):
            states = {f"h{k}": f"h{i}{'abc'[k]}" for k in range(len(block.states))}
            lines += [line.format(x=x, y=f"y{i}", me=f"b{i}", **states) for line in block.lines]
        for head in self.heads:
            lines += [line.format(x=head.of, y=head.name, me=head.name) for line in head.block.lines]
        if self.states and self.packing == "buffers":
            lines += [f"self.{name} = {name}" for name in self.states]
        return [*lines, f"return {self._returned()}"]

    def _unpacked(self) -> list[str]:
        names, start = list(self.states), 0
        if not names or self.packing == "apart":
            return []
        if self.packing in {"tuple", "dict", "buffers"}:
            how = {"tuple": "states[{i}]", "dict": "states['{name}']", "buffers": "self.{name}"}[self.packing]
            return [f"{name} = {how.format(i=i, name=name)}" for i, name in enumerate(names)]
        lines = []
        for name, shape in self.states.items():
            count = prod(shape)
            lines.append(f"{name} = states[:, {start}:{start + count}].reshape({shape})")
            start += count
        return lines

    def _returned(self) -> str:
        names, states = [head.name for head in self.heads], list(self.states) if self.passed else []
        if states and self.packing == "packed":
            last = [f"torch.cat([{', '.join(f'{name}.reshape(1, -1)' for name in states)}], -1)"]
        elif states and self.packing in {"tuple", "dict"}:
            inside = ", ".join(f"'{name}': {name}" if self.packing == "dict" else name for name in states)
            last = [f"{{{inside}}}" if self.packing == "dict" else f"({inside},)"]
        else:
            last = states
        every = [*names, *last]
        if len(every) == 1:
            return every[0]
        if states or self.results == "tuple":
            return f"({', '.join(every)})"
        if self.results == "list":
            return f"[{', '.join(every)}]"
        if self.results == "dict":
            return f"{{{', '.join(f'{name!r}: {name}' for name in every)}}}"
        return f"Result({', '.join(every)})"

    def _result_type(self) -> list[str]:
        if self.results not in {"NamedTuple", "dataclass"} or len(self.heads) == 1 or self.passed:
            return []
        fields = [f"    {head.name}: torch.Tensor" for head in self.heads]
        if self.results == "NamedTuple":
            return ["from typing import NamedTuple", "", "class Result(NamedTuple):", *fields]
        return ["from dataclasses import dataclass", "", "@dataclass", "class Result:", *fields]

    def module(self) -> torch.nn.Module:
        """A new module of this source."""
        name = f"<random module {next(FILES)}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(keepends=True), name)
        names: dict[str, Any] = {"__name__": "random_module"}
        exec(compile(self.source, name, "exec"), names)
        return names["module"]

    def example_inputs(self) -> dict[str, torch.Tensor]:
        """An example of each input."""
        random = torch.Generator().manual_seed(self.seed)
        length = 1 if self.steps else EXAMPLE if max(self.later) == 0 and self.every == 1 else LONGER
        return {
            name: self.layout.back(torch.randn(shape.of_length(length), generator=random)).contiguous()
            for name, shape in self.inputs.items()
        }

    def example_states(self, dtype: torch.dtype = torch.float32) -> list[Any]:
        """The arguments that are states, all zeros."""
        zeros = {name: torch.zeros(shape, dtype=dtype) for name, shape in self.states.items()}
        if not self.passed:
            return []
        if self.packing == "apart":
            return list(zeros.values())
        if self.packing == "packed":
            return [torch.cat([each.reshape(1, -1) for each in zeros.values()], -1)]
        return [zeros if self.packing == "dict" else tuple(zeros.values())]

    @property
    def example(self) -> Any:
        """The example of from_torch."""
        every = [*self.example_inputs().values(), *self.example_states()]
        return every[0] if len(every) == 1 else tuple(every)

    @property
    def options(self) -> dict[str, Any]:
        """The options of from_torch."""
        options: dict[str, Any] = {}
        if not self.steps:
            options["time_axis"] = self.layout.time
        if self.steps and len(self.inputs) > 1:
            options["inputs"] = tuple(self.inputs)
        if self.passed and self.alike:
            first = len(self.heads)
            options["states"] = {name: first + i for i, name in enumerate(self._arguments())}
        return options

    @property
    def alike(self) -> bool:
        """Whether an output has the shape of a state, so that the caller must say which result is which state."""
        axis = () if self.layout.time is None else (1,)
        shapes = {
            head.shape.of_length(1) if head.shape.bands else (1, *axis, head.shape.features) for head in self.heads
        }
        states = {(1, sum(map(prod, self.states.values())))} if self.packing == "packed" else {*self.states.values()}
        return bool(shapes & states)

    def _arguments(self) -> list[str]:
        """The names that from_torch has for the states among the arguments."""
        if self.packing == "packed":
            return ["states"]
        names = list(self.states)
        how = {"apart": "{name}", "tuple": "states_{i}", "dict": "states_{name}"}[self.packing]
        return [how.format(i=i, name=name) for i, name in enumerate(names)]
