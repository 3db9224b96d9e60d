"""The shared library: the C step compiled for a processor, and a loader that needs nothing but Python beside it."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import dump_manifest
from edgernn.device import isa
from edgernn.device.board import Device
from edgernn.errors import UnsupportedError
from edgernn.integer.overflow import HELD
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.tensor import SCHEMES
from edgernn_export.targets.c.compiler import Compiler, for_board, for_this_machine, shared_library
from edgernn_export.targets.c.pack import number
from edgernn_export.targets.c.target import identifier, template, write
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import NamedTrace, plan

PREFIX = "edgernn"  # of the functions in every library, so that a loader knows them
LOADER = "_stream"  # not the library's own stem: Python would import the library in place of the loader


def render(graph: Graph, stem: str, destination: Destination) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of a `.so` file and its loader; the same for the same graph and compiler.

    Raises:
        UnsupportedError: nothing is known of the processor that it could be compiled for.
    """
    level, compiler = _compiler(destination.device)
    planned = plan(graph, SCHEMES)
    about = dump_manifest(replace(planned.manifest, cpu=level))
    _, code = write(planned, PREFIX, about, include="")
    library = fill(shared_library(code + _for_python(planned), compiler))
    return {f"{stem}.so": library, f"{identifier(stem)}{LOADER}.py": _loader(planned, stem, level, library).encode()}


def _for_python(planned: NamedTrace) -> str:
    """What a Python that loads the library finds beside the step: the step as its own function, and one in float."""
    quantization = planned.manifest.quantization
    steps = [{"name": "step", "kept": "state", "does": "advance"}]
    numbers = ""
    if INPUT in quantization or OUTPUT in quantization:
        numbers = template("numbers.c", {"prefix": PREFIX, **_turns(planned)})
        steps.append({"name": "numbers", "kept": "numbers", "does": "advance_numbers"})
    functions = (template("python_step.c", {"prefix": PREFIX, **each}) for each in steps)
    return "".join((numbers, template("python.c", {"prefix": PREFIX}), *functions))


def _turns(planned: NamedTrace) -> dict[str, object]:
    """What is done to each element before a step and after it, where x and y are integers."""
    graph, quantization, most = planned.graph, planned.manifest.quantization, number(planned.manifest.limit)
    within = f"if (!(all->x[i] <= {most} && all->x[i] >= -{most})) return 1;"
    before = (within, f"all->state.x[i] = {PREFIX}_x_of(all->x[i]);") if INPUT in quantization else ()
    after = (f"all->y[i] = {PREFIX}_number_of(all->state.y[i]);",) if OUTPUT in quantization else ()
    return {
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "before": "".join(f"    for (size_t i = 0; i < {graph.inputs}; ++i) {line}\n" for line in before),
        "after": "".join(f"    for (size_t i = 0; i < {graph.outputs}; ++i) {line}\n" for line in after),
    }


def _compiler(device: Device | None) -> tuple[str, Compiler]:
    """The level that the code is for, and what compiles it."""
    if device is None:
        level = isa.best()
        return level, for_this_machine(isa.level(level))
    if device.level is None or device.triple is None or device.cpu is None:
        raise UnsupportedError(
            f"level, triple or cpu of board '{device.name}' is unknown; export the .c file and compile it there"
        )
    return device.level, for_board(device.name, device.triple, device.cpu)


def _loader(planned: NamedTrace, stem: str, level: str, library: bytes) -> str:
    rows = planned.graph.vocabulary_size
    return template(
        "stream.py.txt",
        {
            "module": f"{identifier(stem)}{LOADER}",
            "title": f"{stem}: one step of a recurrent network from {stem}.so, with Python's standard library alone.",
            "stem": stem,
            "inputs": planned.graph.inputs,
            "outputs": planned.graph.outputs,
            "sha256": sha256(library).hexdigest(),
            "machine": isa.level(level).machine,
            "flags": sorted(isa.level(level).flags),
            "kind": "i" if rows else "f",
            "held": HELD,
            "bad": "an index outside the table" if rows else f"not finite, or beyond {planned.manifest.limit:.3g}",
        },
    )
