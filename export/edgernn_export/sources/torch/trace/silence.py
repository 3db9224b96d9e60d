"""Suppression of torch's output while it traces a module; errors carry all information."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


@contextmanager
def silence() -> Iterator[None]:
    """Suppress this thread's log records of torch, writes to sys.stderr and warnings; other threads are unaffected.

    With TORCH_LOGS set, torch's log is not suppressed. Only one thread may be inside at a time.
    """
    thread = threading.get_ident()
    handlers = () if os.environ.get("TORCH_LOGS") else _handlers()
    before = sys.stderr

    def passes(record: logging.LogRecord) -> bool:
        return record.thread != thread or record.name.partition(".")[0] != "torch"

    for handler in handlers:
        handler.addFilter(passes)
    ours: Any = None if before is None else _OtherThreads(before, thread)
    sys.stderr = ours
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        if sys.stderr is ours:  # unless other code has replaced it meanwhile
            sys.stderr = before
        for handler in handlers:
            handler.removeFilter(passes)


def _handlers() -> list[logging.Handler]:
    """Return every handler that a record of torch may reach."""
    handlers = {id(handler): handler for handler in [*logging.root.handlers, logging.lastResort] if handler is not None}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "torch":
            handlers |= {id(handler): handler for handler in logger.handlers}
    return list(handlers.values())


class _OtherThreads:
    """A text stream that drops the writes of one thread."""

    def __init__(self, stream: TextIO, thread: int) -> None:
        self._stream, self._thread = stream, thread

    def write(self, text: str) -> int:
        """Write as a text stream does, unless this is the silent thread."""
        return len(text) if threading.get_ident() == self._thread else self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write as a text stream does, unless this is the silent thread."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
