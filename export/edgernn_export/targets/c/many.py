"""Many streams in C: the statements of a step, written for several streams at once.

A statement is repeated for each stream, with the fields of the struct of that stream. Where several streams can share
the weights it is one call of a kernel instead, which takes the first stream and the distance to the next.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from edgernn.model.graph import INPUT, OUTPUT
from edgernn_export.targets.c.emitter import SCRATCH, Emitter
from edgernn_export.targets.c.loops import TOKEN, Statement
from edgernn_export.targets.c.pack import literal

TOGETHER = 16
"""The most streams that are computed at once. The kernels take four of them. With 4, 8 and 16 a GRU of hidden 128 or
256 took the same time per stream within 2 %; a larger model fetches its weights less often with more."""


def compute_many(emitter: Emitter, prefix: str, results: Sequence[str]) -> str:
    """The statements of the function that steps n streams, at most TOGETHER, in their lanes.

    Args:
        emitter: with all statements written.
        prefix: what the names of functions start with.
        results: the lines that copy the answer and the new states of a stream.
    """
    openings = [Statement("", line) for line in emitter.openings]
    body = [each for each in (*openings, *emitter.statements) if each.pointer is None]
    body.append(Statement("", "\n".join(line.strip() for line in results)))
    fixed = {
        "state": f"{prefix}_state *const state = &LANE.state;",
        "y": f"{emitter.value_type(emitter.step.trace.y)} *const y = state->y;",
        **{SCRATCH[kind]: f"{kind} *const {SCRATCH[kind]} = state->{SCRATCH[kind]};" for kind in emitter.layout.sizes},
        **{each.pointer.name: each.text for each in emitter.statements if each.pointer},
    }
    parts = [_variable(name, elements) for name, elements in emitter.locals.items()]
    for shared, statements in groupby(body, key=lambda each: bool(each.together)):
        texts = [each.together if shared else _of_stream(each.text, emitter.locals) for each in statements]
        text = "\n".join(texts)
        head, lane = ("{", "lanes[0]") if shared else ("for (size_t s = 0; s < n; ++s) {", "lanes[s]")
        lines = [each.replace("LANE", lane) for each in _declared(text, fixed)] + text.splitlines()
        parts += [f"    {head}", *(f"        {line}" for line in lines), "    }"]
    return "\n".join(parts)


def _declared(text: str, declarations: Mapping[str, str]) -> list[str]:
    """The declarations of the names that a text uses, in their order; one may use those before it."""
    needed = {*TOKEN.findall(text)}
    chosen = []
    for name, declaration in reversed([*declarations.items()]):
        if name in needed:
            chosen.append(declaration)
            needed |= {*TOKEN.findall(declaration)}
    return chosen[::-1]


def _variable(name: str, elements: int) -> str:
    """The declaration of a variable of which each stream has its own."""
    return f"    float {name}[{TOGETHER}]{f'[{elements}]' if elements else ''};"


def _of_stream(text: str, variables: Mapping[str, int]) -> str:
    """A statement with the variables of stream s."""
    for name in variables:
        text = re.sub(rf"^float {name}\[\d+\];\n?", "", text, flags=re.MULTILINE)
        text = re.sub(rf"\b(?:const float )?{name}\b", f"{name}[s]", text)
    return text


def steps_many(emitter: Emitter, facts: Mapping[str, object], invalid: str) -> list[dict[str, object]]:
    """What the template of a step of many streams takes: once as it is, and once with float x and y around integers.

    Args:
        emitter: with all statements written.
        facts: the prefix, and the sizes and types of x and y.
        invalid: the C condition for a frame x that is refused; empty where none is.
    """
    prefix, inputs, outputs = facts["prefix"], facts["inputs"], facts["outputs"]
    quantization = emitter.named.manifest.quantization
    take, give = f"memcpy(state->x, xs, {inputs} * sizeof *xs);", f"memcpy(ys, state->y, {outputs} * sizeof *ys);"
    plain: dict[str, object] = {"name": "step_many", "check": _check(facts, invalid), "take": take, "give": give}
    if not {INPUT, OUTPUT} & quantization.keys():
        return [plain]
    floats = plain | {"name": "step_many_numbers"}
    if INPUT in quantization:
        outside = f"!all_within(x, {literal(emitter.named.manifest.limit)}, {inputs})"
        floats |= {"x_type": "float", "check": _check({**facts, "x_type": "float"}, outside)}
        floats["take"] = f"for (size_t i = 0; i < {inputs}; ++i) state->x[i] = {prefix}_quantize_x(xs[i]);"
    if OUTPUT in quantization:
        floats |= {"y_type": "float"}
        floats["give"] = f"for (size_t i = 0; i < {outputs}; ++i) ys[i] = {prefix}_dequantize_y(state->y[i]);"
    return [plain, floats]


def _check(facts: Mapping[str, object], invalid: str) -> str:
    """The lines that look for a frame that is refused."""
    frame = f"const {facts['x_type']} *const x = xs + s * {facts['inputs']};"
    lines = "for (size_t s = 0; s < n; ++s) {", f"    {frame}", f"    if ({invalid}) return s;", "}"
    return "".join(f"    {line}\n" for line in lines) if invalid else ""
