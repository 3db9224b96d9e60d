"""C: one step as a `.c` and a `.h` file, C99 without heap, globals that change, or anything beside libm."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from edgernn.graph import Graph
from edgernn.readings.numpy import Stepper, random_frames
from edgernn.trace import replay
from edgernn.version import VERSION
from edgernn_export.targets.c.layout import Layout, lay_out, padded
from edgernn_export.targets.c.pack import text
from edgernn_export.targets.c.words import CWords
from edgernn_export.targets.plan import Plan, plan

KERNELS = ("lanes", "guard", "affine_f32", "elementwise", "squash_f32", "whole_f32")  # in the order of their needs
GOLDEN_STEPS = 4
GOLDEN_ERROR = 1e-4


def render(graph: Graph, stem: str) -> Mapping[str, bytes]:
    """The `.c` and `.h` of a graph; functions are called after the stem."""
    planned = plan(graph)
    prefix = identifier(stem)
    return {
        ".c": source(planned, prefix, f'#include "{stem}.h"').encode(),
        ".h": header(planned, prefix, lay_out(planned.trace)).encode(),
    }


def identifier(stem: str) -> str:
    """The stem of a file as the beginning of names in C."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"m{name}"


def header(planned: Plan, prefix: str, layout: Layout) -> str:
    """What a program includes."""
    trace, guard = planned.trace, f"{prefix.upper()}_H"
    carried = "".join(
        f"    float {_spelt(state.name)}[{padded(state.before.width)}]; /* {state.name}: {state.before.width} */\n"
        for state in trace.states
    )
    return f"""{_title(planned, prefix)}
#ifndef {guard}
#define {guard}

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {prefix.upper()}_INPUTS {planned.graph.inputs}
#define {prefix.upper()}_OUTPUTS {planned.graph.outputs}
#define {prefix.upper()}_CARRIED {sum(planned.graph.states.values())} /* floats, in the order of the states below */

/* One stream: what it carries, then room for the step. Any number may be used side by side. */
typedef struct {{
{carried}    {_frame(planned)} x[{padded(planned.graph.inputs)}];
    float scratch[{layout.size}];
}} {prefix}_state;

/* The size of a state in bytes, for callers that allocate it without this header. */
size_t {prefix}_size(void);

/* Back to rest. A state must be reset once before its first step. */
void {prefix}_reset({prefix}_state *state);

/* One frame: x has {planned.graph.inputs} numbers, y room for {planned.graph.outputs}. Returns 0; or 1 for a frame that
 * must not enter ({_bad(planned)}), and then state and y are as they were. */
int {prefix}_step({prefix}_state *state, const {_frame(planned)} *x, float *y);

/* Consecutive frames. Returns how many were done: fewer than steps when one must not enter. */
size_t {prefix}_run({prefix}_state *state, const {_frame(planned)} *xs, float *ys, size_t steps);

/* The carried numbers, out of a state and into one. */
void {prefix}_get(const {prefix}_state *state, float *carried);
void {prefix}_set({prefix}_state *state, const float *carried);

/* What the model reads, carries and answers: as JSON, and as widths in this order. */
const char *{prefix}_about(void);
void {prefix}_widths(size_t widths[3]);

#ifndef EDGERNN_NO_SELF_TEST
/* 0 when this build computes what the exporter computed. */
int {prefix}_self_test(void);
#endif

#ifdef __cplusplus
}}
#endif

#endif
"""


