"""The manifest of an artifact, which is parsed before any runtime opens the file.

The manifest is one JSON object in the artifact, which begins with the checksum. The inputs of the artifact are called
`x` and `<layer>.<state>.in`, the outputs `y` and `<layer>.<state>.out`; several inputs `x.<name>`, several outputs
`y.<name>`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from edgernn.artifact import adopted as adoption
from edgernn.artifact.adopted import Adopted
from edgernn.artifact.checksum import BLANK, KEY
from edgernn.artifact.rnn import SUFFIX, digest
from edgernn.errors import FileError, UsageError
from edgernn.files import bounded_json, typed
from edgernn.integer.overflow import FINITE, limit
from edgernn.integer.plan import QuantizationParameters, integer_plan
from edgernn.integer.reproducible import same_bits
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.operation import WIDEST
from edgernn.model.parts import checked, names
from edgernn.model.timing import check_timing
from edgernn.model.window import Window
from edgernn.version import VERSION, is_later

WINDOWS: Mapping[str, str] = MappingProxyType(
    {
        "": "no: one step per frame",
        "steps": "whole windows in both directions, an answer for each frame; it cannot stream",
        "pooled": "whole windows in both directions, one answer for each; it cannot stream",
    }
)
"""The values of `Manifest.window` -> their meaning."""

TIME = "time"  # an axis of any length
STREAMS = "streams"  # the first axis of a step that takes a row for each of any number of streams

RARE: Mapping[str, Any] = {
    "named_inputs": {},
    "named_outputs": {},
    "frames_per_step": 1,
    "delay_frames": 0,
    "warmup_frames": 0,
    "adopted": None,
}
"""The fields that a manifest has only where they differ from these defaults."""

QUANTIZED_BITS = (8, 16)  # of the integers in an artifact


@dataclass(frozen=True)
class Manifest:
    """The inputs, outputs and states of a program, and where it comes from.

    Attributes:
        graph: the SHA-256 of the graph, see edgernn.artifact.rnn.digest; of the file that was adopted.
        version: of edgernn.
        precision: that of the graph; "adopted" where there is none.
        inputs: the width of what a step takes; 1 for a symbol.
        outputs: the width of an output.
        vocabulary_size: the number of symbols that `x` may be, or 0.
        states: the width of each state, by name.
        initial_state: the initial states that are not zero, by name.
        period_ms: the time between two steps in milliseconds; None when it is unknown.
        labels: a name for each output, or empty.
        cpu: the instruction set levels of compiled code, joined names of edgernn.device.isa.LEVELS; "" for other
            artifacts.
        window: one of WINDOWS; "" for a step.
        quantization: the parameters of the inputs, outputs and states that are integers in the artifact, by name.
        same_bits: one of edgernn.integer.reproducible.SAME_BITS: what has the same bits in numpy and compiled code.
        limit: the largest magnitude of a number in a frame; a frame with a larger one is refused.
        named_inputs: the width of each input by name, side by side in a frame; empty for one.
        named_outputs: the same of the output.
        frames_per_step: how many frames a step takes, oldest first; `inputs` is the width of all of them.
        delay_frames: by how many frames outputs are late.
        warmup_frames: how many frames pass before the first output that counts.
        adopted: the contract of a file that another tool wrote; None of a file that edgernn wrote.

    Raises:
        UsageError: an unknown `window`, or a limit that is not above 0 and finite in float32.
    """

    graph: str
    version: str
    precision: str
    inputs: int
    outputs: int
    vocabulary_size: int
    states: Mapping[str, int]
    initial_state: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    cpu: str = ""
    window: str = ""
    quantization: Mapping[str, QuantizationParameters] = field(default_factory=dict)
    same_bits: str = ""
    limit: float = FINITE
    named_inputs: Mapping[str, int] = field(default_factory=dict)
    named_outputs: Mapping[str, int] = field(default_factory=dict)
    frames_per_step: int = 1
    delay_frames: int = 0
    warmup_frames: int = 0
    adopted: Adopted | None = None

    def __post_init__(self) -> None:
        if not 0 < self.limit <= FINITE:
            raise UsageError(f"limit is {self.limit!r}; expected a number above 0 that float32 holds")
        if self.window not in WINDOWS:
            raise UsageError(f"window is '{self.window}'; there are {', '.join(map(repr, WINDOWS))}")

    def dtype(self, name: str) -> str:
        """Return the dtype of `x`, `y` or a state in the artifact: int8 or int16, int32 for a symbol, else float32."""
        if name in self.quantization:
            return f"int{self.quantization[name].bits}"
        return "int32" if name == INPUT and self.vocabulary_size else "float32"


def graph_manifest(graph: Graph) -> Manifest:
    """Return the manifest of an artifact of a graph."""
    plan = integer_plan(graph)
    return replace(
        _stateless(graph),
        states=dict(graph.states),
        initial_state={name: tuple(tensor.stored.tolist()) for name, tensor in graph.initial_state.items()},
        quantization=plan.io_quantization,
        same_bits=same_bits(plan, graph.precision),
        named_inputs=dict(graph.named_inputs),
        named_outputs=dict(graph.named_outputs),
        frames_per_step=graph.frames_per_step,
        delay_frames=graph.delay_frames,
        warmup_frames=graph.warmup_frames,
    )


def window_manifest(window: Window) -> Manifest:
    """Return the manifest of an artifact of a window, which has no states."""
    return replace(_stateless(window), window="pooled" if window.pooled else "steps")


def _stateless(model: Graph | Window) -> Manifest:
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


Signature = Mapping[str, tuple[tuple[int | str | None, ...], str]]


def signature(manifest: Manifest) -> Signature:
    """Return (shape, dtype) of every input and output of an artifact, by name; the first axis of a window is time."""
    if not manifest.window:
        return step_signature(manifest)
    steps = 1 if manifest.window == "pooled" else TIME
    return {
        "x": ((TIME, manifest.inputs), "int32" if manifest.vocabulary_size else "float32"),
        "y": ((steps, manifest.outputs), "float32"),
    }


def step_signature(manifest: Manifest) -> Mapping[str, tuple[tuple[int, ...], str]]:
    """Return the `signature` of an artifact of one step; the first axis is a batch of one."""
    whole = whole_signature(manifest)
    xs = {name: ((1, width), manifest.dtype(INPUT)) for name, width in names(INPUT, manifest.named_inputs).items()}
    ys = {name: ((1, width), manifest.dtype(OUTPUT)) for name, width in names(OUTPUT, manifest.named_outputs).items()}
    ins = {f"{name}.in": ((1, width), manifest.dtype(name)) for name, width in manifest.states.items()}
    outs = {f"{name}.out": ((1, width), manifest.dtype(name)) for name, width in manifest.states.items()}
    return {**(xs or {INPUT: whole[INPUT]}), **ins, **(ys or {OUTPUT: whole[OUTPUT]}), **outs}


def whole_signature(manifest: Manifest) -> Mapping[str, tuple[tuple[int, ...], str]]:
    """Return (shape, dtype) of `x` and `y`, where several inputs or outputs are side by side."""
    x = ((1,) if manifest.vocabulary_size else (1, manifest.inputs), manifest.dtype(INPUT))
    return {INPUT: x, OUTPUT: ((1, manifest.outputs), manifest.dtype(OUTPUT))}


def check_signature(name: str, manifest: Manifest, actual: Signature) -> None:
    """Compare the inputs and outputs that a runtime sees in an artifact with its manifest.

    Raises:
        FileError: a name, shape or dtype differs. So every state is fed back.
    """
    expected = signature(manifest)
    if actual != expected:
        differ = sorted(key for key in {*actual, *expected} if actual.get(key) != expected.get(key))
        raise FileError(
            f"'{name}' has {', '.join(f'{key}: {actual.get(key)}' for key in differ)}; it should have "
            f"{', '.join(f'{key}: {expected.get(key)}' for key in differ)}: export it again"
        )


def dump_manifest(manifest: Manifest) -> str:
    """Return the JSON of a manifest, with a blank checksum."""
    return json.dumps({KEY: BLANK, **{f"edgernn.{k}": v for k, v in dumped(manifest).items()}}, separators=(",", ":"))


def dumped(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a manifest for JSON, by name; those in RARE where they differ."""
    return {name: value for name, value in asdict(manifest).items() if name not in RARE or value != RARE[name]}


