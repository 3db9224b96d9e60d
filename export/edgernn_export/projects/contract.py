"""What a binding states of a model: the sizes and types of what goes in and out, in no language's terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgernn.artifact.manifest import Manifest
from edgernn.integer.overflow import HELD
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.parts import slices
from edgernn.model.tensor import SCHEMES
from edgernn_export.targets.c.declarations import BYTES, C_TYPES, Field
from edgernn_export.targets.c.footprint import step_sizes
from edgernn_export.targets.c.selftest import Recording, recording
from edgernn_export.targets.c.target import identifier
from edgernn_export.targets.naming import named_trace

FLOAT_BITS = 32
GOLDEN_STEPS = 50
GOLDEN_SEED = 2  # other frames than those of the self-test


@dataclass(frozen=True)
class Value:
    """One input, output or state.

    Attributes:
        name: of the part, or `x` or `y` where there is one; of the state.
        at: where it begins: in elements of a frame or an answer, in bytes of the carried states.
        width: its elements.
        bits: of an element in the step; 32 for float32 and for symbols.
        scale: an integer q stands for (q - zero) * scale; 1 where the step has no integers.
        zero: as above; 0 where the step has no integers.
    """

    name: str
    at: int
    width: int
    bits: int
    scale: float
    zero: int


@dataclass(frozen=True)
class Contract:
    """A model as a binding sees it.

    Attributes:
        name: of its C files.
        prefix: what the names of its C functions start with.
        manifest: the whole manifest.
        fields: of the struct of a stream in C.
        inputs: the parts of a frame, one or several, in order.
        outputs: the parts of an answer, one or several, in order.
        states: in the order in which they are carried.
        golden: frames and the answers of the numpy interpreter.
    """

    name: str
    prefix: str
    manifest: Manifest
    fields: Sequence[Field]
    inputs: Sequence[Value]
    outputs: Sequence[Value]
    states: Sequence[Value]
    golden: Recording

    @property
    def carried(self) -> int:
        """The bytes of all states."""
        return sum(value.width * value.bits // 8 for value in self.states)

    @property
    def number(self) -> str:
        """The C type of a number in a frame: float, or int32_t for symbols."""
        return "int32_t" if self.manifest.vocabulary_size else "float"

    @property
    def raw(self) -> tuple[str, str]:
        """The C types of an element of x and of y inside the step."""
        return self._c_type(INPUT), self._c_type(OUTPUT)

    @property
    def unit(self) -> str:
        """The C type in which the step copies states out and in."""
        return "uint8_t" if any(value.name in self.manifest.quantization for value in self.states) else "float"

    @property
    def units(self) -> int:
        """How many of `unit` all states are."""
        return self.carried // BYTES[self.unit]

    @property
    def facts(self) -> dict[str, object]:
        """What every template may use, the same in each language."""
        manifest, raw = self.manifest, self.raw
        return {
            "name": self.name,
            "prefix": self.prefix,
            "upper": self.prefix.upper(),
            "number": self.number,
            "raw_x": raw[0],
            "raw_y": raw[1],
            "unit": self.unit,
            "inputs": manifest.inputs,
            "outputs": manifest.outputs,
            "carried": self.units,
            "symbols": manifest.vocabulary_size,
            "limit": repr(manifest.limit),
            "held": repr(HELD),
            "period_ms": repr(float(manifest.period_ms or 0)),
            "frames_per_step": manifest.frames_per_step,
            "delay_frames": manifest.delay_frames,
            "warmup_frames": manifest.warmup_frames,
            "golden_steps": self.golden.finite,
            "golden_error": repr(self.golden.error),
        }

    def _c_type(self, name: str) -> str:
        return C_TYPES[self.manifest.dtype(name)]


def contract(graph: Graph, name: str) -> Contract:
    """The contract of a graph in the C files of a name.

    Raises:
        UnsupportedError: a layer is quantized in a scheme that C cannot express.
    """
    named = named_trace(graph, SCHEMES)
    manifest = named.manifest
    return Contract(
        name,
        identifier(name),
        manifest,
        step_sizes(graph).fields,
        _parts(manifest, INPUT, manifest.named_inputs or {INPUT: manifest.inputs}),
        _parts(manifest, OUTPUT, manifest.named_outputs or {OUTPUT: manifest.outputs}),
        _states(manifest),
        recording(named, integer_plan(named.graph), GOLDEN_STEPS, GOLDEN_SEED),
    )


def _parts(manifest: Manifest, value: str, widths: Mapping[str, int]) -> tuple[Value, ...]:
    starts = {name: part.start for name, part in slices(widths).items()}
    return tuple(_value(manifest, value, name, starts[name], width) for name, width in widths.items())


def _states(manifest: Manifest) -> tuple[Value, ...]:
    states: list[Value] = []
    for name, width in manifest.states.items():
        at = states[-1].at + states[-1].width * states[-1].bits // 8 if states else 0
        states.append(_value(manifest, name, name, at, width))
    return tuple(states)


def _value(manifest: Manifest, of: str, name: str, at: int, width: int) -> Value:
    """A value with the quantization parameters of `of`."""
    qparams = manifest.quantization.get(of)
    if qparams is None:
        return Value(name, at, width, FLOAT_BITS, 1.0, 0)
    return Value(name, at, width, qparams.bits, float(qparams.scale), int(qparams.zero))
