"""What torch writes to stderr while it follows a module: nothing, for the error says what is to be known."""

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
    """Leave out this thread's log records of torch, its writes to sys.stderr, and warnings; other threads write on.

    Who sets TORCH_LOGS asks for torch's log, and gets it. Two threads must not be inside at once.
    """
    thread = threading.get_ident()
    handlers = () if os.environ.get("TORCH_LOGS") else _handlers()
    before = sys.stderr

    def keeps(record: logging.LogRecord) -> bool:
        return record.thread != thread or record.name.partition(".")[0] != "torch"

    for handler in handlers:
        handler.addFilter(keeps)
    ours: Any = None if before is None else _Others(before, thread)
    sys.stderr = ours
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        if sys.stderr is ours:  # and not what somebody else put there meanwhile
            sys.stderr = before
        for handler in handlers:
            handler.removeFilter(keeps)


def _handlers() -> list[logging.Handler]:
    """Whatever a record of torch may reach."""
    found = {id(handler): handler for handler in [*logging.root.handlers, logging.lastResort] if handler is not None}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "torch":
            found |= {id(handler): handler for handler in logger.handlers}
    return list(found.values())


class _Others:
    """A stream as it is, but for the writes of one thread, which are dropped."""

    def __init__(self, stream: TextIO, thread: int) -> None:
        self._stream, self._thread = stream, thread

    def write(self, text: str) -> int:
        """As of any text stream."""
        return len(text) if threading.get_ident() == self._thread else self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As of any text stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
