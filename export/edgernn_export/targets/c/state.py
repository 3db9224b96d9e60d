"""The state in C: the fields of the struct, how states leave and enter it, and the conversions of x and y."""

from collections.abc import Mapping

import numpy as np

from edgernn.array import Array
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.parts import slices
from edgernn_export.targets.c.declarations import BYTES, Field, InitialState
from edgernn_export.targets.c.emitter import SCRATCH, Emitter, value_type
from edgernn_export.targets.c.kernels import kernels
from edgernn_export.targets.c.layout import padded
from edgernn_export.targets.c.pack import literal


def struct(emitter: Emitter) -> list[Field]:
    """The fields of the struct of a stream: states, rounded inputs, x, y, scratch."""
    graph, y = emitter.named.graph, emitter.step.trace.y
    states = [
        Field(c_type, emitter.identifiers("state", name), padded(width), f"{name}: {width}")
        for name, width, c_type in _states(emitter)
    ]
    buffers = [Field("uint8_t", name, size) for name, size in emitter.buffers.items()]
    x_and_y = [
        Field(frame_type(emitter), "x", padded(graph.inputs)),
        Field(emitter.value_type(y), "y", graph.outputs),
    ]
    scratch = [Field(c_type, SCRATCH[c_type], size) for c_type, size in emitter.layout.sizes.items()]
    return states + emitter.fields + buffers + x_and_y + scratch


def frame_type(emitter: Emitter) -> str:
    """The C type of the numbers in a frame."""
    return "int32_t" if emitter.named.graph.vocabulary_size else emitter.value_type(emitter.named.trace.x)


def carried(emitter: Emitter) -> dict[str, object]:
    """The length and the type of the states, as `get` and `set` move them."""
    unit, size = _unit(emitter)
    return {
        "carried": sum(width * BYTES[c_type] for _, width, c_type in _states(emitter)) // size,
        "elements": sum(emitter.named.graph.states.values()),
        "unit": unit,
        "units": "floats" if unit == "float" else "bytes",
    }


def moves(emitter: Emitter, initial_states: list[InitialState]) -> dict[str, str]:
    """The bodies of the functions that reset the states and copy them out and in."""
    gets, sets, at = "", "", 0
    _, size = _unit(emitter)
    for name, width, c_type in _states(emitter):
        field = f"state->{emitter.identifiers('state', name)}"
        gets += f"\n    memcpy(carried + {at}, {field}, {width} * sizeof({c_type}));"
        sets += f"\n    memcpy({field}, carried + {at}, {width} * sizeof({c_type}));"
        at += width * BYTES[c_type] // size
    stale = "".join(f"\n    scratch->{age}[0] = 0;" for age in emitter.ages)  # a prime reads all columns
    sets += stale.replace("scratch->", "state->")
    resets = "".join(f"\n    memcpy({each.field}, {each.name}, sizeof {each.name});" for each in initial_states)
    unused = "\n    (void)state;\n    (void)carried;"
    return {"gets": gets or unused, "sets": sets or unused, "resets": resets, "stale": stale}


def initial_states(emitter: Emitter) -> list[InitialState]:
    """The initial states that are not zeros."""
    arrays = []
    for name, width, c_type in _states(emitter):
        values = _initial_state(emitter, name, width)
        if values is not None:
            identifier = emitter.identifiers("initial_state", f"initial_state.{name}")
            arrays.append(InitialState(identifier, f"state->{emitter.identifiers('state', name)}", c_type, values))
    return arrays


def conversions(emitter: Emitter, prefix: str) -> dict[str, str]:
    """Quantization parameters as macros, and functions that quantize x and dequantize y where these are integers."""
    x, y = emitter.named.trace.x, emitter.step.trace.y
    quantization = {
        name: emitter.quantization[ref.name]
        for name, ref in ((INPUT, x), (OUTPUT, y))
        if ref.name in emitter.quantization
    }
    upper = prefix.upper()
    macros = _macros({f"{upper}_{name.upper()}": qparams for name, qparams in quantization.items()})
    states = {f"{upper}_{emitter.identifiers('state', name)}": q for name, q in _quantization(emitter).items()}
    macros += _macros(states)
    off = f"{upper}_NO_FLOAT"
    functions = kernels(["nearest"]) * (INPUT in quantization) + "".join(
        _conversion(name, qparams, prefix) for name, qparams in quantization.items()
    )
    return {
        "quantization": f"\n/* An integer q stands for the number (q - ZERO) * SCALE. */\n{macros}" if macros else "",
        "conversions": f"\n#ifndef {off} /* define it on a processor without floating point */\n{functions}#endif\n"
        if functions
        else "",
        "no_float": "" if emitter.has_floats else f"#define {off}\n",
    }


