"""C: one step as a `.c` and a `.h` file, C99 without heap, globals that change, or anything beside libm."""

import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

import numpy as np

from edgernn.integer.forms import integer
from edgernn.integer.plan import IntegerPlan, static
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.version import VERSION
from edgernn_export.targets.c.casts import INTEGERS, MOVED, NUMBERS, bordered
from edgernn_export.targets.c.emitter import SCRATCH, Emitter, kind
from edgernn_export.targets.c.float_ops import CFloatOps
from edgernn_export.targets.c.fusion import Group, grouped, spread
from edgernn_export.targets.c.identifiers import Names
from edgernn_export.targets.c.integer_ops import CIntegerOps
from edgernn_export.targets.c.kernels import kernels
from edgernn_export.targets.c.layout import lay_out, padded
from edgernn_export.targets.c.pack import number, text
from edgernn_export.targets.c.selftest import self_test
from edgernn_export.targets.c.state import fields, float_io, moves
from edgernn_export.targets.destination import Place
from edgernn_export.targets.naming import NamedTrace, plan

LONGEST_STRING = 4095


def render(graph: Graph, stem: str, _place: Place) -> Mapping[str, bytes]:
    """The `.c` and `.h` of a graph; functions are called after the stem."""
    planned = plan(graph, SCHEMES)
    header, source = write(planned, identifier(stem), planned.manifest_json, f'#include "{stem}.h"')
    return {f"{stem}.c": source.encode(), f"{stem}.h": header.encode()}


