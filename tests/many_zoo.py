"""Many graphs as one C program, which steps streams of each together and alone, and compares every bit."""

from collections.abc import Sequence

from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.tensor import SCHEMES
from edgernn_export.targets.c.declarations import C_TYPES
from edgernn_export.targets.c.target import write
from edgernn_export.targets.naming import named_trace
from static_zoo import numbered

STREAMS, STEPS = 19, 3  # more than are computed at once, and no multiple of four

HEAD = """
#include <stdio.h>
#include <string.h>
static unsigned long long seed = 88172645463325252ULL;
static unsigned drawn(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)(seed >> 32);
}
"""
DRIVER = """
static int {p}_compared(void) {{
    enum {{ N = {streams}, IN = {inputs}, OUT = {outputs}, CARRIED = {P}_CARRIED }};
    static {p}_state alone[N];
    static {p}_lane lanes[16];
    static {unit} slots[N * CARRIED + 1], carried[CARRIED + 1];
    static {frame} xs[N * IN];
    static {answer} ys[N * OUT], y[OUT];
    size_t which[N];
    for (size_t s = 0; s < N; ++s) {p}_reset(alone + s), {p}_get(alone + s, slots + s * CARRIED);
    for (unsigned t = 0; t < {steps}; ++t) {{
        const size_t n = t ? N - drawn() % 7 : N;
        for (size_t s = 0; s < N; ++s) which[s] = s;
        for (size_t s = N - 1; s; --s) {{
            const size_t other = drawn() % (s + 1), before = which[s];
            which[s] = which[other], which[other] = before;
        }}
        for (size_t i = 0; i < N * IN; ++i) xs[i] = {draw};
        if ({p}_step_many(lanes, slots, which, xs, ys, n) != n) return 1;
        for (size_t s = 0; s < n; ++s) {{
            if ({p}_step(alone + which[s], xs + s * IN, y)) return 2;
            if (memcmp(y, ys + s * OUT, sizeof y)) return 3;
        }}
        for (size_t s = 0; s < N; ++s) {{
            {p}_get(alone + s, carried);
            if (memcmp(carried, slots + s * CARRIED, CARRIED * sizeof *carried)) return 4;
        }}
    }}
    return 0;
}}
"""


def program(graphs: Sequence[Graph]) -> str:
    """The source that prints the number of each graph whose streams differ, and how."""
    parts = [HEAD]
    for i, graph in enumerate(graphs):
        p, named = f"m{i}", named_trace(graph, SCHEMES)
        code = write(named, p, "{}", include="", many=True).source
        code = numbered(code, p)
        dtypes = {name: named.manifest.dtype(name) for name in (INPUT, OUTPUT)}
        draw = {
            "int32": f"(int32_t)(drawn() % {graph.vocabulary_size or 1}u)",
            "float32": "(float)drawn() / 2147483648.0f - 1",
        }
        facts = {
            "p": p,
            "P": p.upper(),
            "streams": STREAMS,
            "steps": STEPS,
            "inputs": graph.inputs,
            "outputs": graph.outputs,
            "unit": "uint8_t" if any(name in named.manifest.quantization for name in graph.states) else "float",
            "frame": C_TYPES[dtypes[INPUT]],
            "answer": C_TYPES[dtypes[OUTPUT]],
            "draw": draw.get(dtypes[INPUT], f"({C_TYPES[dtypes[INPUT]]})(int)(drawn() >> 8)"),
        }
        parts += [code, DRIVER.format(**facts)]
    each = "".join(f'    if ((how = m{i}_compared())) printf("{i} %d\\n", how);\n' for i in range(len(graphs)))
    return "".join((*parts, f"int main(void) {{\n    int how;\n{each}    return 0;\n}}\n"))
