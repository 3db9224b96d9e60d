"""SIGINT and SIGTERM without losses: a handler notes the signal, and ordinary code raises it.

Python runs a handler between any two bytecodes, also inside a weakref callback or a `__del__`. It discards whatever is
raised there, so the KeyboardInterrupt of the default handler can be lost. The handler here sets a flag, and the flag
stays set until the outermost block is left: `check` raises it, and so does the end of each block.

- `deferred` is for long phases: the handler only sets the flag. The phase calls `check` at every batch, candidate,
  trial or step, and waits by `sleep` or inside `waiting`.
- `prompt` is for the rest of a program: the handler sets the flag and raises too, which ends a blocking call.

A second signal ends the process at once, by the signal itself, as soon as Python runs its handler: nothing is cleaned
up, and what is left on the disk is what SIGKILL would leave (`edgernn.files.temporary` removes it in the next run). A
second one within TWIN_S is the same request, since `timeout` and launchers signal the process and then its group.

A signal that is ignored stays ignored, as a shell arranges for what runs in the background. The handler before, one of
C too, is put back when the outermost block is left. Handlers belong to the main thread: in another one the blocks
install nothing, and `check` raises what the main thread was sent.
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
LONGEST_WAIT_S = 1.0  # a signal that arrives just before a system call does not end it; the next call is not begun
ACTION_BYTES = 1024  # more than struct sigaction takes on any Linux

Installed = tuple[int, Any, Any]
"""A signal that is handled here, the handler that Python knew before, and the one that the kernel knew."""


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end.

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
    """What this process was sent, and how its handler answers."""

    received: int = 0  # the first signal; 0 for none
    at_s: float = 0.0
    depth: int = 0  # of blocks in the main thread
    raises: bool = False  # whether the handler raises at once
    handlers: dict[int, Any] = field(default_factory=dict)  # that belong to each signal inside the blocks


_process = _Process()


def check() -> None:
    """Raise the signal that has arrived, if any; again at every call until the outermost block is left.

    Raises:
        Interrupted: a signal has arrived inside `deferred` or `prompt`.
    """
    if _process.received:
        raise Interrupted(_process.received)


@contextmanager
def deferred() -> Iterator[None]:
    """A block in which a signal raises nothing by itself: the next `check` does, or the end of the block.

    It may be nested, decorate a function, and stand in any thread.

    Raises:
        Interrupted: a signal arrived, and whatever else was raised meanwhile is its cause.
    """
    with _block(raises=False):
        yield


@contextmanager
def prompt() -> Iterator[None]:
    """A block in which a signal raises at once; where Python discards that, the next `check` or the end raises it.

    Raises:
        Interrupted: as `deferred`.
    """
    with _block(raises=True):
        yield


@contextmanager
def waiting() -> Iterator[None]:
    """Around a call that blocks and changes nothing: a signal ends it at once, also inside `deferred`.

    A signal may arrive between the last bytecode and the system call, which then knows nothing of it: let no call
    block for more than LONGEST_WAIT_S, and call it again.
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
    """As time.sleep, but a signal ends it.

    Raises:
        Interrupted: a signal has arrived.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        with waiting():
            time.sleep(min(left, LONGEST_WAIT_S))
    check()


def reinstall() -> None:
    """Put the handlers of the block in force again, after a library has installed its own inside it."""
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
        _process.raises = False  # first of all: nothing below is torn
        received = _leave(before, installed)
        if received and not isinstance(error, Interrupted):
            raise Interrupted(received) from error
        raise
    _process.raises = False
    received = _leave(before, installed)
    if received:
        raise Interrupted(received)


def _leave(raises: bool, installed: list[Installed]) -> int:
    """End a block: the signal that has arrived, or 0. The outermost one restores the handlers, and forgets it."""
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
    """Handle each signal here that is not ignored."""
    found: list[Installed] = []
    for number in SIGNALS:
        before = signal.getsignal(number)
        if before is None:  # it is of C, from before Python began, which cannot put it back: it decides
            continue
        _process.handlers[number] = signal.SIG_IGN if before == signal.SIG_IGN else _handle
        if before != signal.SIG_IGN:
            found.append((number, before, _action(number)))
            signal.signal(number, _handle)
    return found


def _restore(installed: list[Installed]) -> None:
    _process.handlers.clear()
    for number, handler, action in reversed(installed):  # that of SIGINT, which may raise, at last
        signal.signal(number, handler)
        _action(number, action)  # a library in C may have installed its own behind Python's back


def _action(number: int, new: Any = None) -> Any:
    """The `struct sigaction` of a signal, opaque; and a new one in its place, where it is given."""
    held = ctypes.create_string_buffer(ACTION_BYTES)
    if ctypes.CDLL(None, use_errno=True).sigaction(number, new, held):
        raise OSError(ctypes.get_errno(), f"sigaction of {number}")
    return held


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