def parts(graph: Graph, prefix: str) -> str:
    """Macros with the first element and the width of each of several inputs in x, and of several outputs in y."""
    lines = []
    for value, widths in ((INPUT, graph.named_inputs), (OUTPUT, graph.named_outputs)):
        if widths:
            lines.append(f"/* {value} is {len(widths)} arrays side by side: where each begins, and its width. */")
        for name, part in slices(widths).items():
            macro = f"#define {prefix.upper()}_{value.upper()}_{name}"
            lines += [f"{macro}_AT {part.start}", f"{macro}_WIDTH {widths[name]}"]
    return "".join(f"{line}\n" for line in lines)


def timing(graph: Graph, prefix: str) -> str:
    """Macros with the frames of a step, the delay and the warm-up, where these are not the usual ones."""
    macros = {
        "FRAMES_PER_STEP": (graph.frames_per_step, 1, "frames in x, oldest first"),
        "DELAY_FRAMES": (graph.delay_frames, 0, "frames by which y is late"),
        "WARMUP_FRAMES": (graph.warmup_frames, 0, "frames before the first y that counts"),
    }
    return "".join(
        f"#define {prefix.upper()}_{name} {frames} /* {meaning} */\n"
        for name, (frames, usual, meaning) in macros.items()
        if frames != usual
    )


def _states(emitter: Emitter) -> list[tuple[str, int, str]]:
    """(name, width, C type) of each state."""
    states = emitter.named.trace.states
    return [(state.name, state.before.width, emitter.value_type(state.before)) for state in states]


def _quantization(emitter: Emitter) -> Mapping[str, QuantizationParameters]:
    """The quantization parameters of the states that are integers."""
    befores = {state.name: state.before.name for state in emitter.named.trace.states}
    return {name: emitter.quantization[before] for name, before in befores.items() if before in emitter.quantization}


def _unit(emitter: Emitter) -> tuple[str, int]:
    """The C type in which `get` and `set` move states, and its bytes."""
    return ("uint8_t", 1) if _quantization(emitter) else ("float", BYTES["float"])


def _initial_state(emitter: Emitter, name: str, width: int) -> Array | None:
    """The initial values of a state; None where all bits are zero."""
    tensor, qparams = emitter.named.graph.initial_state.get(name), _quantization(emitter).get(name)
    if qparams is None:
        return None if tensor is None else tensor.dense(np.float32)
    q = qparams.integers(np.zeros(width) if tensor is None else tensor.dense(np.float32))
    return q if q.any() else None


def _macros(quantization: Mapping[str, QuantizationParameters]) -> str:
    return "".join(
        f"#define {name}_SCALE {literal(qparams.scale)}\n#define {name}_ZERO ({qparams.zero})\n"
        for name, qparams in quantization.items()
    )


def _conversion(name: str, qparams: QuantizationParameters, prefix: str) -> str:
    """The function that quantizes a number of x, or dequantizes an integer of y."""
    macro, c_type = f"{prefix.upper()}_{name.upper()}", value_type(qparams)
    if name == INPUT:
        limits = f"(double){macro}_SCALE, {macro}_ZERO, {qparams.low}, {qparams.high}"
        body = f"return ({c_type})nearest(x, {limits});"
        return f"static inline {c_type} {prefix}_quantize_x(float x) {{ {body} }}\n"
    number = f"(float)((q - {macro}_ZERO) * (double){macro}_SCALE)"
    return f"static inline float {prefix}_dequantize_y({c_type} q) {{ return {number}; }}\n"
