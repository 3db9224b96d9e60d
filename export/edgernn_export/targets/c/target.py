"""C: one step as a `.c` and a `.h` file, C99 without heap, globals that change, or anything beside libm."""

import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

import numpy as np

from edgernn.graph import Graph
from edgernn.readings.numpy import Array, Stepper, random_frames
from edgernn.tensor import DYNAMIC
from edgernn.version import VERSION
from edgernn_export.targets.c.groups import grouped, spread
from edgernn_export.targets.c.layout import lay_out, padded
from edgernn_export.targets.c.names import Names
from edgernn_export.targets.c.pack import number, text
from edgernn_export.targets.c.words import CWords
from edgernn_export.targets.place import Place
from edgernn_export.targets.plan import Plan, plan

KERNELS = (
    "lanes",
    "guard",
    "affine_float",
    "unpack_i4",
    "affine_w4",
    "quantize_i8",
    "dot_i8",
    "affine_i8",
    "squash_f32",
    "whole_f32",
)
"""Files of c_runtime in the order of their needs."""

LONGEST_STRING = 4095
GOLDEN_STEPS = 4
GOLDEN_ERROR = 1e-4  # of the largest answer
GOLDEN_ROUNDING = 100  # times what float32 itself loses, for models that amplify it
GOLDEN_ERROR_DYNAMIC = 2e-2  # where words that C takes in another order may turn an integer
IN_ANOTHER_ORDER = ("softmax", "log", "normalize")


def render(graph: Graph, stem: str, _place: Place) -> Mapping[str, bytes]:
    """The `.c` and `.h` of a graph; functions are called after the stem."""
    planned = plan(graph)
    header, source = write(planned, identifier(stem), planned.contract, f'#include "{stem}.h"')
    return {f"{stem}.c": source.encode(), f"{stem}.h": header.encode()}


