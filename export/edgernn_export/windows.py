"""The public function that converts a file of another tool to a model of whole windows."""

import os
from collections.abc import Mapping

from edgernn.errors import UsageError
from edgernn.model.window import Window
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.suffixes import SOURCES
from edgernn_export.translate import reading, source_of


def window_from_file(
    path: str | os.PathLike[str],
    *,
    period_ms: float | None = None,
    labels: tuple[str, ...] = (),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Window:
    """Convert a model file of Keras whose recurrent layers run in both directions; it takes whole windows.

    The layers are a chain. Each Bidirectional returns sequences and joins both directions, or takes their mean. The
    answer is one for each frame, or with GlobalAveragePooling1D as the last layer one for the window. Only `.onnx`
    holds such a model.

    Args:
        path: the file. Nothing outside it is read, and no code in it is run.
        period_ms: the time from one frame to the next.
        labels: a name for each output, stored with the model.
        shapes: the shape of an input whose sizes the file leaves open, by name.

    Returns:
        The model in float32.

    Raises:
        UsageError: no source reads whole windows of this suffix, or no layer runs backwards.
        FileError: the file cannot be read, or is damaged.
        UnsupportedError: the layers are no chain, or a layer is not read (the message names it and what to do).
        ParityError: a stage and its layers differ.
        MissingExtraError: a package that reads such files is not installed.
    """
    source = source_of(os.fspath(path))
    if not source.windows:
        files = ", ".join(suffix for suffix, each in SOURCES.items() if each.windows)
        raise UsageError(f"'{os.fspath(path)}' is not read as whole windows; only {files} are")
    options = ImportOptions(period_ms=period_ms, labels=tuple(labels), shapes=shapes or {})
    window: Window = reading(source, "window").read_window(os.fspath(path), options)
    return window
