"""C: one step as a `.c` and a `.h` file, C99 without heap, globals that change, or anything beside libm."""

import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

import numpy as np

from edgernn.integer.forms import integer_forms
from edgernn.integer.plan import IntegerPlan, integer_plan
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
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import NamedTrace, plan

LONGEST_STRING = 4095


def render(graph: Graph, stem: str, _destination: Destination) -> Mapping[str, bytes]:
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
    whole = integer_plan(planned.graph)
    step = bordered(spread(planned.trace, whole.integer_values), whole)
    groups = grouped(step.trace)
    layout = lay_out(step.trace, groups, {name: kind(qparams) for name, qparams in step.quantization.items()})
    spell = Names()
    page = Emitter(planned, step, layout, spell, _given(planned, spell), {ref.name: ref for ref in planned.ins})
    floats, integers = CFloatOps(page), CIntegerOps(page, integer_forms(whole))
    for group in groups:
        (integers if _whole(group, whole) else floats).say(group)
    graph = planned.graph
    facts = {
        "title": _title(planned, prefix, floating=page.floating),
        "prefix": prefix,
        "upper": prefix.upper(),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "frame": _frame(page),
        "answer": page.kind(step.trace.y),
        "room": padded(graph.inputs),
        "refusal": _refusal(page),
        **float_io(page, prefix),
        **fields(page),
    }
    header = template("model.h", facts)
    parts = _parts(page) | self_test(planned, whole) | {"about": _c_string(about), "include": include or header}
    parts |= {} if include else {"no_float": ""}  # a library's own loader has floating point
    return header, template("model.c", facts | parts)


def _whole(group: Group, plan: IntegerPlan) -> bool:
    """Whether the words of a group are for integers, or cross to them and from them."""
    op = group.operations[0]
    return plan.is_integer(op) or op.name in (INTEGERS, NUMBERS, MOVED)


def _parts(page: Emitter) -> dict[str, str]:
    """What stands in the source and not in the header."""
    page.kernels.add("guard" if page.floating else "blocks")  # both include string.h, which every step needs
    scratches = "".join(
        f"    {made} *const {SCRATCH[made]} = state->{SCRATCH[made]};\n    (void){SCRATCH[made]};\n"
        for made in page.layout.sizes
    )
    bad = _bad(page)
    return {
        "kernels": kernels(page.kernels),
        "begins": "    const float_mode before = flush_on();\n" * page.floating + scratches,
        "statements": _statements(page),
        "ends": "\n".join(_ends(page)),
        "finish": "    flush_restore(before);\n" * page.floating,
        "refused": f"    if ({bad}) return 1;\n" if bad else "",
        "refused_there": f"    const {_frame(page)} *const x = state->x;\n    if ({bad}) return 1;\n" if bad else "",
        **moves(page),
    }


def _frame(page: Emitter) -> str:
    """What a frame is made of."""
    return "int32_t" if page.plan.graph.vocabulary_size else page.kind(page.plan.trace.x)


def _bad(page: Emitter) -> str:
    """Whether a frame must not enter; nothing where every frame may."""
    rows, inputs = page.plan.graph.vocabulary_size, page.plan.graph.inputs
    if rows:
        return f"x[0] < 0 || x[0] >= {rows}"
    return f"!all_within(x, {number(page.plan.manifest.limit)}, {inputs})" if _frame(page) == "float" else ""


def _refusal(page: Emitter) -> str:
    """What the header says of that."""
    if not _bad(page):
        return "Returns 0."
    why = (
        "an index outside the table"
        if page.plan.graph.vocabulary_size
        else f"not finite, or beyond {page.plan.manifest.limit:.3g}"
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


def _statements(page: Emitter) -> str:
    """The statements of one step, a block for each layer."""
    openings = [f"    {line}" for line in page.openings]
    body = ["", "    /* what the step reads, as int8 */", *openings] if openings else []
    layer = ""
    for spoken, line in page.statements:
        if spoken != layer:
            layer = spoken
            body += ["", f"    /* {_layer_line(page.plan, layer)} */"]
        body.append(f"    {line}")
    return "\n".join(body)


def _ends(page: Emitter) -> list[str]:
    """Copies of the answer and the states; a carried value that becomes another is saved before it is overwritten."""
    steps = page.step.trace
    before, after = [f"    memcpy(y, {page.names[steps.y.name]}, {steps.y.width} * sizeof *y);"], []
    inside = {ref.name for ref in page.plan.ins}
    for state in steps.states:
        target, width, made = f"state->{page.spell('state', state.name)}", state.before.width, page.kind(state.before)
        source = page.names[state.after.name]
        if state.after.name == state.before.name:
            continue
        if page.layout.root(state.after.name)[0] in inside:
            kept = page.spell("kept", f"{state.name}.kept")
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
