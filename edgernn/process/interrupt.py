"""SIGINT and SIGTERM without losses: the handler sets a flag, and ordinary code raises the exception.

Python runs a handler between any two bytecodes, also inside a weakref callback or a `__del__`. It discards exceptions
from there, so the KeyboardInterrupt of the default handler can be lost. The handler here sets a flag that stays set
until the outermost block is left: `check` raises the exception, and so does the end of each block.

- `deferred` is for long phases: the handler only sets the flag. The phase calls `check` at every batch, candidate,
  trial or step, and waits by `sleep` or inside `waiting`.
- `prompt` is for the rest of a program: the handler sets the flag and also raises, which ends a blocking call.

A second signal ends the process by that signal as soon as Python runs its handler. Nothing is cleaned up, and the files
on disk are as after SIGKILL (`edgernn.files.temporary` removes the temporary ones in the next run). A second signal
within TWIN_S counts as the same request, because `timeout` and launchers signal the process and then its group.

An ignored signal stays ignored, as a shell sets it for background processes. The previous handler, including one in C,
is restored when the outermost block is left. Handlers belong to the main thread: in another thread the blocks install
nothing, and `check` raises for a signal to the main thread.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TWIN_S = 0.2
LONGEST_WAIT_S = 1.0  # a signal just before a system call does not end that call, but prevents the next one
ACTION_BYTES = 1024  # larger than struct sigaction on any Linux

Installed = tuple[int, Any, Any]
"""A signal that is handled here, its previous handler in Python, and the one in the kernel."""


class Interrupted(KeyboardInterrupt):
    """A signal requested the end of this process.

    Attributes:
        signal: SIGINT or SIGTERM.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"interrupted by {self.signal.name}")

    @property
    def code(self) -> int:
        """The exit code by the convention of shells: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal


@dataclass
class _Process:
    """The signal that this process received, and the mode of its handler."""

    received: int = 0  # the first signal; 0 if there is none
    at_s: float = 0.0
    depth: int = 0  # of nested blocks in the main thread
    raises: bool = False  # whether the handler raises
    handlers: dict[int, Any] = field(default_factory=dict)  # of each signal inside the blocks


_process = _Process()


def check() -> None:
    """Raise Interrupted if a signal has arrived, at every call until the outermost block is left.

    Raises:
        Interrupted: a signal has arrived inside `deferred` or `prompt`.
    """
    if _process.received:
        raise Interrupted(_process.received)


@contextmanager
def deferred() -> Iterator[None]:
    """A block in which a signal does not raise at once: the next `check` raises, or the end of the block.

    Blocks may be nested, decorate a function, and be used in any thread.

    Raises:
        Interrupted: a signal has arrived; another exception of the block becomes its cause.
    """
    with _block(raises=False):
        yield


@contextmanager
def prompt() -> Iterator[None]:
    """A block in which a signal raises at once. If Python discards that, the next `check` or the block's end raises.

    Raises:
        Interrupted: as `deferred`.
    """
    with _block(raises=True):
        yield


@contextmanager
def waiting() -> Iterator[None]:
    """A block around a blocking call without side effects: a signal ends it at once, also inside `deferred`.

    A signal may arrive between the last bytecode and the system call, which is then not interrupted: limit each call to
    LONGEST_WAIT_S, and repeat it.
    """
    if not _in_main_thread():
        check()
        yield
        check()
        return
    before = _process.raises
    try:
        _process.raises = True
        check()
        yield
    finally:
        _process.raises = before
    check()


def sleep(seconds: float) -> None:
    """Sleep like time.sleep, but end at a signal.

    Raises:
        Interrupted: a signal has arrived.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        with waiting():
            time.sleep(min(left, LONGEST_WAIT_S))
    check()


def reinstall() -> None:
    """Install the handlers of the block again, after a library has replaced them."""
    if _in_main_thread():
        for number, handler in _process.handlers.items():
            signal.signal(number, handler)


@contextmanager
def _block(*, raises: bool) -> Iterator[None]:
    check()
    if not _in_main_thread():
        yield
        check()
        return
    before, installed = _process.raises, [] if _process.depth else _install()
    try:
        _process.depth += 1
        _process.raises = raises
        yield
    except BaseException as error:
        _process.raises = False  # first, so that the handler does not interrupt what follows
        received = _leave(before, installed)
        if received and not isinstance(error, Interrupted):
            raise Interrupted(received) from error
        raise
    _process.raises = False
    received = _leave(before, installed)
    if received:
        raise Interrupted(received)


def _leave(raises: bool, installed: list[Installed]) -> int:
    """End a block. Returns the signal that has arrived, or 0. The outermost block restores the handlers."""
    _process.depth -= 1
    received = _process.received
    if not _process.depth:
        try:
            _restore(installed)
        finally:
            received, _process.received = _process.received, 0
    _process.raises = raises
    return received


def _handle(number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    if _process.received:
        if now - _process.at_s >= TWIN_S:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return
    _process.received, _process.at_s = number, now
    if _process.raises:
        raise Interrupted(number)


def _install() -> list[Installed]:
    """Install the handler for each signal that is not ignored."""
    installed: list[Installed] = []
    for number in SIGNALS:
        before = signal.getsignal(number)
        if before is None:  # installed in C before Python started, and Python cannot restore it: keep it
            continue
        _process.handlers[number] = signal.SIG_IGN if before == signal.SIG_IGN else _handle
        if before != signal.SIG_IGN:
            installed.append((number, before, _action(number)))
            signal.signal(number, _handle)
    return installed


def _restore(installed: list[Installed]) -> None:
    _process.handlers.clear()
    for number, handler, action in reversed(installed):  # SIGINT last, because its handler may raise
        signal.signal(number, handler)
        _action(number, action)  # a C library may have changed it without Python


def _action(number: int, new: Any = None) -> Any:
    """Return the `struct sigaction` of a signal as opaque bytes, and replace it by `new` unless that is None."""
    previous = ctypes.create_string_buffer(ACTION_BYTES)
    if ctypes.CDLL(None, use_errno=True).sigaction(number, new, previous):
        raise OSError(ctypes.get_errno(), f"sigaction of {number}")
    return previous


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
