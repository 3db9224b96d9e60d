"""`edgernn export`: write a model as the files that devices run."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.calibration import (
    CALIBRATING,
    calibration_options,
    check_calibration,
    read_calibration,
)
from edgernn.commands.options.model import load_model
from edgernn.commands.options.packaging import PACKING, package_options, parsed_package, parsed_precisions
from edgernn.commands.options.project import PROJECTED, folders_of, kind_of, project_option
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgernn.model.graph import Graph
    from edgernn.passes.prepare import Calibration
    from edgernn_export.packaging.options import PackageOptions

    Writer = Callable[[Graph, Mapping[str, Any]], dict[str, bytes]]


FOREIGN = (".dll", ".dylib")


@click.command(no_args_is_help=True)
@click.argument("model", type=PATH)
@click.argument("out", nargs=-1, required=True, type=PATH)
@click.option(
    "--weights", type=PATH, metavar="FILE", help="Load a .safetensors or .pt state dict into the module first."
)
@click.option("--example", metavar="SHAPE", help="Shape of one sequence, such as 1x50x40.")
@shared.time_axis
@shared.period
@shared.labels
@shared.precision()
@shared.keep
@click.option("--runtime", metavar="PACKAGE", help="Write for this runtime, such as tflite-runtime.")
@shared.board(None)
@click.option("--levels", metavar="NAMES", help="Levels of processors that one .so holds: all, or names with commas.")
@project_option
@package_options
@calibration_options
@shared.as_json
def export(
    model: str,
    out: tuple[str, ...],
    precision: str | None,
    keep: tuple[str, ...],
    runtime: str | None,
    board: str | None,
    levels: str | None,
    kind: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a model as files for devices, or as a project folder.

    The suffix of OUT is .onnx, .tflite, .so, .dll, .dylib, .c, .wasm, .rnn or .edge.

    MODEL is a .rnn file, a .edge package, the file of another tool as `edgernn import` reads it, or
    package.module:factory. The factory takes no arguments and returns a torch module, or a pair of the module and
    an example input; without a pair, give --example. --labels and --period are stored in the files. A static
    precision needs the ranges of a calibrated model, or --calibrate. A .so is compiled for this machine, or for the
    --board; with --levels all for each level of processors, and takes the best when it is loaded. A .dll is for
    Windows on x86-64, a .dylib for macOS on ARM; what is printed says whether it was tested. A .edge is a package:
    the graph, the formats of --to, a manifest and recorded answers, which `edgernn verify` replays; it may be for
    several boards, --board A,B, and have cheaper precisions, --also, for a busy machine. A name without a suffix is
    a new folder, --as what a tool or a language expects, such as a library for Arduino. Nothing is written unless
    every file is proved.
    """
    from edgernn.artifact import rnn

    packing, learning = ({name: options.pop(name) for name in names} for names in (PACKING, CALIBRATING))
    folders = folders_of(out, kind)
    _check_packing(packing, out, folders)
    also = parsed_precisions(packing.pop("also"))
    _check_precisions(tuple(filter(None, (precision, *also))), keep, learning)
    package = parsed_package(**packing)
    writers = {
        path: _folder_writer(path, kind_of(path, kind, board), package, runtime, board, levels)
        if path in folders
        else _writer(path, package, runtime, board, levels)
        for path in out
    }
    loaded = load_model(model, options)
    calibration = read_calibration(loaded.model, learning)
    graph, *further = (_quantize(loaded.model, each, keep, calibration) for each in (precision, *also))
    beside: dict[str, Any] = {"also": tuple(further)}
    if loaded.encoder is not None:
        _check_pair(model, out)
        beside |= {"translation": loaded.translation, "encoder": _quantize(loaded.encoder, precision, (), calibration)}
    rendered: dict[str, dict[str, bytes]] = {}
    with bar("exporting", len(writers)) as step:
        for path, write in writers.items():
            rendered[path] = write(graph, beside)
            step(1, path)
    files = _written(rendered, folders)
    sizes, elsewhere = {path: len(data) for path, data in files.items()}, _elsewhere(files)
    if as_json:
        result = {"graph": rnn.digest(graph), "precision": graph.precision, "files": sizes}
        click.echo(json.dumps(result | ({"systems": elsewhere} if elsewhere else {})))
    else:
        for path, size in sizes.items():
            click.echo(f"{path}  {size:,} bytes" + (f"  for {elsewhere[path]}" if path in elsewhere else ""))


def _elsewhere(files: dict[str, bytes]) -> dict[str, str]:
    """Return the libraries for other operating systems: the system of each, and whether it was tested."""
    from edgernn.artifact.manifest import parse_manifest

    return {path: parse_manifest(data, path).cpu for path, data in files.items() if _suffix(path) in FOREIGN}


