"""A connection to another machine: a process of `ssh` whose pipes carry a job there, and messages back."""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from importlib.resources import files
from typing import Any, Self

from edgernn.errors import RemoteError
from edgernn.files import bounded_json
from edgernn.process import interrupt, pipe
from edgernn.remote import board, ssh

BEAT_S = 10.0
"""Time from one byte to the next that shows the other machine that this one is there."""

GRACE_S = 10.0
"""Time that the other machine has to remove its folder, after which the connection is cut."""

END_S = 2.0  # from SIGTERM to SIGKILL of the client

LONGEST = 1 << 26  # bytes that are read of one message


class Connection:
    """One login, and the program there; the context manager ends both."""

    def __init__(self, target: str, call: list[str]) -> None:
        self.target = target
        self._out, self._printed, self._to_send = bytearray(), bytearray(), bytearray()
        self._messages: list[dict[str, Any]] = []
        self._last_sent, self._open, self._began, self._no_python = 0.0, True, False, ""
        self.send((files("edgernn.remote") / "board.py").read_bytes() + b"\0")
        try:
            self._child = subprocess.Popen(  # noqa: S603
                call,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                process_group=0,  # a Ctrl-C reaches this process alone, and this process ends the connection
            )
        except FileNotFoundError as error:
            raise RemoteError("there is no ssh on this machine; install the OpenSSH client (openssh-client)") from error
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        self._stdin, self._stdout, self._stderr = self._child.stdin, self._child.stdout, self._child.stderr
        self._readers = [self._stdout, self._stderr]
        os.set_blocking(self._stdin.fileno(), False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_input()
        if self._began:
            self._wait(GRACE_S)
        for number in (signal.SIGTERM, signal.SIGKILL):  # the proxies of the client too
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
            self._wait(END_S)
        for stream in (self._stdout, self._stderr):
            stream.close()

    def send(self, data: bytes) -> None:
        """Send bytes while messages are awaited."""
        self._to_send += data

    def receive(self, doing: str, limit_s: float) -> dict[str, Any]:
        """Return the next message.

        Args:
            doing: what happens there until then, for messages of errors.
            limit_s: how long that may take.

        Raises:
            RemoteError: the connection could not be made, was lost, or takes too long; or there is no Python.
            Interrupted: a signal has arrived (edgernn.process.interrupt).
        """
        until = time.monotonic() + limit_s
        while not self._messages:
            if not self._open:
                raise self._lost(doing)
            if time.monotonic() > until:
                raise RemoteError(f"'{self.target}' took more than {limit_s:,.0f} s {doing}; that was ended there")
            self._pump(min(until - time.monotonic(), BEAT_S, interrupt.LONGEST_WAIT_S))
        return self._messages.pop(0)

    def _pump(self, seconds: float) -> None:
        """Send and read what is possible within this time."""
        now = time.monotonic()
        if not self._to_send and now - self._last_sent > BEAT_S:
            self._to_send += b"\n"
        writers = [self._stdin] if self._to_send and not self._stdin.closed else []
        with interrupt.waiting():
            readable, writable, _ = select.select(self._readers, writers, [], max(seconds, 0))
        for stream in readable:
            data = os.read(stream.fileno(), 1 << 16)
            if not data:
                self._readers.remove(stream)
            if stream is self._stdout:
                self._take(data)
            else:
                self._printed = (self._printed + data)[-(1 << 16) :]
        if writable:
            self._send(now)

    def _send(self, now: float) -> None:
        try:
            del self._to_send[: pipe.write(self._stdin.fileno(), self._to_send[: 1 << 16])]
            self._last_sent = now
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._close_input()

    def _take(self, data: bytes) -> None:
        """Take messages out of what the other machine printed; other lines are of its shell."""
        self._out += data
        *lines, rest = self._out.split(b"\n")
        self._out = bytearray(rest)
        self._open = bool(data) and len(rest) < LONGEST
        for line in (each.decode(errors="replace").rstrip("\r") for each in lines):
            if line.startswith(board.PREFIX):
                with suppress(ValueError):
                    self._messages.append(bounded_json.loads(line.removeprefix(board.PREFIX), longest=LONGEST))
                    self._began = True
            elif line.startswith(ssh.NO_PYTHON):
                self._no_python = line

    def _lost(self, doing: str) -> RemoteError:
        """The error of a connection that ended while a message was awaited."""
        self._wait(END_S)
        os.set_blocking(self._stderr.fileno(), False)
        with suppress(BlockingIOError):
            self._printed += os.read(self._stderr.fileno(), 1 << 16)
        printed = self._printed.decode(errors="replace")
        if self._no_python:
            return ssh.no_python(self.target, self._no_python)
        if self._began:
            return ssh.lost(self.target, doing, printed)
        return ssh.failure(self.target, printed)

    def _wait(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)

    def _close_input(self) -> None:
        with suppress(BrokenPipeError):
            self._stdin.close()
