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
from edgernn.integer.plan import QuantizationParameters, static
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

QUANTIZED_BITS = (8, 16)  # bits of their integers


@dataclass(frozen=True)
class Manifest:
    """What a program reads, carries and answers, in elements of float32 where `dtype` says nothing else."""

    graph: str  # SHA-256 of the .rnn file that it was written from
    version: str
    precision: str
    inputs: int
    outputs: int
    vocabulary_size: int  # symbols that x may be, or 0
    states: Mapping[str, int]  # name -> width
    initial_state: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # states that do not start at zero
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    cpu: str = ""  # the level that compiled code was made for, one of edgernn.device.isa.LEVELS
    window: str = ""  # one of WINDOWS: whether it reads whole windows, and then what it answers
    quantization: Mapping[str, QuantizationParameters] = field(
        default_factory=dict
    )  # of x, y and states that are integers in the artifact
    same_bits: str = ""  # one of edgernn.integer.reproducible.SAME_BITS: what has them in numpy and compiled code
    limit: float = FINITE  # the largest magnitude of a number in a frame; what is beyond it is refused

    def __post_init__(self) -> None:
        if not 0 < self.limit <= FINITE:
            raise UsageError(f"limit is {self.limit!r}; expected a number above 0 that float32 holds")
        if self.window not in WINDOWS:
            raise UsageError(f"window is '{self.window}'; there are {', '.join(map(repr, WINDOWS))}")

    def dtype(self, name: str) -> str:
        """What `x`, `y` or a state is made of in the artifact: integers on a grid, symbols of int32, or float32."""
        if name in self.quantization:
            return f"int{self.quantization[name].bits}"
        return "int32" if name == INPUT and self.vocabulary_size else "float32"


def graph_manifest(graph: Graph) -> Manifest:
    """The contract of every artifact made from a graph."""
    plan = static(graph)
    return replace(
        _alike(graph),
        states=dict(graph.states),
        initial_state={name: tuple(tensor.stored.tolist()) for name, tensor in graph.initial_state.items()},
        quantization=plan.float_io,
        same_bits=same_bits(plan, graph.precision),
    )


def window_manifest(window: Window) -> Manifest:
    """The contract of every artifact made from a window; it carries nothing from one window to the next."""
    return replace(_alike(window), window="pooled" if window.pooled else "steps")


def _alike(model: Graph | Window) -> Manifest:
    """What the contracts of both say, with no states."""
    return Manifest(
        graph=digest(model),
        version=VERSION,
        precision=model.precision,
        inputs=model.inputs,
        outputs=model.outputs,
        vocabulary_size=model.vocabulary_size,
        states={},
        period_ms=model.period_ms,
        labels=model.labels,
        limit=limit(model),
    )


Signature = Mapping[str, tuple[tuple[int | str, ...], str]]


def signature(manifest: Manifest) -> Signature:
    """Name -> (shape, dtype) of every input and output of an artifact; in a window the first axis is time."""
    if not manifest.window:
        return step_signature(manifest)
    answers = 1 if manifest.window == "pooled" else TIME
    return {
        "x": ((TIME, manifest.inputs), "int32" if manifest.vocabulary_size else "float32"),
        "y": ((answers, manifest.outputs), "float32"),
    }


def step_signature(manifest: Manifest) -> Mapping[str, tuple[tuple[int, ...], str]]:
    """The same of an artifact of one step; the first axis is a batch of one."""
    x = ((1,) if manifest.vocabulary_size else (1, manifest.inputs), manifest.dtype(INPUT))
    ins = {f"{name}.in": ((1, width), manifest.dtype(name)) for name, width in manifest.states.items()}
    outs = {f"{name}.out": ((1, width), manifest.dtype(name)) for name, width in manifest.states.items()}
    return {INPUT: x, **ins, OUTPUT: ((1, manifest.outputs), manifest.dtype(OUTPUT)), **outs}


def check(name: str, manifest: Manifest, found: Signature) -> None:
    """Hold what a runtime found in an artifact against what the artifact says of itself.

    Raises:
        FileError: a name, shape or dtype differs; so a state that is never fed back cannot be.
    """
    wanted = signature(manifest)
    if found != wanted:
        differ = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        raise FileError(
            f"'{name}' has {', '.join(f'{key}: {found.get(key)}' for key in differ)}; it should have "
            f"{', '.join(f'{key}: {wanted.get(key)}' for key in differ)}: export it again"
        )


def write(manifest: Manifest) -> str:
    """The block of JSON for an artifact, its checksum still blank."""
    fields = {f"edgernn.{name}": value for name, value in asdict(manifest).items()}
    return json.dumps({KEY: BLANK, **fields}, separators=(",", ":"))


def read(data: bytes, name: str) -> Manifest:
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
        typed.check(Manifest, fields)
        fields["labels"] = tuple(fields["labels"])
        fields["initial_state"] = {key: tuple(values) for key, values in fields["initial_state"].items()}
        fields["quantization"] = {key: _qparams(entry) for key, entry in fields["quantization"].items()}
        manifest = Manifest(**fields)
        _check_sense(manifest)
        return manifest
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(
            f"'{name}' was written by another version of edgernn ({error}); this is {VERSION}: export it again"
        ) from error


def _qparams(manifest: Mapping[str, Any]) -> QuantizationParameters:
    qparams = QuantizationParameters(**manifest)
    if not qparams.scale > 0 or qparams.bits not in QUANTIZED_BITS or not qparams.low <= qparams.zero <= qparams.high:
        raise ValueError(f"{qparams} is no grid")
    return qparams


def _check_sense(manifest: Manifest) -> None:
    """Refuse sizes and names that no graph has."""
    widths = {"inputs": manifest.inputs, "outputs": manifest.outputs, **manifest.states}
    for name, width in widths.items():
        if not 1 <= width <= WIDEST:
            raise ValueError(f"'{name}' has {width} values")
    if manifest.vocabulary_size < 0 or (manifest.period_ms is not None and not manifest.period_ms > 0):
        raise ValueError(f"{manifest.vocabulary_size} rows and a period of {manifest.period_ms} ms make no sense")
    if manifest.labels and len(manifest.labels) != manifest.outputs:
        raise ValueError(f"there are {len(manifest.labels)} labels for {manifest.outputs} outputs")
    for name, state in manifest.initial_state.items():
        if manifest.states.get(name) != len(state):
            raise ValueError(f"the rest state '{name}' has {len(state)} values")
    for name in manifest.quantization:
        if name not in {INPUT, OUTPUT, *manifest.states}:
            raise ValueError(f"a grid of '{name}' has no use")
