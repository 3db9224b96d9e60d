"""The shared library: the C step compiled for a processor, and a loader that needs nothing but Python."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import dump_manifest
from edgernn.device import isa
from edgernn.errors import UnsupportedError
from edgernn.integer.overflow import HELD
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.tensor import SCHEMES
from edgernn_export.targets.c import levels
from edgernn_export.targets.c.compiler import Compiler, for_board, for_this_machine, shared_library
from edgernn_export.targets.c.pack import literal
from edgernn_export.targets.c.target import identifier, template, write
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import NamedTrace, named_trace

PREFIX = "edgernn"  # of the functions in every library: loaders find them by name
LOADER = "_stream"  # behind the stem: Python would import the library itself under the same name


def render(graph: Graph, stem: str, destination: Destination) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of a `.so` file and its loader; the same for the same graph and compiler.

    Raises:
        UnsupportedError: the processor of the board is unknown.
    """
    chosen = compilers(destination)
    named, names = named_trace(graph, SCHEMES), tuple(chosen)
    manifest = dump_manifest(replace(named.manifest, cpu=isa.joined(names)))
    code = write(named, PREFIX, manifest, include="", many=True, apart=len(names) > 1)
    source = code.source + _for_python(named)
    if len(names) > 1:
        data = levels.library(code, source, PREFIX, chosen)
    else:
        data = shared_library(source, chosen[names[0]], code.binaries)
    library = fill(data)
    return {f"{stem}.so": library, f"{identifier(stem)}{LOADER}.py": _loader(named, stem, names, library).encode()}


def _for_python(named: NamedTrace) -> str:
    """The step as a function of CPython; where x or y are integers, also a step with float I/O."""
    conversion = numbers(named)
    whole = "numbers" if conversion else "state"  # the struct that the backend allocates, and the scratch behind it
    functions = _python_functions("state", "", whole)
    functions += _python_functions("numbers", "_numbers", whole) if conversion else ""
    return "".join((conversion, template("python.c", {"prefix": PREFIX, "whole": whole}), functions))


def numbers(named: NamedTrace) -> str:
    """The source of a step with float I/O; empty where neither x nor y are integers."""
    converts = {INPUT, OUTPUT} & named.manifest.quantization.keys()
    return template("numbers.c", {"prefix": PREFIX, **_float_io(named)}) if converts else ""


def _python_functions(stream: str, of: str, whole: str) -> str:
    """`step` and `prime` of a struct, as functions of CPython."""
    scratch = f"({PREFIX}_{stream} *)(({PREFIX}_{whole} *)stream + 1)"
    calls = {
        "step": (f"const int refused = {PREFIX}_advance{of}(stream)", "refused || due(stream)"),
        "prime": (f"{PREFIX}_prime{of}(stream, {scratch})", "0"),
    }
    return "".join(
        template(
            "python_step.c",
            {"prefix": PREFIX, "name": f"{name}{of}", "stream": stream, "call": call, "refused": refused},
        )
        for name, (call, refused) in calls.items()
    )


def _float_io(named: NamedTrace) -> dict[str, object]:
    """The conversion of each element before and after a step, where x and y are integers."""
    graph, quantization, most = named.graph, named.manifest.quantization, literal(named.manifest.limit)
    within = f"if (!(all->x[i] <= {most} && all->x[i] >= -{most})) return 1;"
    before = (within, f"all->state.x[i] = {PREFIX}_quantize_x(all->x[i]);") if INPUT in quantization else ()
    after = (f"all->y[i] = {PREFIX}_dequantize_y(all->state.y[i]);",) if OUTPUT in quantization else ()
    return {
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "before": "".join(f"    for (size_t i = 0; i < {graph.inputs}; ++i) {line}\n" for line in before),
        "after": "".join(f"    for (size_t i = 0; i < {graph.outputs}; ++i) {line}\n" for line in after),
    }


def compilers(destination: Destination) -> dict[str, Compiler]:
    """The levels that the code is compiled for, the best first, with their compilers.

    Raises:
        UnsupportedError: the processor of the board is unknown.
    """
    device = destination.device
    if device is None:
        return {name: for_this_machine(isa.level(name)) for name in destination.levels or (isa.best(),)}
    if device.level is None or device.triple is None or device.cpu is None:
        raise UnsupportedError(
            f"level, triple or cpu of board '{device.name}' is unknown; export the .c file and compile it there"
        )
    cpus = {name: isa.level(name).zig for name in destination.levels} or {device.level: device.cpu}
    return {name: for_board(device.name, device.triple, cpu) for name, cpu in cpus.items()}


def _loader(named: NamedTrace, stem: str, names: tuple[str, ...], library: bytes) -> str:
    symbols = named.graph.vocabulary_size
    return template(
        "stream.py.txt",
        {
            "module": f"{identifier(stem)}{LOADER}",
            "title": f"{stem}: one step of a recurrent network from {stem}.so, with Python's standard library alone.",
            "stem": stem,
            "inputs": named.graph.inputs,
            **_loader_parts(named.graph),
            "sha256": sha256(library).hexdigest(),
            "machine": isa.level(names[0]).machine,
            "flags": [sorted(isa.level(name).flags) for name in names],
            "hwcap": dict(isa.HWCAP.get(isa.level(names[0]).machine, {})),
            "typecode": "i" if symbols else "f",
            "largest_state": HELD,
            "invalid": "an index outside the table" if symbols else f"not finite, or beyond {named.manifest.limit:.3g}",
        },
    )


def _loader_parts(graph: Graph) -> dict[str, str]:
    """The lines of the loader that take several frames or inputs, and return several outputs by name."""
    step, methods, count = "stream.step(list(map(_value, cells)))", "", graph.frames_per_step
    if count > 1:
        step, methods = "stream.step(stream.joined(rows))", template("frames.py.txt", {})
    if graph.named_inputs:
        methods += template("inputs.py.txt", {})
    if graph.named_outputs:
        methods += template("outputs.py.txt", {})
        step = f"[value for part in {step}.values() for value in part]"
    names = ", ".join(f"{width} of '{name}'" for name, width in graph.named_outputs.items())
    answer = "answers[i : i + self.outputs]"
    return {
        "answer": f"arrays of floats by name: {names}" if names else f"array of {graph.outputs} floats",
        "flat": "            frame = self._flat(frame)\n" if graph.named_inputs else "",
        "by_name": f"self._by_name({answer})" if graph.named_outputs else answer,
        "printed": step,
        "methods": methods,
        **_lines_of_frames(count),
    }


def _lines_of_frames(count: int) -> dict[str, str]:
    """The lines of the loader that gather the frames of a step from lines of text."""
    lines = {
        "rows": "    rows = []\n",
        "gathered": f"                rows.append(list(map(_value, cells)))\n            if len(rows) == {count}:\n",
        "taken": "                rows = []\n",
        "left": f'    if rows:\n        print("%d frames remain: a step takes {count}" % len(rows), file=sys.stderr)\n',
    }
    return lines if count > 1 else dict.fromkeys(lines, "")
