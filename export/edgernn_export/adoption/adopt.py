"""Adopting a file: it is tried in a process of its own, read, put behind a contract, proved and written."""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from edgernn.array import Array
from edgernn.artifact.checksum import KEY
from edgernn.artifact.manifest import Manifest
from edgernn.device.runtimes import running
from edgernn.errors import MissingExtraError, UsageError
from edgernn.files import atomic
from edgernn.process import interrupt
from edgernn.runtime.program import load
from edgernn_export.adoption.contract import artifact, manifest_of
from edgernn_export.adoption.options import AdoptOptions
from edgernn_export.adoption.original import Original
from edgernn_export.adoption.proof import prove, recorded
from edgernn_export.adoption.roles import roles_of, shapes_of
from edgernn_export.adoption.trial import attempt

READERS: Mapping[str, str] = {
    ".onnx": "edgernn_export.adoption.onnx",
    ".tflite": "edgernn_export.adoption.tflite",
}
"""Suffix -> the module that opens such files: `opened(data, name, shapes) -> Original`."""


def adopt(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    states: Mapping[str, str] | None = None,
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    constants: Mapping[str, float] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    context: int | Mapping[str, int] = 0,
    delay_frames: int = 0,
    initial_state: Mapping[str, Array] | None = None,
    period_ms: float | None = None,
    labels: tuple[str, ...] = (),
) -> Manifest:
    """Make a model file of another tool an artifact that streams, without changing a byte of it.

    The artifact begins with the bytes of the file, and a manifest follows: what is a frame, a state, a constant and an
    answer, and what the file answers to a few random frames. `edgernn.open` compares these answers with those of the
    runtime there. Every state is proved to change and to change answers, and the stream to answer as plain calls do.

    Args:
        path: an `.onnx` or `.tflite` file whose states are inputs and outputs. Nothing outside it is read.
        out: the artifact, of the same suffix.
        states: for each input that is a state, the output that it is in the next step: {"h": "h_out"}. By default they
            are matched by name, then in order and by shape.
        inputs: the names of the inputs that are frames; by default all that are no states.
        outputs: the names of the outputs to take; by default all that are no states, or the first where all are.
        constants: the value of an input that is the same in every step, such as a sample rate, by name.
        shapes: the shape in one step of an input whose sizes the file leaves open, by name.
        context: how many of the last numbers of an input stand in front of the next frame; by name where there are
            several inputs.
        delay_frames: by how many frames answers are late.
        initial_state: initial states that are not zero, by name.
        period_ms: the time from one frame to the next.
        labels: a name for each output.

    Returns:
        The manifest.

    Raises:
        UsageError: an option does not fit, or a suffix is none of these.
        FileError: the file cannot be read, is damaged, keeps weights in other files, or was written by edgernn.
        UnsupportedError: its states are hidden or do not count, or its dtypes cannot be streamed.
        ParityError: the stream and plain calls of the runtime differ.
        MissingExtraError: the runtime is not installed.
    """
    lists: Any = {"inputs": inputs, "outputs": outputs, "labels": labels}
    for option, names in lists.items():
        if isinstance(names, str):
            raise UsageError(f"{option}={names!r} is a single string; pass a tuple with a name for each")
    options = AdoptOptions(
        states=states or {},
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        constants=constants or {},
        shapes=shapes or {},
        context=context,
        delay_frames=delay_frames,
        initial_state=initial_state or {},
        period_ms=period_ms,
        labels=tuple(labels),
    )
    name = os.fspath(path)
    _check_suffixes(name, os.fspath(out))
    data = atomic.read(name)
    whole, manifest = adopted(data, name, options)
    atomic.write(out, whole)
    return manifest


@interrupt.deferred()
def adopted(data: bytes, name: str, options: AdoptOptions) -> tuple[bytes, Manifest]:
    """Return the artifact of a file, proved, and its manifest."""
    suffix = Path(name).suffix
    if f'"{KEY}":"'.encode() in data:
        raise UsageError(f"'{name}' was written by edgernn: open it as it is")
    reader(suffix)
    attempt(name, options)
    original, shapes = open_original(data, name, options.shapes)
    manifest = manifest_of(data, original.runtime, roles_of(original, shapes, options), options)
    backend = running(suffix)[0].backend
    program = load(artifact(data, suffix, manifest), name, backend)
    positive = prove(program, original)
    manifest = recorded(program, original, positive=positive)
    whole = artifact(data, suffix, manifest)
    load(whole, name, backend)
    return whole, manifest


def open_original(
    data: bytes, name: str, stated: Mapping[str, tuple[int, ...]]
) -> tuple[Original, dict[str, tuple[int, ...]]]:
    """Return a file in its runtime, and the shape of each input in a step by its name there."""
    module = reader(Path(name).suffix)
    original: Original = module.opened(data, name, {})
    shapes = shapes_of(original.inputs, stated)
    if any(shapes[each.name] != each.default for each in original.inputs):
        original = module.opened(data, name, shapes)
    return original, shapes


def reader(suffix: str) -> Any:
    """Import the module that opens files of a suffix.

    Raises:
        MissingExtraError: its package is not installed.
    """
    try:
        return import_module(READERS[suffix])
    except ImportError as error:
        if error.name != "onnx":
            raise
        raise MissingExtraError("onnx", "export", "adopting an ONNX file") from error


def _check_suffixes(name: str, out: str) -> None:
    suffix = Path(name).suffix
    if suffix not in READERS:
        raise UsageError(f"'{name}' cannot be adopted; expected {' or '.join(READERS)}; `edgernn import` reads more")
    if Path(out).suffix != suffix:
        raise UsageError(f"'{out}' cannot hold '{name}', which stays as it is; give it the suffix {suffix}")