def parse_manifest(data: bytes, name: str) -> Manifest:
    """Return the manifest in the bytes of a verified artifact; `name` is the file's name in error messages.

    Raises:
        FileError: the artifact has no manifest, or not one of this version.
    """
    start = data.find(f'{{"{KEY}":"'.encode())
    if start >= 0 and data.startswith(b'"edgernn.format"', start + len(KEY) + len(BLANK) + 7):
        raise FileError(f"'{name}' has the content of a {SUFFIX} file; give it that suffix, or export it")
    fields: dict[str, Any] = {}
    try:
        fields, _ = bounded_json.decode(data[max(start, 0) :][: bounded_json.LONGEST].decode("latin-1"))
        return parsed({key.removeprefix("edgernn."): value for key, value in fields.items() if key != KEY})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        advice = "upgrade edgernn" if is_later(fields.get("edgernn.version")) else "export it again"
        raise FileError(
            f"'{name}' was written by another version of edgernn ({error}); this is {VERSION}: {advice}"
        ) from error


def parsed(fields: Mapping[str, Any]) -> Manifest:
    """Return the manifest of fields as `dumped` returns them; a ValueError, TypeError, KeyError or AttributeError."""
    typed.check(Manifest, fields)
    values: dict[str, Any] = {**fields, "labels": tuple(fields["labels"])}
    values["initial_state"] = {key: tuple(state) for key, state in fields["initial_state"].items()}
    values["quantization"] = {key: _qparams(entry) for key, entry in fields["quantization"].items()}
    if fields.get("adopted") is not None:
        values["adopted"] = adoption.parsed(fields["adopted"])
    manifest = Manifest(**values)
    _check(manifest)
    return manifest


