"""The WebAssembly module: the C step, with what JavaScript needs to call it, and the types of that."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from string import Template

from edgernn.artifact.checksum import fill, verify
from edgernn.artifact.manifest import dump_manifest
from edgernn.integer.overflow import HELD
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn_export.targets.c.compiler import web_assembly
from edgernn_export.targets.c.library import PREFIX, numbers
from edgernn_export.targets.c.target import write
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import named_trace

CPU = "wasm32-simd128"
CALLED = ("about", "advance", "get", "places", "reset", "self_test_at", "set", "size")
CONVERTS = ("advance_numbers", "number_places")  # where x or y are integers
STACK = 1 << 16  # bytes, besides a stream's struct: the self-test has one there
HEADER = "edgernn.h"


def render(graph: Graph, stem: str, _destination: Destination) -> Mapping[str, bytes]:
    """The `.wasm` file with its checksum, the ES module `.mjs` that runs it, and the types of that, `.d.mts`.

    Raises:
        CompilerError: ziglang is not installed, or it fails.
    """
    named = named_trace(graph, SCHEMES)
    manifest = dump_manifest(replace(named.manifest, cpu=CPU))
    include = f'#undef {PREFIX.upper()}_NO_FLOAT\n#include "{HEADER}"'  # WebAssembly has floating point
    code, conversion = write(named, PREFIX, manifest, include), numbers(named)
    exported = [f"{PREFIX}_{name}" for name in (*CALLED, *(CONVERTS if conversion else ()))]
    stack = STACK + sum(field.nbytes for field in code.sizes.fields) + code.sizes.padding
    module = fill(web_assembly({"model.c": code.source + conversion, HEADER: code.header}, exported, stack))
    facts = {
        "stem": stem,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "checksum": verify(module, f"{stem}.wasm"),
        "largest_state": HELD,
    }
    scripts = {f"{stem}.{suffix}": _template(f"module.{suffix}", facts) for suffix in ("mjs", "d.mts")}
    return {f"{stem}.wasm": module, **scripts}


def _template(name: str, facts: Mapping[str, object]) -> bytes:
    text = files("edgernn_export.targets.wasm").joinpath("templates", name).read_text()
    return Template(text).substitute(facts).encode()