def source(planned: Plan, prefix: str, include: str, about: str | None = None) -> str:
    """The whole `.c` file; `about` in place of the description when it is to be sealed."""
    layout = lay_out(planned.trace)
    words = CWords(planned, layout, _given(planned))
    replay(planned.trace.words, words, {ref.name: ref for ref in planned.ins}, words.hear)
    kernels = "\n".join(_kernel(name) for name in KERNELS if name in words.kernels | {"lanes"})
    constants = "\n\n".join(words.constants.values())
    rests = "\n\n".join(
        f"static const float rest_{_spelt(name)}[{len(tensor.stored)}] = {text(tensor.dense(np.float32))};"
        for name, tensor in planned.graph.rest.items()
    )
    parts = [_title(planned, prefix), include, _preamble(), kernels, constants, rests]
    parts += [_step(planned, prefix, words), _functions(planned, prefix, about or planned.contract)]
    parts += [_self_test(planned, prefix)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _title(planned: Plan, prefix: str) -> str:
    layers = "\n".join(
        f" *   {layer.name}: {type(layer.cell).__name__}, reads {', '.join(layer.reads)}"
        for layer in planned.graph.layers
    )
    said = json.loads(planned.contract)
    return f"""/* {prefix}: one step of a recurrent network. Written by edgernn {VERSION}; do not edit.
 *
{layers}
 *
 * Precision {said["edgernn.precision"]}; graph {said["edgernn.graph"]}.
 */"""


def _preamble() -> str:
    return """#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(64)))
#else
#define ALIGNED
#endif"""


def _kernel(name: str) -> str:
    """A file of c_runtime, without what only single files need."""
    said = files("edgernn_export").joinpath("c_runtime", f"{name}.h").read_text()
    return re.sub(r'^#include "\w+\.h"\n', "", said, flags=re.MULTILINE).strip() + "\n"


def _step(planned: Plan, prefix: str, words: CWords) -> str:
    """The statements of one step, a block for each layer."""
    lines = iter(words.statements)
    body: list[str] = []
    layer = ""
    for line in lines:
        name = re.search(r"\*const (\w+?)_\d+ =", line)
        if name and name[1] != layer:
            layer = name[1]
            body += ["", f"    /* {_layer_line(planned, layer)} */"]
        body.append(f"    {line}")
    ends = [f"    memcpy(y, {words.names[planned.trace.y.name]}, {planned.trace.y.width} * sizeof(float));"]
    return f"""static void {prefix}_compute({prefix}_state *state, float *y) {{
    float *const scratch = state->scratch;
    (void)scratch;
{chr(10).join(body)}

    /* the answer, and what is carried on */
{chr(10).join(ends + _carry(planned, words))}
}}"""


def _carry(planned: Plan, words: CWords) -> list[str]:
    """Copies of the states after the step; one that is itself a carried value is saved before any is overwritten."""
    before, after = [], []
    root = words.layout.root
    inside = {ref.name for ref in planned.ins}
    for i, state in enumerate(planned.trace.states):
        target, source, width = f"state->{_spelt(state.name)}", words.names[state.after.name], state.before.width
        if state.after.name == state.before.name:
            continue
        if root(state.after.name)[0] in inside:
            before += [f"    float kept_{i}[{width}];", f"    memcpy(kept_{i}, {source}, sizeof kept_{i});"]
            source = f"kept_{i}"
        after.append(f"    memcpy({target}, {source}, {width} * sizeof(float));")
    return before + after


def _functions(planned: Plan, prefix: str, about: str) -> str:
    """All that surrounds the step."""
    kind, inputs, outputs = _frame(planned), planned.graph.inputs, planned.graph.outputs
    rows = planned.graph.rows
    check = f"x[0] < 0 || x[0] >= {rows}" if rows else f"!all_finite(x, {inputs})"
    states = [(_spelt(name), width, name in planned.graph.rest) for name, width in planned.graph.states.items()]
    resets = "".join(f"\n    memcpy(state->{s}, rest_{s}, sizeof rest_{s});" for s, _, learned in states if learned)
    starts = [sum(width for _, width, _ in states[:i]) for i in range(len(states))]
    places = list(zip(states, starts, strict=True))
    gets = "".join(f"\n    memcpy(carried + {at}, state->{s}, {w} * sizeof(float));" for (s, w, _), at in places)
    sets = "".join(f"\n    memcpy(state->{s}, carried + {at}, {w} * sizeof(float));" for (s, w, _), at in places)
    unused = "" if states else "\n    (void)state;\n    (void)carried;"
    return f"""size_t {prefix}_size(void) {{ return sizeof({prefix}_state); }}

void {prefix}_reset({prefix}_state *state) {{
    memset(state, 0, sizeof *state);{resets}
}}

int {prefix}_step({prefix}_state *state, const {kind} *x, float *y) {{
    if ({check}) return 1;
    memcpy(state->x, x, {inputs} * sizeof *x);
    const float_mode before = flush_on();
    {prefix}_compute(state, y);
    flush_restore(before);
    return 0;
}}

size_t {prefix}_run({prefix}_state *state, const {kind} *xs, float *ys, size_t steps) {{
    for (size_t t = 0; t < steps; ++t)
        if ({prefix}_step(state, xs + t * {inputs}, ys + t * {outputs})) return t;
    return steps;
}}

void {prefix}_get(const {prefix}_state *state, float *carried) {{{gets}{unused}
}}

void {prefix}_set({prefix}_state *state, const float *carried) {{{sets}{unused}
}}

static const char about[] ={_c_string(about)};

const char *{prefix}_about(void) {{ return about; }}

void {prefix}_widths(size_t widths[3]) {{
    widths[0] = {inputs};
    widths[1] = {sum(width for _, width, _ in states)};
    widths[2] = {outputs};
}}"""


def _self_test(planned: Plan, prefix: str) -> str:
    """Frames and answers of the numpy reading, for the machine that the code runs on."""
    graph = planned.graph
    frames = random_frames(graph.inputs, graph.rows, GOLDEN_STEPS, seed=1)
    answers, _ = Stepper(graph).run(frames)
    given = frames.reshape(-1)
    xs = f"{{{', '.join(map(str, given.tolist()))}}}" if graph.rows else text(given)
    return f"""#ifndef EDGERNN_NO_SELF_TEST
static const {_frame(planned)} golden_x[{len(given)}] = {xs};

static const float golden_y[{answers.size}] = {text(answers.astype(np.float32).reshape(-1))};

int {prefix}_self_test(void) {{
    {prefix}_state state;
    float y[{graph.outputs}];
    {prefix}_reset(&state);
    for (size_t t = 0; t < {GOLDEN_STEPS}; ++t) {{
        if ({prefix}_step(&state, golden_x + t * {graph.inputs}, y)) return 1;
        for (size_t i = 0; i < {graph.outputs}; ++i) {{
            const float wanted = golden_y[t * {graph.outputs} + i];
            const float error = y[i] > wanted ? y[i] - wanted : wanted - y[i];
            const float size = wanted < -1.0f ? -wanted : wanted > 1.0f ? wanted : 1.0f;
            if (!(error <= {GOLDEN_ERROR}f * size)) return 1;
        }}
    }}
    return 0;
}}
#endif"""


def _given(planned: Plan) -> dict[str, str]:
    states = {state.before.name: f"state->{_spelt(state.name)}" for state in planned.trace.states}
    return {planned.trace.x.name: "state->x", **states}


def _layer_line(planned: Plan, name: str) -> str:
    layer = next(layer for layer in planned.graph.layers if layer.name == name)
    carried = ", ".join(state for state in planned.graph.states if state.split(".")[0] == name)
    return f"{name}: {type(layer.cell).__name__}, reads {', '.join(layer.reads)}" + (
        f", carries {carried}" if carried else ""
    )


def _frame(planned: Plan) -> str:
    return "int32_t" if planned.graph.rows else "float"


def _bad(planned: Plan) -> str:
    return "an index outside the table" if planned.graph.rows else "not finite"


def _spelt(name: str) -> str:
    return name.replace(".", "_")


def _c_string(said: str) -> str:
    """A long string in lines, every line its own literal."""
    escaped = said.replace("\\", "\\\\").replace('"', '\\"')
    pieces = re.findall(r"(?:\\.|[^\\]){1,90}", escaped)
    return "".join(f'\n    "{piece}"' for piece in pieces)
