"""The public functions: `from_torch` converts a model to a graph, `export` writes a graph to a file."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgernn.artifact.checksum import is_artifact
from edgernn.device.runtimes import running
from edgernn.errors import MissingExtraError, UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.model.graph import Graph
from edgernn.model.window import ONLY_ONNX, Window
from edgernn.package.archive import SUFFIX as EDGE
from edgernn.process import interrupt
from edgernn.runtime.program import load
from edgernn_export.packaging.options import PackageOptions
from edgernn_export.proof.floats import prove_window
from edgernn_export.proof.levels import prove_each_level
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.foreign.own import original
from edgernn_export.sources.suffixes import SOURCES, Source
from edgernn_export.targets import TARGETS
from edgernn_export.targets.destination import Destination, destination_of, runs_here
from edgernn_export.targets.target import Target
from edgernn_export.weights import torch_source

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram


def from_torch(
    module: "nn.Module | ExportedProgram",
    example: Any,
    *,
    time_axis: int | None = None,
    period_ms: float | None = None,
    labels: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    states: Mapping[str, str | int] | None = None,
    running: tuple[str, ...] = (),
) -> Graph:
    """Convert a trained module and prove that the graph computes the same.

    A copy of the module in float64 is traced by torch.export; the module is not changed, and nothing is printed.
    Parametrized weights, such as weight norms, take their current values. A module that returns its last step becomes a
    graph whose output is valid at every step. Conversions in several threads run one after another.

    A module that returns several results has several outputs, `graph.named_outputs`. Their names are the keys of a
    dictionary, the fields of a NamedTuple or a dataclass, or "0", "1" of a tuple. Several sequences among its arguments
    are several inputs, `graph.named_inputs`, with the names that forward has for them.

    Args:
        module: in eval mode, or scripted or traced to TorchScript; or a torch.export.ExportedProgram, whose mutated
            buffers are states.
        example: one sequence, shaped as the module takes it, of at least two steps; for a module that takes its states
            as arguments, the tuple of one frame, or a sequence, and the states, whose values do not matter. None stands
            for an optional argument. Several arguments are a tuple, or a dictionary by their names.
        time_axis: which axis of the example is time, when no recurrent layer or convolution shows it.
        period_ms: the time from one frame to the next, stored with the model.
        labels: a name for each output, stored with the model; for each element of several, in their order.
        inputs: the names of the arguments that are frames and not states, where a module takes one frame of each; by
            default all sequences that are as long as the first, of single frames the first, and flags that reset
            states. One beside several frames, such as a flag, is an input of each frame.
        outputs: the names of the results to take; by default all but states.
        states: for each state among the arguments, the result that it is in the next step, by the result's name or
            position: {"h": "h_out"} or {"h": 1}. By default they are matched by name, by the structure of tuples and
            dictionaries, and then in order and by shape. A state that forward writes into needs no result.
        running: what may run over time, which else is refused: "mean", "max". Each step then answers with the mean, or
            the largest number, of the frames so far; after the last frame of a sequence it is the module's answer.

    Returns:
        The graph in float32.

    Raises:
        UsageError: `labels`, `inputs`, `outputs` or `running` is a single string, a name in them or in `states` does
            not exist, or nothing runs over time as `running` says.
        UnsupportedError: an operation cannot stream or is not known (the message names its module and what to do); the
            module draws random numbers, keeps state besides tensors, overflows, is quantized by torch or is compiled to
            TorchScript; it returns something that no layer computes; or a state is not fed back, or may be by several.
        ParityError: module and graph differ by more than 1e-9 in float64; the message names the first step and layer.
        MissingExtraError: torch is not installed.
    """
    lists: Any = {"labels": labels, "inputs": inputs, "outputs": outputs, "running": running}
    for option, names in lists.items():
        if isinstance(names, str):
            raise UsageError(
                f"{option}={names!r} is a single string; pass a tuple with a name for each, such as ('yes', 'no')"
            )
    source = torch_source("source")
    chosen = source.Options(tuple(inputs or ()), tuple(outputs or ()), states or {}, frozenset(running or ()))
    graph: Graph = source.convert(module, example, time_axis, period_ms, tuple(labels or ()), chosen)
    return graph


def from_file(
    path: str | os.PathLike[str],
    *,
    states: Mapping[str, str] | None = None,
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    time_axis: int | None = None,
    period_ms: float | None = None,
    labels: tuple[str, ...] = (),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    constants: Mapping[str, float] | None = None,
    running: tuple[str, ...] = (),
) -> Graph:
    """Convert a model file of another tool and prove that the graph computes the same.

    The suffix tells the tool: `.onnx`, `.tflite`, `.keras` and `.h5` of Keras, `.json` of RTNeural and of amplifier
    trainers, `.nam`. The file is read as a torch module. That is replayed against the file's own runtime, where it is
    installed, on random inputs from random states; then `from_torch` converts it and proves the graph in float64. A
    file that edgernn exported becomes the graph that it was made from.

    Args:
        path: the file. Nothing outside it is read, and no code in it is run.
        states: for each input that is a state, the output that it is in the next step: {"h": "h_out"}. By default they
            are matched by name, then in order and by shape.
        inputs: the names of the inputs that are frames; by default all that are no states.
        outputs: the names of the outputs to take; by default all that are no states.
        time_axis: which axis of the inputs is time, when no recurrent layer or convolution shows it.
        period_ms: the time from one frame to the next, when the file does not say.
        labels: a name for each output, stored with the model.
        shapes: the shape of an input whose sizes the file leaves open, by name.
        constants: the value of an input that is the same in every step, such as a sample rate, by name.
        running: what may run over time, as in `from_torch`: "mean", "max".

    Returns:
        The graph in float32.

    Raises:
        UsageError: no source reads this suffix, or a name does not exist.
        FileError: the file cannot be read, or is damaged.
        UnsupportedError: an operation cannot stream or is not known (the message names it and what to do), or a state
            is not fed back or changes nothing.
        ParityError: the graph, the module and the file's own runtime differ.
        MissingExtraError: a package that reads such files is not installed.
    """
    options = ImportOptions(
        states or {}, tuple(inputs), tuple(outputs), time_axis, period_ms, tuple(labels), shapes or {}, constants or {},
        tuple(running),
    )  # fmt: skip
    return read(os.fspath(path), options)[0]


def read(path: str, options: ImportOptions) -> tuple[Graph, str]:
    """Return the graph of a model file, as `from_file` does, and what it was compared with; "" for nothing."""
    source = source_of(path)
    own = _written_here(source, path) if options == ImportOptions() else None
    if own is not None:
        return own, "the hash in the file"
    reading(source, "check").check(path)
    model = reading(source, "read").read(path, options)
    graph: Graph = import_module("edgernn_export.sources.foreign.convert").graph_of(model, frozenset(options.running))
    return graph, model.runtime if model.original is not None else ""


def _written_here(source: Source, path: str) -> Graph | None:
    """Return the graph that an artifact of edgernn was made from; None for other files.

    It is the graph only if writing it gives this very file: some weights are in the text of the graph, and the file
    computes with a sum of them.
    """
    data = atomic.read(path)
    if not source.artifacts or not is_artifact(data):
        return None
    graph = original(data, path, *reading(source, "own").contents(data))
    name, target = Path(path).name, TARGETS[Path(path).suffix]
    destinations = (destination_of(name, each.package) for each in running(target.suffix))
    written = (graph and _rendered(target.module, graph, Path(path).stem, each)[name] for each in destinations)
    return graph if any(each == data for each in written) else None


def source_of(name: str) -> Source:
    """Return the source that reads files of this suffix.

    Raises:
        UsageError: there is none.
    """
    source = SOURCES.get(Path(name).suffix)
    if source is None:
        raise UsageError(f"no source reads '{name}'; there are {', '.join(SOURCES)}")
    return source


def reading(source: Source, module: str) -> Any:
    """Import a module of a source."""
    try:
        return import_module(source.module(module))
    except ImportError as error:
        extra = {"torch": "train", source.library: source.extra}.get(error.name or "")
        if not extra:
            raise
        raise MissingExtraError(str(error.name), extra, f"reading {source.content}") from error


def export(
    graph: Graph | Window,
    path: str | os.PathLike[str],
    *,
    device: str | os.PathLike[str] | None = None,
    runtime: str | None = None,
    levels: str | Sequence[str] | None = None,
    package: PackageOptions | None = None,
) -> None:
    """Write a graph as an artifact of one step; before that, prove it against numpy on its runtime.

    Args:
        graph: the graph, in its own precision; float64 is written as float32. A Window is written as an artifact of
            whole windows, which only `.onnx` supports.
        path: the suffix selects the target: `.onnx`, `.tflite`, `.so` (also writes a loader for boards without numpy
            beside it), `.c` (also writes the `.h`), or `.wasm` (also writes the `.mjs` that runs it and its types; the
            proof runs in node, or where there is none as that of a `.so` for another board), or `.dll` for Windows on
            x86-64 and `.dylib` for macOS on ARM (also write the `.h`; proved as a `.so` is, and labelled untested
            unless wine ran it). A `.edge` is a package of some of these, and of the graph.
        device: the board that will run it, as edgernn.device.board.load takes it. A `.so` is compiled for it; the proof
            runs the same code compiled for this machine, and the library tests itself when it is loaded.
        runtime: the package that will run it, where a format has several: "ai-edge-litert" (the default) or
            "tflite-runtime" for `.tflite`.
        levels: "all", or names of levels of processors: a `.so` has the step for each, the weights once, and takes the
            best when it is loaded. By default there is one, that of this machine or of the board.
        package: what a `.edge` package holds; by default the graph alone, which every device runs on numpy.

    Raises:
        UsageError: no target writes this suffix, the runtime does not run it, or there is no such board or level.
        UnsupportedError: the board cannot run such a file, or its format cannot hold a Window.
        MissingExtraError: the target or its runtime is not installed.
        CompilerError: there is no C compiler, or it fails.
        ParityError: the artifact and the graph differ; nothing is written.
        FileError: the path cannot be written.
    """
    name = os.fspath(path)
    if Path(name).suffix == EDGE:
        devices = () if device is None else (device,)
        compose = import_module("edgernn_export.packaging.compose").compose
        atomic.write(name, compose(graph, name, package or PackageOptions(), devices, runtime, levels))
        return
    if package is not None:
        raise UsageError(f"what a package holds arrived for '{name}'; only a {EDGE} file holds it")
    target_of(name, graph)
    atomic.write_all(render(graph, name, destination_of(name, runtime, device, levels)))


@interrupt.deferred()
def render(graph: Graph | Window, name: str, destination: Destination | None = None) -> dict[str, bytes]:
    """Return the files that `export` would write, proved: path -> bytes; by default for the usual runtime."""
    if not isinstance(graph, Graph | Window):
        raise UsageError(f"a {type(graph).__name__} arrived; expected a Graph: convert a module with from_torch first")
    path, target = Path(name), target_of(name, graph)
    if not path.stem.isprintable() or set(path.stem) & set('"\\'):
        raise UsageError(
            f"{path.stem!r} cannot be the name of a file that generated code refers to; use letters, digits, - and _"
        )
    destination = destination or destination_of(name)
    if isinstance(graph, Window):
        data = _rendered(target.window, graph, path.stem, destination)[path.name]
        prove_window(graph, load(data, name, running(path.suffix)[0].backend))
        return {name: data}
    files = _rendered(target.module, graph, path.stem, destination)
    if not (target.replay and import_module(target.replay).prove(graph, path.name, files)):
        _prove(graph, name, files, target, destination)
    return {str(path.with_name(file)): data for file, data in files.items()}


def _prove(graph: Graph, name: str, files: dict[str, bytes], target: Target, destination: Destination) -> None:
    """Prove the files of a target, or the same code in a form that this machine can run."""
    proof, stem, here = TARGETS[target.proved_by or target.suffix], Path(name).stem, runs_here(destination)
    if proof is not target or here != destination:
        files = _rendered(proof.module, graph, stem, here)
    prove_each_level(graph, load(files[f"{stem}{proof.suffix}"], name, running(proof.suffix)[0].backend))


def _rendered(module: str, graph: Graph | Window, stem: str, destination: Destination) -> Any:
    return import_module(module).render(graph, stem, destination)


def target_of(name: str, graph: Graph | Window | None = None) -> Target:
    """Return the target that writes a graph, or a window, to a file of this suffix.

    Raises:
        UsageError: no target has this suffix.
        UnsupportedError: a window arrived, and no target of this suffix writes windows.
    """
    target = TARGETS.get(Path(name).suffix)
    if isinstance(graph, Window) and not (target and target.window):
        raise UnsupportedError(f"a Window cannot be written as '{name}': {ONLY_ONNX}")
    if target is None:
        raise UsageError(f"no target writes '{name}'; there are {', '.join(sorted(TARGETS))}")
    return target
