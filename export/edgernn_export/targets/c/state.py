"""The state and the door in C: the fields of the struct, how what is carried leaves and enters, and the grids."""

from collections.abc import Mapping

import numpy as np

from edgernn.integer.plan import Grid
from edgernn.model.graph import INPUT, OUTPUT
from edgernn_export.targets.c.emitter import SCRATCH, Page, kind
from edgernn_export.targets.c.kernels import kernels
from edgernn_export.targets.c.layout import padded
from edgernn_export.targets.c.pack import number, text

BYTES = {"float": 4, "int8_t": 1, "int16_t": 2}


def fields(page: Page) -> dict[str, object]:
    """The fields of the state, and how long what is carried is."""
    carried = "".join(
        f"    {made} {page.spell('state', name)}[{padded(width)}]; /* {name}: {width} */\n"
        for name, width, made in _states(page)
    )
    rounded = "".join(f"    uint8_t {name}[{size}];\n" for name, size in page.rounded.items())
    scratch = "".join(f"    {made} {SCRATCH[made]}[{size}];\n" for made, size in page.layout.sizes.items())
    unit, each = _unit(page)
    return {
        "fields": carried + rounded,
        "scratch": scratch,
        "carried": sum(width * BYTES[made] for _, width, made in _states(page)) // each,
        "elements": sum(page.plan.graph.states.values()),
        "unit": unit,
        "units": "floats" if unit == "float" else "bytes",
    }


def moves(page: Page) -> dict[str, str]:
    """The constants, and the bodies of the functions that move what is carried."""
    gets, sets, resets, at = "", "", "", 0
    constants = list(page.constants.values())
    _, each = _unit(page)
    for name, width, made in _states(page):
        field = f"state->{page.spell('state', name)}"
        gets += f"\n    memcpy(carried + {at}, {field}, {width} * sizeof({made}));"
        sets += f"\n    memcpy({field}, carried + {at}, {width} * sizeof({made}));"
        at += width * BYTES[made] // each
        rest = _rest(page, name, width)
        if rest is not None:
            spelt = page.spell("rest", f"rest.{name}")
            constants.append(f"static const {made} {spelt}[] = {text(rest)};")
            resets += f"\n    memcpy({field}, {spelt}, sizeof {spelt});"
    unused = "\n    (void)state;\n    (void)carried;"
    return {"constants": "\n\n".join(constants), "gets": gets or unused, "sets": sets or unused, "resets": resets}


def door(page: Page, prefix: str) -> dict[str, str]:
    """The grids as macros, and functions between numbers and integers for programs that have floating point."""
    grids = {name: page.grids[ref.name] for name, ref in ((INPUT, page.plan.trace.x),) if ref.name in page.grids}
    grids |= {OUTPUT: page.grids[page.step.trace.y.name]} if page.kind(page.step.trace.y) != "float" else {}
    upper = prefix.upper()
    macros = _macros({f"{upper}_{name.upper()}": grid for name, grid in grids.items()})
    states = {f"{upper}_{page.spell('state', name)}": grid for name, grid in _grids(page).items()}
    macros += _macros(states)
    off = f"{upper}_NO_FLOAT"
    turns = kernels(["nearest"]) * (INPUT in grids) + "".join(_turn(name, grid, prefix) for name, grid in grids.items())
    return {
        "grids": f"\n/* An integer q stands for (q - ZERO) * SCALE. */\n{macros}" if macros else "",
        "turns": f"\n#ifndef {off} /* between numbers and integers; a part without floating point defines it */\n"
        f"{turns}#endif\n"
        if turns
        else "",
        "no_float": "" if page.floating else f"#define {off}\n",
    }


def _states(page: Page) -> list[tuple[str, int, str]]:
    """(name, width, what it is made of) of each state."""
    return [(state.name, state.before.width, page.kind(state.before)) for state in page.plan.trace.states]


def _grids(page: Page) -> Mapping[str, Grid]:
    """The grids of the states that have one."""
    befores = {state.name: state.before.name for state in page.plan.trace.states}
    return {name: page.grids[before] for name, before in befores.items() if before in page.grids}


def _unit(page: Page) -> tuple[str, int]:
    """What carried states are given as, and its bytes."""
    return ("uint8_t", 1) if _grids(page) else ("float", BYTES["float"])


def _rest(page: Page, name: str, width: int) -> np.ndarray | None:
    """The initial state when it is not all zero bits."""
    tensor, grid = page.plan.graph.rest.get(name), _grids(page).get(name)
    if grid is None:
        return None if tensor is None else tensor.dense(np.float32)
    q = grid.integers(np.zeros(width) if tensor is None else tensor.dense(np.float32))
    return q if q.any() else None


def _macros(grids: Mapping[str, Grid]) -> str:
    return "".join(
        f"#define {name}_SCALE {number(grid.scale)}\n#define {name}_ZERO ({grid.zero})\n"
        for name, grid in grids.items()
    )


def _turn(name: str, grid: Grid, prefix: str) -> str:
    """The function that makes x of a number, or a number of y."""
    of = f"{prefix.upper()}_{name.upper()}"
    if name == INPUT:
        ends = f"(double){of}_SCALE, {of}_ZERO, {grid.low}, {grid.high}"
        return f"static inline {kind(grid)} {prefix}_x_of(float x) {{ return ({kind(grid)})nearest(x, {ends}); }}\n"
    number_of = f"(float)((q - {of}_ZERO) * (double){of}_SCALE)"
    return f"static inline float {prefix}_number_of({kind(grid)} q) {{ return {number_of}; }}\n"
