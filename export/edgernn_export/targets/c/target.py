"""C: one step as a `.c` and a `.h` file in C99, without heap, mutable globals or any library but libm."""

import re
from collections.abc import Mapping, Sequence, Set as AbstractSet
from importlib.resources import files
from string import Template

import numpy as np

from edgernn.integer.forms import integer_forms
from edgernn.integer.plan import IntegerPlan, integer_plan
from edgernn.model.graph import Graph
from edgernn.model.operation import Op
from edgernn.model.repeats import roles
from edgernn.model.tensor import SCHEMES
from edgernn.version import VERSION
from edgernn_export.targets.c.casts import DEQUANTIZE, with_casts
from edgernn_export.targets.c.declarations import Code, InitialState, Sizes
from edgernn_export.targets.c.delta import divided, kept_affines
from edgernn_export.targets.c.emitter import SCRATCH, Emitter, value_type
from edgernn_export.targets.c.float_ops import CFloatOps
from edgernn_export.targets.c.fusion import fuse, hoist_splits
from edgernn_export.targets.c.identifiers import Identifiers
from edgernn_export.targets.c.integer_ops import CIntegerOps
from edgernn_export.targets.c.kernels import kernels
from edgernn_export.targets.c.layout import lay_out
from edgernn_export.targets.c.loops import with_loops
from edgernn_export.targets.c.many import TOGETHER, compute_many, steps_many
from edgernn_export.targets.c.pack import initializer, literal
from edgernn_export.targets.c.rounding import rounded_inputs
from edgernn_export.targets.c.selftest import self_test
from edgernn_export.targets.c.spectra import work
from edgernn_export.targets.c.state import (
    carried,
    conversions,
    frame_type,
    initial_states,
    moves,
    parts,
    struct,
    timing,
)
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import NamedTrace, named_trace

MANIFEST = 'extern const char about[] __asm__("edgernn_manifest") __attribute__((visibility("hidden")))'
LONGEST_STRING = 4095  # bytes of a string literal that every C99 compiler takes


def render(graph: Graph, stem: str, _destination: Destination) -> Mapping[str, bytes]:
    """The `.c` and `.h` of a graph; the names of functions start with the stem."""
    code = generate(graph, stem)
    return {f"{stem}.c": code.source.encode(), f"{stem}.h": code.header.encode()}


def generate(graph: Graph, stem: str) -> Code:
    """The code of a graph.

    Raises:
        UnsupportedError: a layer is quantized in a scheme that C cannot express.
    """
    named = named_trace(graph, SCHEMES)
    return write(named, identifier(stem), named.manifest_json, f'#include "{stem}.h"')