def identifier(stem: str) -> str:
    """The stem of a file as the beginning of names in C."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"m{name}"


def write(planned: NamedTrace, prefix: str, about: str, include: str) -> tuple[str, str]:
    """The header and the source; without an `include`, the header stands in the source."""
    whole = static(planned.graph)
    step = bordered(spread(planned.trace, whole.whole), whole)
    groups = grouped(step.trace)
    layout = lay_out(step.trace, groups, {name: kind(qparams) for name, qparams in step.quantization.items()})
    spell = Names()
    emitter = Emitter(planned, step, layout, spell, _given(planned, spell), {ref.name: ref for ref in planned.ins})
    floats, integers = CFloatOps(emitter), CIntegerOps(emitter, integer(whole))
    for group in groups:
        (integers if _whole(group, whole) else floats).write(group)
    graph = planned.graph
    facts = {
        "title": _title(planned, prefix, floating=emitter.floating),
        "prefix": prefix,
        "upper": prefix.upper(),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "frame": _frame(emitter),
        "answer": emitter.kind(step.trace.y),
        "room": padded(graph.inputs),
        "refusal": _refusal(emitter),
        **float_io(emitter, prefix),
        **fields(emitter),
    }
    header = template("model.h", facts)
    parts = _parts(emitter) | self_test(planned, whole) | {"about": _c_string(about), "include": include or header}
    parts |= {} if include else {"no_float": ""}  # a library's own loader has floating point
    return header, template("model.c", facts | parts)


def _whole(group: Group, plan: IntegerPlan) -> bool:
    """Whether the words of a group are for integers, or cross to them and from them."""
    op = group.operations[0]
    return plan.integer(op) or op.name in (INTEGERS, NUMBERS, MOVED)


def _parts(emitter: Emitter) -> dict[str, str]:
    """What stands in the source and not in the header."""
    emitter.kernels.add("guard" if emitter.floating else "blocks")  # both include string.h, which every step needs
    scratches = "".join(
        f"    {made} *const {SCRATCH[made]} = state->{SCRATCH[made]};\n    (void){SCRATCH[made]};\n"
        for made in emitter.layout.sizes
    )
    bad = _bad(emitter)
    return {
        "kernels": kernels(emitter.kernels),
        "begins": "    const float_mode before = flush_on();\n" * emitter.floating + scratches,
        "statements": _statements(emitter),
        "ends": "\n".join(_ends(emitter)),
        "finish": "    flush_restore(before);\n" * emitter.floating,
        "refused": f"    if ({bad}) return 1;\n" if bad else "",
        "refused_there": f"    const {_frame(emitter)} *const x = state->x;\n    if ({bad}) return 1;\n" if bad else "",
        **moves(emitter),
    }


def _frame(emitter: Emitter) -> str:
    """What a frame is made of."""
    return "int32_t" if emitter.plan.graph.vocabulary_size else emitter.kind(emitter.plan.trace.x)


def _bad(emitter: Emitter) -> str:
    """Whether a frame must not enter; nothing where every frame may."""
    rows, inputs = emitter.plan.graph.vocabulary_size, emitter.plan.graph.inputs
    if rows:
        return f"x[0] < 0 || x[0] >= {rows}"
    return f"!all_within(x, {number(emitter.plan.manifest.limit)}, {inputs})" if _frame(emitter) == "float" else ""


def _refusal(emitter: Emitter) -> str:
    """What the header says of that."""
    if not _bad(emitter):
        return "Returns 0."
    why = (
        "an index outside the table"
        if emitter.plan.graph.vocabulary_size
        else f"not finite, or beyond {emitter.plan.manifest.limit:.3g}"
    )
    return f"Returns 0; or 1 for a frame that must not enter\n * ({why}), and then state and y are as they were."


def _title(planned: NamedTrace, prefix: str, *, floating: bool) -> str:
    layers = "\n".join(
        f" *   {layer.name}: {type(layer.cell).__name__}, reads {', '.join(layer.inputs)}"
        for layer in planned.graph.layers
    )
    return (
        f"/* {prefix}: one step of a recurrent network. Written by edgernn {VERSION}; do not edit.\n *\n{layers}\n *\n"
        f" * Precision {planned.manifest.precision}; graph {planned.manifest.graph}.\n"
        " * Needs -O2 or more to be quick"
        f"{'; -ffp-contract=off keeps dynamic int8 the same to the last bit' if floating else ''}.\n */"
    )


def _statements(emitter: Emitter) -> str:
    """The statements of one step, a block for each layer."""
    openings = [f"    {line}" for line in emitter.openings]
    body = ["", "    /* what the step reads, as int8 */", *openings] if openings else []
    layer = ""
    for spoken, line in emitter.statements:
        if spoken != layer:
            layer = spoken
            body += ["", f"    /* {_layer_line(emitter.plan, layer)} */"]
        body.append(f"    {line}")
    return "\n".join(body)


def _ends(emitter: Emitter) -> list[str]:
    """Copies of the answer and the states; a carried value that becomes another is saved before it is overwritten."""
    steps = emitter.step.trace
    before, after = [f"    memcpy(y, {emitter.names[steps.y.name]}, {steps.y.width} * sizeof *y);"], []
    inside = {ref.name for ref in emitter.plan.ins}
    for state in steps.states:
        target, width, made = (
            f"state->{emitter.spell('state', state.name)}",
            state.before.width,
            emitter.kind(state.before),
        )
        source = emitter.names[state.after.name]
        if state.after.name == state.before.name:
            continue
        if emitter.layout.root(state.after.name)[0] in inside:
            kept = emitter.spell("kept", f"{state.name}.kept")
            before += [f"    {made} {kept}[{width}];", f"    memcpy({kept}, {source}, sizeof {kept});"]
            source = kept
        after.append(f"    memcpy({target}, {source}, {width} * sizeof({made}));")
    return before + after


def _layer_line(planned: NamedTrace, name: str) -> str:
    layer = next(layer for layer in planned.graph.layers if layer.name == name)
    carried = ", ".join(state for state in planned.graph.states if state.split(".")[0] == name)
    said = f"{name}: {type(layer.cell).__name__}, reads {', '.join(layer.inputs)}"
    return f"{said}, carries {carried}" if carried else said


def _given(planned: NamedTrace, spell: Names) -> dict[str, str]:
    states = {state.before.name: f"state->{spell('state', state.name)}" for state in planned.trace.states}
    return {planned.trace.x.name: "state->x", **states}


def template(name: str, facts: Mapping[str, object]) -> str:
    """A file of templates/ with every `$name` filled in."""
    return Template(files("edgernn_export.targets.c").joinpath("templates", name).read_text()).substitute(facts)


def _c_string(said: str) -> str:
    """A long string in lines, every line its own literal; as numbers where it is longer than C99 promises to take."""
    if len(said.encode()) > LONGEST_STRING:
        return " " + text(np.frombuffer(said.encode() + b"\0", np.uint8))
    escaped = said.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")  # for trigraphs
    return "".join(f'\n    "{piece}"' for piece in re.findall(r"(?:\\.|[^\\]){1,90}", escaped))
