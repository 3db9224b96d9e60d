"""The state and the door in C: the fields of the struct, how what is carried leaves and enters, and the grids."""

from collections.abc import Mapping

import numpy as np

from edgernn.integer.plan import QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn_export.targets.c.emitter import SCRATCH, Emitter, kind
from edgernn_export.targets.c.kernels import kernels
from edgernn_export.targets.c.layout import padded
from edgernn_export.targets.c.pack import number, text

BYTES = {"float": 4, "int8_t": 1, "int16_t": 2}


def fields(emitter: Emitter) -> dict[str, object]:
    """The fields of the state, and how long what is carried is."""
    carried = "".join(
        f"    {made} {emitter.spell('state', name)}[{padded(width)}]; /* {name}: {width} */\n"
        for name, width, made in _states(emitter)
    )
    rounded = "".join(f"    uint8_t {name}[{size}];\n" for name, size in emitter.rounded.items())
    scratch = "".join(f"    {made} {SCRATCH[made]}[{size}];\n" for made, size in emitter.layout.sizes.items())
    unit, each = _unit(emitter)
    return {
        "fields": carried + rounded,
        "scratch": scratch,
        "carried": sum(width * BYTES[made] for _, width, made in _states(emitter)) // each,
        "elements": sum(emitter.plan.graph.states.values()),
        "unit": unit,
        "units": "floats" if unit == "float" else "bytes",
    }


def moves(emitter: Emitter) -> dict[str, str]:
    """The constants, and the bodies of the functions that move what is carried."""
    gets, sets, resets, at = "", "", "", 0
    constants = list(emitter.constants.values())
    _, each = _unit(emitter)
    for name, width, made in _states(emitter):
        field = f"state->{emitter.spell('state', name)}"
        gets += f"\n    memcpy(carried + {at}, {field}, {width} * sizeof({made}));"
        sets += f"\n    memcpy({field}, carried + {at}, {width} * sizeof({made}));"
        at += width * BYTES[made] // each
        initial_state = _initial_state(emitter, name, width)
        if initial_state is not None:
            spelt = emitter.spell("initial_state", f"initial_state.{name}")
            constants.append(f"static const {made} {spelt}[] = {text(initial_state)};")
            resets += f"\n    memcpy({field}, {spelt}, sizeof {spelt});"
    unused = "\n    (void)state;\n    (void)carried;"
    return {"constants": "\n\n".join(constants), "gets": gets or unused, "sets": sets or unused, "resets": resets}


def float_io(emitter: Emitter, prefix: str) -> dict[str, str]:
    """The grids as macros, and functions between numbers and integers for programs that have floating point."""
    quantization = {
        name: emitter.quantization[ref.name]
        for name, ref in ((INPUT, emitter.plan.trace.x),)
        if ref.name in emitter.quantization
    }
    quantization |= (
        {OUTPUT: emitter.quantization[emitter.step.trace.y.name]}
        if emitter.kind(emitter.step.trace.y) != "float"
        else {}
    )
    upper = prefix.upper()
    macros = _macros({f"{upper}_{name.upper()}": qparams for name, qparams in quantization.items()})
    states = {f"{upper}_{emitter.spell('state', name)}": qparams for name, qparams in _quantization(emitter).items()}
    macros += _macros(states)
    off = f"{upper}_NO_FLOAT"
    turns = kernels(["nearest"]) * (INPUT in quantization) + "".join(
        _turn(name, qparams, prefix) for name, qparams in quantization.items()
    )
    return {
        "quantization": f"\n/* An integer q stands for (q - ZERO) * SCALE. */\n{macros}" if macros else "",
        "turns": f"\n#ifndef {off} /* between numbers and integers; a part without floating point defines it */\n"
        f"{turns}#endif\n"
        if turns
        else "",
        "no_float": "" if emitter.floating else f"#define {off}\n",
    }


def _states(emitter: Emitter) -> list[tuple[str, int, str]]:
    """(name, width, what it is made of) of each state."""
    return [(state.name, state.before.width, emitter.kind(state.before)) for state in emitter.plan.trace.states]


def _quantization(emitter: Emitter) -> Mapping[str, QuantizationParameters]:
    """The grids of the states that have one."""
    befores = {state.name: state.before.name for state in emitter.plan.trace.states}
    return {name: emitter.quantization[before] for name, before in befores.items() if before in emitter.quantization}


def _unit(emitter: Emitter) -> tuple[str, int]:
    """What carried states are given as, and its bytes."""
    return ("uint8_t", 1) if _quantization(emitter) else ("float", BYTES["float"])


def _initial_state(emitter: Emitter, name: str, width: int) -> np.ndarray | None:
    """The initial state when it is not all zero bits."""
    tensor, qparams = emitter.plan.graph.initial_state.get(name), _quantization(emitter).get(name)
    if qparams is None:
        return None if tensor is None else tensor.dense(np.float32)
    q = qparams.integers(np.zeros(width) if tensor is None else tensor.dense(np.float32))
    return q if q.any() else None


def _macros(quantization: Mapping[str, QuantizationParameters]) -> str:
    return "".join(
        f"#define {name}_SCALE {number(qparams.scale)}\n#define {name}_ZERO ({qparams.zero})\n"
        for name, qparams in quantization.items()
    )


def _turn(name: str, qparams: QuantizationParameters, prefix: str) -> str:
    """The function that makes x of a number, or a number of y."""
    of = f"{prefix.upper()}_{name.upper()}"
    if name == INPUT:
        ends = f"(double){of}_SCALE, {of}_ZERO, {qparams.low}, {qparams.high}"
        return (
            f"static inline {kind(qparams)} {prefix}_x_of(float x) {{ return ({kind(qparams)})nearest(x, {ends}); }}\n"
        )
    number_of = f"(float)((q - {of}_ZERO) * (double){of}_SCALE)"
    return f"static inline float {prefix}_number_of({kind(qparams)} q) {{ return {number_of}; }}\n"