def identifier(stem: str) -> str:
    """The stem of a file as the beginning of names in C."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"m{name}"


def write(planned: Plan, prefix: str, about: str, include: str) -> tuple[str, str]:
    """The header and the source; without an `include`, the header stands in the source."""
    steps = spread(planned.trace)
    groups = grouped(steps)
    layout = lay_out(steps, groups)
    spell = Names()
    words = CWords(planned, steps, layout, spell, _given(planned, spell))
    for group in groups:
        words.say(group)
    graph = planned.graph
    facts = {
        "title": _title(planned, prefix),
        "prefix": prefix,
        "upper": prefix.upper(),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "carried": sum(graph.states.values()),
        "frame": _frame(planned),
        "room": padded(graph.inputs),
        "scratch": layout.size,
        "fields": _fields(planned, words),
        "bad": "an index outside the table" if graph.rows else "not finite",
    }
    header = template("model.h", facts)
    parts = _parts(planned, words) | _golden(planned) | {"about": _c_string(about), "include": include or header}
    return header, template("model.c", facts | parts)


def _parts(planned: Plan, words: CWords) -> dict[str, str]:
    """What stands in the source and not in the header."""
    graph = planned.graph
    fields = {name: words.spell("state", name) for name in graph.states}
    rests = {
        words.spell("rest", f"rest.{name}"): (fields[name], text(tensor.dense(np.float32)))
        for name, tensor in graph.rest.items()
    }
    constants = [
        *words.constants.values(),
        *(f"static const float {rest}[] = {said};" for rest, (_, said) in rests.items()),
    ]
    gets, sets, at = "", "", 0
    for name, width in graph.states.items():
        gets += f"\n    memcpy(carried + {at}, state->{fields[name]}, {width} * sizeof(float));"
        sets += f"\n    memcpy(state->{fields[name]}, carried + {at}, {width} * sizeof(float));"
        at += width
    unused = "\n    (void)state;\n    (void)carried;"
    return {
        "kernels": "\n".join(_kernel(name) for name in KERNELS if name in words.kernels | {"lanes"}),
        "constants": "\n\n".join(constants),
        "statements": _statements(planned, words),
        "ends": "\n".join(_ends(planned, words)),
        "resets": "".join(f"\n    memcpy(state->{to}, {rest}, sizeof {rest});" for rest, (to, _) in rests.items()),
        "refused": f"x[0] < 0 || x[0] >= {graph.rows}" if graph.rows else f"!all_finite(x, {graph.inputs})",
        "gets": gets or unused,
        "sets": sets or unused,
    }


def _golden(planned: Plan) -> dict[str, object]:
    """Frames and answers of the numpy reading, for the machine that the code runs on."""
    graph = planned.graph
    frames = np.abs(random_frames(graph.inputs, graph.rows, GOLDEN_STEPS, seed=1))  # so that logarithms are numbers
    answers, _ = Stepper(graph, "float32").run(frames)
    finite = np.nan_to_num(answers.astype(np.float32), posinf=0, neginf=0)
    steps = int(np.isfinite(answers).all(axis=1).argmin()) or GOLDEN_STEPS * int(np.isfinite(answers[0]).all())
    return {
        "golden_x": text(frames.reshape(-1)),
        "golden_y": text(finite.reshape(-1)),
        "golden_steps": steps,  # up to the first answer that is no number
        "golden_error": number(_golden_error(planned, frames, finite)),
    }


def _golden_error(planned: Plan, frames: Array, answers: Array) -> float:
    """How far the answers of another machine may be."""
    graph, size = planned.graph, float(np.abs(answers).max())
    if DYNAMIC in graph.precision:
        turns = any(word.name in IN_ANOTHER_ORDER for word in planned.trace.words) or graph.precision != DYNAMIC
        return (GOLDEN_ERROR_DYNAMIC if turns else GOLDEN_ERROR) * size
    with np.errstate(all="ignore"):
        lost = np.abs(Stepper(graph, "float64").run(frames)[0] - answers)
    return GOLDEN_ERROR * size + GOLDEN_ROUNDING * float(lost[np.isfinite(lost)].max(initial=0))


def _title(planned: Plan, prefix: str) -> str:
    layers = "\n".join(
        f" *   {layer.name}: {type(layer.cell).__name__}, reads {', '.join(layer.reads)}"
        for layer in planned.graph.layers
    )
    return (
        f"/* {prefix}: one step of a recurrent network. Written by edgernn {VERSION}; do not edit.\n *\n{layers}\n *\n"
        f" * Precision {planned.said.precision}; graph {planned.said.graph}.\n"
        " * Needs -O2 or more to be quick; -ffp-contract=off keeps dynamic int8 the same to the last bit.\n */"
    )


def _fields(planned: Plan, words: CWords) -> str:
    carried = [
        f"    float {words.spell('state', name)}[{padded(width)}]; /* {name}: {width} */\n"
        for name, width in planned.graph.states.items()
    ]
    rounded = [f"    uint8_t {name}[{size}];\n" for name, size in words.rounded.items()]
    return "".join(carried + rounded)


def _statements(planned: Plan, words: CWords) -> str:
    """The statements of one step, a block for each layer."""
    body = ["", "    /* what the step reads, as int8 */", *(f"    {line}" for line in words.openings)] * bool(
        words.openings
    )
    layer = ""
    for spoken, line in words.statements:
        if spoken != layer:
            layer = spoken
            body += ["", f"    /* {_layer_line(planned, layer)} */"]
        body.append(f"    {line}")
    return "\n".join(body)


def _ends(planned: Plan, words: CWords) -> list[str]:
    """Copies of the answer and the states; a carried value that becomes another is saved before it is overwritten."""
    y = planned.trace.y
    before, after = [f"    memcpy(y, {words.names[y.name]}, {y.width} * sizeof(float));"], []
    inside = {ref.name for ref in planned.ins}
    for state in planned.trace.states:
        target, width = f"state->{words.spell('state', state.name)}", state.before.width
        source = words.names[state.after.name]
        if state.after.name == state.before.name:
            continue
        if words.layout.root(state.after.name)[0] in inside:
            kept = words.spell("kept", f"{state.name}.kept")
            before += [f"    float {kept}[{width}];", f"    memcpy({kept}, {source}, sizeof {kept});"]
            source = kept
        after.append(f"    memcpy({target}, {source}, {width} * sizeof(float));")
    return before + after


def _layer_line(planned: Plan, name: str) -> str:
    layer = next(layer for layer in planned.graph.layers if layer.name == name)
    carried = ", ".join(state for state in planned.graph.states if state.split(".")[0] == name)
    said = f"{name}: {type(layer.cell).__name__}, reads {', '.join(layer.reads)}"
    return f"{said}, carries {carried}" if carried else said


def _given(planned: Plan, spell: Names) -> dict[str, str]:
    states = {state.before.name: f"state->{spell('state', state.name)}" for state in planned.trace.states}
    return {planned.trace.x.name: "state->x", **states}


def _frame(planned: Plan) -> str:
    return "int32_t" if planned.graph.rows else "float"


def template(name: str, facts: Mapping[str, object]) -> str:
    """A file of templates/ with every `$name` filled in."""
    return Template(files("edgernn_export.targets.c").joinpath("templates", name).read_text()).substitute(facts)


def _kernel(name: str) -> str:
    """A file of c_runtime, without the includes of its neighbours."""
    said = files("edgernn_export").joinpath("c_runtime", f"{name}.h").read_text()
    return re.sub(r'^#include "\w+\.h"\n', "", said, flags=re.MULTILINE).strip() + "\n"


def _c_string(said: str) -> str:
    """A long string in lines, every line its own literal; as numbers where it is longer than C99 promises to take."""
    if len(said.encode()) > LONGEST_STRING:
        return " " + text(np.frombuffer(said.encode() + b"\0", np.uint8))
    escaped = said.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")  # for trigraphs
    return "".join(f'\n    "{piece}"' for piece in re.findall(r"(?:\\.|[^\\]){1,90}", escaped))