def _written(rendered: "Mapping[str, Mapping[str, bytes]]", folders: "Sequence[str]") -> dict[str, bytes]:
    """Write the files of each output, and create the folders; return all of them by path.

    Raises:
        UsageError: two outputs have a file in common; nothing is written.
        FileError: one cannot be written.
    """
    from edgernn.errors import UsageError
    from edgernn.files import atomic, folder

    files: dict[str, bytes] = {}
    for path in (each for each in rendered if each not in folders):
        for both in (each for each in rendered[path] if files.get(each, rendered[path][each]) != rendered[path][each]):
            raise UsageError(f"two of the artifacts write '{both}'; choose another name for '{path}'")
        files |= rendered[path]
    for path in files:
        atomic.writable(path)
    for path in folders:
        folder.create(path, rendered[path])
    atomic.write_all(files)
    inside = {os.path.join(path, name): data for path in folders for name, data in rendered[path].items()}
    return inside | files


def _check_packing(packing: dict[str, Any], out: tuple[str, ...], folders: "Sequence[str]") -> None:
    """Check that what only a package has arrived for one.

    Raises:
        UsageError: it did not.
    """
    from edgernn.errors import UsageError

    for name, value in packing.items():
        if value is not None and not (".edge" in map(_suffix, out) or (folders and name in PROJECTED)):
            raise UsageError(f"--{name.replace('_', '-')} arrived for '{out[0]}'; only a .edge package has it")


def _writer(
    path: str, package: "PackageOptions", runtime: str | None, board: str | None, levels: str | None
) -> "Writer":
    """Return what renders the files of a path, a package with what is beside its graph.

    A name that does not exist is refused before a model is read.
    """
    from dataclasses import replace

    from edgernn.artifact import rnn
    from edgernn_export.targets.destination import destination_of
    from edgernn_export.translate import render, target_of

    if _suffix(path) == ".edge":
        from edgernn_export.packaging.compose import compose, destinations

        boards = tuple(board.split(",")) if board else ()
        destinations(package, boards, runtime, levels)
        return lambda graph, beside: {path: compose(graph, path, replace(package, **beside), boards, runtime, levels)}
    if _suffix(path) == rnn.SUFFIX:
        destination_of(path, runtime, board, levels)
        return lambda graph, _: {path: rnn.dumps(graph)}
    target_of(path)
    destination = destination_of(path, runtime, board, levels)
    return lambda graph, _: render(graph, path, destination)


def _folder_writer(
    path: str, kind: str, package: "PackageOptions", runtime: str | None, board: str | None, levels: str | None
) -> "Writer":
    """Return what renders a folder, as `_writer` does a file."""
    from edgernn.errors import UsageError
    from edgernn_export.projects.write import check, rendered

    for option, value in {"--runtime": runtime, "--levels": levels}.items():
        if value is not None:
            raise UsageError(f"{option} {value} arrived for the folder '{path}', which has none: leave it out")
    check(path, kind, board)
    return lambda graph, _: rendered(graph, path, kind, board, package)


def _suffix(path: str) -> str:
    return Path(path).suffix


def _check_precisions(precisions: tuple[str, ...], keep: tuple[str, ...], learning: dict[str, Any]) -> None:
    """Check that the options of quantization have a precision that they are for.

    Raises:
        UsageError: they have none.
    """
    from edgernn.errors import UsageError
    from edgernn.model.tensor import STATIC

    check_calibration(next((each for each in precisions if each in STATIC), None), learning)
    options = {f"--keep {keep[0]}" if keep else "": keep, "--calibrate": learning["calibrate"]}
    for option, value in options.items():
        if value and not precisions:
            raise UsageError(f"{option} needs --precision, which is missing")


def _quantize(graph: "Graph", precision: str | None, keep: tuple[str, ...], calibration: "Calibration") -> "Graph":
    from edgernn.errors import UsageError
    from edgernn.model.tensor import STATIC
    from edgernn.passes.calibrate import calibrate
    from edgernn.passes.quantize import quantize

    if precision is None:
        return graph
    sequences, known = calibration.sequences, graph
    if sequences and precision in STATIC:
        known = calibrate(graph, sequences, calibration.method, growing=calibration.growing)
    smaller = quantize(known, precision, keep=keep, sequences=sequences)
    if precision not in smaller.precision.split("+"):
        raise UsageError(f"no layer is left to quantize as {precision}: the model stays {smaller.precision}")
    return smaller


def _check_pair(model: str, out: tuple[str, ...]) -> None:
    """Check that an encoder and a decoder stay together.

    Raises:
        UsageError: an output has one model.
    """
    from edgernn.errors import UsageError

    for path in out:
        if _suffix(path) != ".edge":
            raise UsageError(f"'{model}' has an encoder and a decoder, and '{path}' holds one model; write a .edge")
