"""C: one step as a `.c` and a `.h` file, C99 without heap, globals that change, or anything beside libm."""

import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

import numpy as np

from edgernn.integer.forms import integer
from edgernn.integer.plan import Static, static
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.version import VERSION
from edgernn_export.targets.c.casts import INTEGERS, MOVED, NUMBERS, bordered
from edgernn_export.targets.c.emitter import SCRATCH, Page, kind
from edgernn_export.targets.c.float_ops import FloatWords
from edgernn_export.targets.c.fusion import Group, grouped, spread
from edgernn_export.targets.c.identifiers import Names
from edgernn_export.targets.c.integer_ops import FixedWords
from edgernn_export.targets.c.kernels import kernels
from edgernn_export.targets.c.layout import lay_out, padded
from edgernn_export.targets.c.pack import number, text
from edgernn_export.targets.c.selftest import golden
from edgernn_export.targets.c.state import door, fields, moves
from edgernn_export.targets.destination import Place
from edgernn_export.targets.naming import Plan, plan

LONGEST_STRING = 4095


def render(graph: Graph, stem: str, _place: Place) -> Mapping[str, bytes]:
    """The `.c` and `.h` of a graph; functions are called after the stem."""
    planned = plan(graph, SCHEMES)
    header, source = write(planned, identifier(stem), planned.contract, f'#include "{stem}.h"')
    return {f"{stem}.c": source.encode(), f"{stem}.h": header.encode()}


def identifier(stem: str) -> str:
    """The stem of a file as the beginning of names in C."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"m{name}"


def write(planned: Plan, prefix: str, about: str, include: str) -> tuple[str, str]:
    """The header and the source; without an `include`, the header stands in the source."""
    whole = static(planned.graph)
    step = bordered(spread(planned.trace, whole.whole), whole)
    groups = grouped(step.trace)
    layout = lay_out(step.trace, groups, {name: kind(grid) for name, grid in step.grids.items()})
    spell = Names()
    page = Page(planned, step, layout, spell, _given(planned, spell), {ref.name: ref for ref in planned.ins})
    floats, integers = FloatWords(page), FixedWords(page, integer(whole))
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
        **door(page, prefix),
        **fields(page),
    }
    header = template("model.h", facts)
    parts = _parts(page) | golden(planned, whole) | {"about": _c_string(about), "include": include or header}
    parts |= {} if include else {"no_float": ""}  # a library's own loader has floating point
    return header, template("model.c", facts | parts)


def _whole(group: Group, plan: Static) -> bool:
    """Whether the words of a group are for integers, or cross to them and from them."""
    word = group.words[0]
    return plan.integer(word) or word.name in (INTEGERS, NUMBERS, MOVED)


def _parts(page: Page) -> dict[str, str]:
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


def _frame(page: Page) -> str:
    """What a frame is made of."""
    return "int32_t" if page.plan.graph.rows else page.kind(page.plan.trace.x)


def _bad(page: Page) -> str:
    """Whether a frame must not enter; nothing where every frame may."""
    rows, inputs = page.plan.graph.rows, page.plan.graph.inputs
    if rows:
        return f"x[0] < 0 || x[0] >= {rows}"
    return f"!all_within(x, {number(page.plan.said.limit)}, {inputs})" if _frame(page) == "float" else ""


def _refusal(page: Page) -> str:
    """What the header says of that."""
    if not _bad(page):
        return "Returns 0."
    why = "an index outside the table" if page.plan.graph.rows else f"not finite, or beyond {page.plan.said.limit:.3g}"
    return f"Returns 0; or 1 for a frame that must not enter\n * ({why}), and then state and y are as they were."


def _title(planned: Plan, prefix: str, *, floating: bool) -> str:
    layers = "\n".join(
        f" *   {layer.name}: {type(layer.cell).__name__}, reads {', '.join(layer.reads)}"
        for layer in planned.graph.layers
    )
    return (
        f"/* {prefix}: one step of a recurrent network. Written by edgernn {VERSION}; do not edit.\n *\n{layers}\n *\n"
        f" * Precision {planned.said.precision}; graph {planned.said.graph}.\n"
        " * Needs -O2 or more to be quick"
        f"{'; -ffp-contract=off keeps dynamic int8 the same to the last bit' if floating else ''}.\n */"
    )


def _statements(page: Page) -> str:
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


def _ends(page: Page) -> list[str]:
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


def _layer_line(planned: Plan, name: str) -> str:
    layer = next(layer for layer in planned.graph.layers if layer.name == name)
    carried = ", ".join(state for state in planned.graph.states if state.split(".")[0] == name)
    said = f"{name}: {type(layer.cell).__name__}, reads {', '.join(layer.reads)}"
    return f"{said}, carries {carried}" if carried else said


def _given(planned: Plan, spell: Names) -> dict[str, str]:
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