def _qparams(entry: Mapping[str, Any]) -> QuantizationParameters:
    qparams = QuantizationParameters(**entry)
    if not qparams.scale > 0 or qparams.bits not in QUANTIZED_BITS or not qparams.low <= qparams.zero <= qparams.high:
        raise ValueError(f"{qparams} are invalid quantization parameters")
    return qparams


def _check(manifest: Manifest) -> None:
    """Refuse sizes and names that no graph has."""
    widths = {"inputs": manifest.inputs, "outputs": manifest.outputs, **manifest.states}
    for name, width in widths.items():
        if not 1 <= width <= WIDEST:
            raise ValueError(f"'{name}' has {width} values")
    if manifest.vocabulary_size < 0 or (manifest.period_ms is not None and not manifest.period_ms > 0):
        raise ValueError(
            f"a vocabulary size of {manifest.vocabulary_size} or a period of {manifest.period_ms} ms is invalid"
        )
    check_timing(manifest.frames_per_step, manifest.delay_frames, manifest.warmup_frames, manifest.inputs)
    checked("inputs", manifest.named_inputs, manifest.inputs)
    checked("outputs", manifest.named_outputs, manifest.outputs)
    if manifest.window and (manifest.named_inputs or manifest.named_outputs):
        raise ValueError("a window has several inputs or outputs")
    if manifest.labels and len(manifest.labels) != manifest.outputs:
        raise ValueError(f"there are {len(manifest.labels)} labels for {manifest.outputs} outputs")
    for name, state in manifest.initial_state.items():
        if manifest.states.get(name) != len(state):
            raise ValueError(f"the initial state '{name}' has {len(state)} values")
    if manifest.adopted is not None:
        _check_adopted(manifest, manifest.adopted)
    for name in manifest.quantization:
        if name not in {INPUT, OUTPUT, *manifest.states}:
            raise ValueError(f"there are quantization parameters of '{name}', which is no input, output or state")


def _check_adopted(manifest: Manifest, adopted: Adopted) -> None:
    """Refuse a contract that contradicts the rest of the manifest."""
    widths, outs = adopted.widths, {name: info.size for name, info in adopted.outputs.items()}
    named = manifest.named_inputs or dict.fromkeys(widths, manifest.inputs)
    answers = manifest.named_outputs or dict.fromkeys(outs, manifest.outputs)
    if (list(named.items()), answers, dict(manifest.states)) != (list(widths.items()), outs, adopted.state_widths):
        raise ValueError("the sizes of its tensors are not those of its inputs, outputs and states")
    dtypes = [
        *((INPUT, info) for info in adopted.inputs.values()),
        *((OUTPUT, info) for info in adopted.outputs.values()),
        *adopted.states.items(),
        *((f"{name}{adoption.CONTEXT}", adopted.inputs[name]) for name in adopted.context),
    ]
    for name, info in dtypes:
        if manifest.dtype(name) != info.dtype:
            raise ValueError(f"'{name}' is {manifest.dtype(name)} and enters or leaves as {info}")
    if manifest.window or manifest.vocabulary_size:
        raise ValueError("an adopted file has a window or symbols")
