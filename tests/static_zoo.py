"""Many static graphs as one C program: compiled once, it steps each of them on frames that come from outside."""

import re
from collections.abc import Sequence

from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.tensor import SCHEMES
from edgernn_export.targets.c.declarations import C_TYPES
from edgernn_export.targets.c.target import write
from edgernn_export.targets.naming import named_trace

HEAD = """
#include <stdio.h>
#include <string.h>
#if defined(__clang__) /* it warns of inline functions in this file that nothing calls */
#pragma clang diagnostic ignored "-Wunused-function"
#endif
static int drive(void *state, void *x, size_t in, void *y, size_t out, void *carried, size_t states, void (*reset)(void *),
                 int (*step)(void *, const void *, void *), void (*get)(const void *, void *)) {
    unsigned steps;
    unsigned char fresh;
    if (fread(&steps, sizeof steps, 1, stdin) != 1) return 1;
    for (; steps; --steps) {
        if (fread(&fresh, 1, 1, stdin) != 1 || fread(x, 1, in, stdin) != in) return 2;
        if (fresh) reset(state);
        if (step(state, x, y)) return 3;
        get(state, carried);
        fwrite(y, 1, out, stdout);
        fwrite(carried, 1, states, stdout);
    }
    return 0;
}
"""
DRIVER = """
static void {p}_r(void *s) {{ {p}_reset(({p}_state *)s); }}
static int {p}_s(void *s, const void *x, void *y) {{ return {p}_step(({p}_state *)s, (const {frame} *)x, ({answer} *)y); }}
static void {p}_g(const void *s, void *c) {{ {p}_get((const {p}_state *)s, ({unit} *)c); }}
static int {p}_drive(void) {{
    static {p}_state state;
    static {frame} x[{inputs}];
    static {answer} y[{outputs}];
    static {unit} carried[{P}_CARRIED + 1];
    {p}_reset(&state);
    if ({p}_self_test()) return 4;
    return drive(&state, x, sizeof x, y, sizeof y, carried, sizeof carried - sizeof *carried, {p}_r, {p}_s, {p}_g);
}}
"""
PRIVATE = r"^(?:ALIGNED )?static const \w+ (\w+)\["


def numbered(code: str, prefix: str) -> str:
    """The code of a step whose static arrays have the prefix of their graph in their names."""
    own = {name: f"{name}_of_{prefix}" for name in re.findall(PRIVATE, code, re.MULTILINE)}
    return re.sub(r"\b[A-Za-z_]\w*", lambda word: own.get(word[0], word[0]), code)


def program(graphs: Sequence[Graph]) -> str:
    """The source that steps all graphs in turn; the names of static arrays end in the number of their graph."""
    parts = [HEAD]
    for i, graph in enumerate(graphs):
        p, named = f"m{i}", named_trace(graph, SCHEMES)
        code = numbered(write(named, p, "{}", include="").source, p)
        frame, answer = (C_TYPES[named.manifest.dtype(name)] for name in (INPUT, OUTPUT))
        unit = "uint8_t" if any(name in named.manifest.quantization for name in graph.states) else "float"
        sizes = {"inputs": graph.inputs, "outputs": graph.outputs}
        parts += [code, DRIVER.format(p=p, P=p.upper(), frame=frame, answer=answer, unit=unit, **sizes)]
    calls = "".join(f"    if (m{i}_drive()) return {i % 200 + 1};\n" for i in range(len(graphs)))
    return "".join((*parts, f"int main(void) {{\n{calls}    return 0;\n}}\n"))
