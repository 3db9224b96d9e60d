"""The contract: what an artifact says of itself, found by the loader before any runtime sees the file.

An artifact holds one block of JSON that begins with the checksum. Its names are those of the artifact's own inputs and
outputs: `x` and `<layer>.<state>.in`, `y` and `<layer>.<state>.out`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from edgernn.artifact.checksum import BLANK, KEY
from edgernn.artifact.rnn import SUFFIX, digest
from edgernn.errors import FileError, UsageError
from edgernn.files import plain_json, typed
from edgernn.integer.overflow import FINITE, limit
from edgernn.integer.plan import Grid, static
from edgernn.integer.reproducible import same_bits
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.record import WIDEST
from edgernn.model.window import Window
from edgernn.version import VERSION

WINDOWS: Mapping[str, str] = MappingProxyType(
    {
        "": "no: one step per frame",
        "steps": "whole windows in both directions, an answer for each frame; it cannot stream",
        "pooled": "whole windows in both directions, one answer for each; it cannot stream",
    }
)
"""What a contract says of windows -> what that means."""

TIME = "time"  # an axis of any length

GRIDS = (8, 16)  # bits of their integers


@dataclass(frozen=True)
class Contract:
    """What a program reads, carries and answers, in elements of float32 where `dtype` says nothing else."""

    graph: str  # SHA-256 of the .rnn file that it was written from
    version: str
    precision: str
    inputs: int
    outputs: int
    rows: int  # symbols that x may be, or 0
    states: Mapping[str, int]  # name -> width
    rest: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # states that do not start at zero
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    cpu: str = ""  # the level that compiled code was made for, one of edgernn.device.isa.LEVELS
    window: str = ""  # one of WINDOWS: whether it reads whole windows, and then what it answers
    grids: Mapping[str, Grid] = field(default_factory=dict)  # of x, y and states that are integers in the artifact
    same_bits: str = ""  # one of edgernn.integer.reproducible.SAME_BITS: what has them in numpy and compiled code
    limit: float = FINITE  # the largest magnitude of a number in a frame; what is beyond it is refused

    def __post_init__(self) -> None:
        if not 0 < self.limit <= FINITE:
            raise UsageError(f"limit is {self.limit!r}; expected a number above 0 that float32 holds")
        if self.window not in WINDOWS:
            raise UsageError(f"window is '{self.window}'; there are {', '.join(map(repr, WINDOWS))}")

    def dtype(self, name: str) -> str:
        """What `x`, `y` or a state is made of in the artifact: integers on a grid, symbols of int32, or float32."""
        if name in self.grids:
            return f"int{self.grids[name].bits}"
        return "int32" if name == INPUT and self.rows else "float32"


def contract(graph: Graph) -> Contract:
    """The contract of every artifact made from a graph."""
    plan = static(graph)
    return replace(
        _alike(graph),
        states=dict(graph.states),
        rest={name: tuple(tensor.stored.tolist()) for name, tensor in graph.rest.items()},
        grids=plan.door,
        same_bits=same_bits(plan, graph.precision),
    )


def whole(window: Window) -> Contract:
    """The contract of every artifact made from a window; it carries nothing from one window to the next."""
    return replace(_alike(window), window="pooled" if window.pooled else "steps")


def _alike(model: Graph | Window) -> Contract:
    """What the contracts of both say, with no states."""
    return Contract(
        graph=digest(model),
        version=VERSION,
        precision=model.precision,
        inputs=model.inputs,
        outputs=model.outputs,
        rows=model.rows,
        states={},
        period_ms=model.period_ms,
        labels=model.labels,
        limit=limit(model),
    )


Signature = Mapping[str, tuple[tuple[int | str, ...], str]]


def signature(said: Contract) -> Signature:
    """Name -> (shape, dtype) of every input and output of an artifact; in a window the first axis is time."""
    if not said.window:
        return step_signature(said)
    answers = 1 if said.window == "pooled" else TIME
    return {
        "x": ((TIME, said.inputs), "int32" if said.rows else "float32"),
        "y": ((answers, said.outputs), "float32"),
    }


def step_signature(said: Contract) -> Mapping[str, tuple[tuple[int, ...], str]]:
    """The same of an artifact of one step; the first axis is a batch of one."""
    x = ((1,) if said.rows else (1, said.inputs), said.dtype(INPUT))
    ins = {f"{name}.in": ((1, width), said.dtype(name)) for name, width in said.states.items()}
    outs = {f"{name}.out": ((1, width), said.dtype(name)) for name, width in said.states.items()}
    return {INPUT: x, **ins, OUTPUT: ((1, said.outputs), said.dtype(OUTPUT)), **outs}


def check(name: str, said: Contract, found: Signature) -> None:
    """Hold what a runtime found in an artifact against what the artifact says of itself.

    Raises:
        FileError: a name, shape or dtype differs; so a state that is never fed back cannot be.
    """
    wanted = signature(said)
    if found != wanted:
        differ = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        raise FileError(
            f"'{name}' has {', '.join(f'{key}: {found.get(key)}' for key in differ)}; it should have "
            f"{', '.join(f'{key}: {wanted.get(key)}' for key in differ)}: export it again"
        )


def write(said: Contract) -> str:
    """The block of JSON for an artifact, its checksum still blank."""
    fields = {f"edgernn.{name}": value for name, value in asdict(said).items()}
    return json.dumps({KEY: BLANK, **fields}, separators=(",", ":"))


def read(data: bytes, name: str) -> Contract:
    """The contract in a verified artifact.

    Raises:
        FileError: the block is not there or says something else than a contract.
    """
    start = data.find(f'{{"{KEY}":"'.encode())
    if start >= 0 and data.startswith(b'"edgernn.format"', start + len(KEY) + len(BLANK) + 7):
        raise FileError(f"'{name}' is a {SUFFIX} by what is in it; give it that suffix, or export it")
    try:
        fields: dict[str, Any]
        fields, _ = plain_json.decode(data[max(start, 0) :][: plain_json.LONGEST].decode("latin-1"))
        fields = {key.removeprefix("edgernn."): value for key, value in fields.items() if key != KEY}
        typed.check(Contract, fields)
        fields["labels"] = tuple(fields["labels"])
        fields["rest"] = {key: tuple(values) for key, values in fields["rest"].items()}
        fields["grids"] = {key: _grid(said) for key, said in fields["grids"].items()}
        said = Contract(**fields)
        _check_sense(said)
        return said
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(
            f"'{name}' was written by another version of edgernn ({error}); this is {VERSION}: export it again"
        ) from error


def _grid(said: Mapping[str, Any]) -> Grid:
    grid = Grid(**said)
    if not grid.scale > 0 or grid.bits not in GRIDS or not grid.low <= grid.zero <= grid.high:
        raise ValueError(f"{grid} is no grid")
    return grid


def _check_sense(said: Contract) -> None:
    """Refuse sizes and names that no graph has."""
    widths = {"inputs": said.inputs, "outputs": said.outputs, **said.states}
    for name, width in widths.items():
        if not 1 <= width <= WIDEST:
            raise ValueError(f"'{name}' has {width} values")
    if said.rows < 0 or (said.period_ms is not None and not said.period_ms > 0):
        raise ValueError(f"{said.rows} rows and a period of {said.period_ms} ms make no sense")
    if said.labels and len(said.labels) != said.outputs:
        raise ValueError(f"there are {len(said.labels)} labels for {said.outputs} outputs")
    for name, state in said.rest.items():
        if said.states.get(name) != len(state):
            raise ValueError(f"the rest state '{name}' has {len(state)} values")
    for name in said.grids:
        if name not in {INPUT, OUTPUT, *said.states}:
            raise ValueError(f"a grid of '{name}' has no use")