def identifier(stem: str) -> str:
    """The stem of a file as the start of C identifiers."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"m{name}"


def write(
    named: NamedTrace, prefix: str, manifest: str, include: str, *, many: bool = False, apart: bool = False
) -> Code:
    """The code of a step.

    Args:
        named: the graph and the names of its values.
        prefix: what the names of functions start with.
        manifest: the JSON that `about` returns.
        include: the line that includes the header. When it is empty the source is that of a library: it contains the
            header, and the assembler takes large arrays from files.
        many: whether the source has the functions that step many streams.
        apart: arrays and manifest are defined in a source of their own, for several that are linked.
    """
    binaries: dict[str, bytes] = {}
    graph, plan = named.graph, integer_plan(named.graph)
    emitter = _emitted(named, plan)
    fields, states, about = struct(emitter), initial_states(emitter), manifest.encode()
    x_type, y_type = frame_type(emitter), emitter.value_type(emitter.step.trace.y)
    facts = {
        "title": _title(named, prefix, has_floats=emitter.has_floats),
        "prefix": prefix,
        "upper": prefix.upper(),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "x_type": x_type,
        "y_type": y_type,
        "refusal": _refusal(emitter),
        "fields": "".join(field.text for field in fields),
        "parts": timing(graph, prefix) + parts(graph, prefix),
        "taken": "One frame" if graph.frames_per_step == 1 else f"{graph.frames_per_step} frames",
        **conversions(emitter, prefix),
        **carried(emitter),
    }
    header = template("model.h", facts)
    body = {
        "constants": _constants(emitter, states, None if include else binaries, apart=apart),
        **_body(emitter, x_type, {*emitter.headers, *({*emitter.many_headers, "guard"} if many else ())}),
        **moves(emitter, states),
        **self_test(named, plan),
        "about": f"{MANIFEST};" if apart else f"static const char about[] ={_c_string(manifest)};",
        "include": include or header,
    }
    body |= {} if include else {"no_float": ""}  # the loader of a library has floating point
    sizes = Sizes(
        constants={array.name: array.nbytes for array in emitter.constants.values()},
        initial_state=sum(array.nbytes for array in states),
        manifest=len(about) + 1,
        fields=fields,
        calls=emitter.calls,
    )
    streams = _many(emitter, facts) if many else ""
    shared = _shared(emitter, manifest, binaries) if apart else ""
    return Code(header, template("model.c", facts | body) + streams, sizes, binaries, shared)


def _many(emitter: Emitter, facts: Mapping[str, object]) -> str:
    """The functions that step many streams."""
    flushed = emitter.has_floats
    lines = {
        "most": TOGETHER,
        "begin": "    const float_mode before = flush_on();\n" if flushed else "",
        "statements": compute_many(emitter, str(facts["prefix"]), _results(emitter)),
        "finish": "    flush_restore(before);\n" if flushed else "",
    }
    steps = (
        template("step_many.c", {**facts, **lines, **step}) for step in steps_many(emitter, facts, _invalid(emitter))
    )
    return "".join((template("many.c", {**facts, **lines}), *steps))


def _constants(
    emitter: Emitter, states: Sequence[InitialState], binaries: dict[str, bytes] | None, *, apart: bool
) -> str:
    """The definitions of all arrays; where those of the weights are apart, their declarations."""
    arrays = [array.declaration() if apart else array.text(binaries) for array in emitter.constants.values()]
    return "\n\n".join(arrays + [each.text for each in states])


def _shared(emitter: Emitter, manifest: str, binaries: dict[str, bytes]) -> str:
    """The source of the arrays of weights and of the manifest, for all that declare them."""
    arrays = [array.shared(binaries) for array in emitter.constants.values()]
    about = f"{MANIFEST};\nconst char about[] ={_c_string(manifest)};\n"
    return "\n\n".join(["#include <stdint.h>", *arrays, about])


def _emitted(named: NamedTrace, plan: IntegerPlan) -> Emitter:
    """The emitter with all operations written."""
    step, affines = kept_affines(with_casts(hoist_splits(named.trace, plan.integer_values), plan))

    def is_integer(op: Op) -> bool:
        return op.outputs[0].name in step.quantization or op.name == DEQUANTIZE

    groups, reuse = divided(fuse(step.trace, is_integer), affines)
    places = roles({name: layer.repeats for name, layer in named.graph.layer_traces.items()})
    types = {name: value_type(qparams) for name, qparams in step.quantization.items()}
    types |= {f"{op.outputs[0].name}.work": "int32_t" for op in step.trace.operations if is_integer(op)}
    layout = lay_out(step.trace, groups, types, places, reuse.sources, work)
    identifiers = Identifiers()
    names = {state.before.name: f"state->{identifiers('state', state.name)}" for state in named.trace.states}
    names[named.trace.x.name] = "state->x"
    values = {ref.name: ref for ref in named.ins}
    emitter = Emitter(
        named, step, layout, identifiers, names, values, places, rounded_inputs(step.trace, places), reuse
    )
    floats, integers = CFloatOps(emitter), CIntegerOps(emitter, integer_forms(plan))
    for group in groups:
        (integers if is_integer(group.operations[0]) else floats).write(group)
    statements = with_loops(emitter.statements, {names[ref.name] for ref in step.trace.results})
    for sign, each in ((-1, emitter.statements), (1, statements)):
        for statement in each:
            for function, calls in statement.calls.items():
                emitter.calls[function] += sign * calls
    emitter.statements = statements
    return emitter


def _body(emitter: Emitter, x_type: str, headers: AbstractSet[str]) -> dict[str, str]:
    """The kernels, the body of the step and the check of a frame."""
    guard = "guard" if emitter.has_floats else "blocks"  # both include string.h, which every step needs
    scratches = "".join(
        f"    {c_type} *const {SCRATCH[c_type]} = state->{SCRATCH[c_type]};\n    (void){SCRATCH[c_type]};\n"
        for c_type in emitter.layout.sizes
    )
    invalid = _invalid(emitter)
    begin = finish = ""
    if emitter.has_floats:
        begin = f"    const float_mode before = {emitter.call('flush_on')};\n"
        finish = f"    {emitter.call('flush_restore', 'before')};\n"
    return {
        "kernels": kernels({*headers, guard}),
        "begin": begin + scratches,
        "statements": _statements(emitter),
        "results": "\n".join(_results(emitter)),
        "finish": finish,
        "check": f"    if ({invalid}) return 1;\n" if invalid else "",
        "check_in_place": f"    const {x_type} *const x = state->x;\n    if ({invalid}) return 1;\n" if invalid else "",
    }


def _invalid(emitter: Emitter) -> str:
    """The C condition for a frame that is refused; empty where none is."""
    rows, inputs = emitter.named.graph.vocabulary_size, emitter.named.graph.inputs
    if rows:
        return f"x[0] < 0 || x[0] >= {rows}"
    limit = literal(emitter.named.manifest.limit)
    return f"!all_within(x, {limit}, {inputs})" if frame_type(emitter) == "float" else ""


def _refusal(emitter: Emitter) -> str:
    """The sentence about refused frames in the header."""
    if not _invalid(emitter):
        return "Returns 0."
    reason = (
        "an index outside the table"
        if emitter.named.graph.vocabulary_size
        else f"not finite, or beyond {emitter.named.manifest.limit:.3g}"
    )
    return f"Returns 0; or 1 for a frame that is refused\n * ({reason}), and then state and y are unchanged."


def _title(named: NamedTrace, prefix: str, *, has_floats: bool) -> str:
    layers = "\n".join(
        f" *   {layer.name}: {type(layer.cell).__name__}, reads {', '.join(layer.inputs)}"
        for layer in named.graph.layers
    )
    return (
        f"/* {prefix}: one step of a recurrent network. Written by edgernn {VERSION}; do not edit.\n *\n{layers}\n *\n"
        f" * Precision {named.manifest.precision}; graph {named.manifest.graph}.\n"
        " * Compile with -O2 or more for speed"
        f"{', and with -ffp-contract=off for the same bits of dynamic int8' if has_floats else ''}.\n */"
    )


def _statements(emitter: Emitter) -> str:
    """The statements of one step, a paragraph for each layer."""
    openings = [f"    {line}" for line in emitter.openings]
    body = ["", "    /* the inputs of the step, as int8 */", *openings] if openings else []
    current = ""
    for statement in emitter.statements:
        if statement.layer != current:
            current = statement.layer
            body += ["", f"    /* {_layer_line(emitter.named, current)} */"]
        body += [f"    {line}" for line in statement.text.splitlines()]
    return "\n".join(body)


def _results(emitter: Emitter) -> list[str]:
    """Copies of the answer and the states; a state that becomes another state is saved before it is overwritten."""
    steps, identifiers, names = emitter.step.trace, emitter.identifiers, emitter.names
    first, last = [f"    {emitter.copy('y', names[steps.y.name], f'{steps.y.width} * sizeof *y')}"], []
    inputs = {ref.name for ref in emitter.named.ins}
    for state in steps.states:
        if state.after.name == state.before.name:
            continue
        target, c_type = f"state->{identifiers('state', state.name)}", emitter.value_type(state.before)
        width, source = state.before.width, names[state.after.name]
        if emitter.layout.root(state.after.name)[0] in inputs:
            saved = identifiers("saved", f"{state.name}.saved")
            first += [f"    {c_type} {saved}[{width}];", f"    {emitter.copy(saved, source, f'sizeof {saved}')}"]
            source = saved
        last.append(f"    {emitter.copy(target, source, f'{width} * sizeof({c_type})')}")
    return first + last


def _layer_line(named: NamedTrace, name: str) -> str:
    layer = next(layer for layer in named.graph.layers if layer.name == name)
    states = ", ".join(state for state in named.graph.states if state.split(".")[0] == name)
    line = f"{name}: {type(layer.cell).__name__}, reads {', '.join(layer.inputs)}"
    return f"{line}, carries {states}" if states else line


def template(name: str, facts: Mapping[str, object]) -> str:
    """A file of templates/ with every `$name` filled in."""
    return Template(files("edgernn_export.targets.c").joinpath("templates", name).read_text()).substitute(facts)


def _c_string(text: str) -> str:
    """A string as literals, one per line; as bytes where it is longer than LONGEST_STRING."""
    if len(text.encode()) > LONGEST_STRING:
        return " " + initializer(np.frombuffer(text.encode() + b"\0", np.uint8))
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")  # for trigraphs
    return "".join(f'\n    "{piece}"' for piece in re.findall(r"(?:\\.|[^\\]){1,90}", escaped))
