"""Running a verb on another machine, step by step, each within a time."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from edgernn.errors import RemoteError
from edgernn.process import interrupt
from edgernn.remote import ssh
from edgernn.remote.connection import Connection
from edgernn.remote.job import Job
from edgernn.remote.wheel import wheel

LIMITS_S: Mapping[str, float] = MappingProxyType(
    {"connecting": 60.0, "copying": 600.0, "installing": 1200.0, "running": 3600.0}
)
"""A step -> how long it may take; running, in addition to what the verb measures."""

FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"connected": (), "copied": (), "installed": ("notes",), "ended": ("code", "out", "error", "files", "left")}
)
"""The message that ends a step -> its fields that are read here."""


@dataclass(frozen=True)
class Answer:
    """What a verb did on another machine.

    Attributes:
        code: its exit code.
        out, error: what it printed.
        files: the name of each file that it wrote -> bytes.
        notes: what does not run there, or is left there, in words.
    """

    code: int
    out: str
    error: str
    files: Mapping[str, bytes] = field(repr=False)
    notes: tuple[str, ...]


@interrupt.deferred()
def run(target: str, job: Job, seconds: float, progress: Callable[[str], None] = lambda _: None) -> Answer:
    """Run a verb on another machine, in a folder of its own there that is removed whatever happens.

    Args:
        target: user@host, a name of the configuration of ssh, or ssh://user@host:port.
        job: the verb and its files.
        seconds: how long the verb measures.
        progress: called with what happens there.

    Raises:
        RemoteError: the machine cannot be reached, nothing can run there, a step takes too long, or the connection was
            lost.
        UsageError: the target is no name of a machine.
        Interrupted: a signal has arrived (edgernn.process.interrupt).
    """
    call, request = ssh.command(target), job.request(wheel())
    with Connection(target, call) as connection:

        def step(doing: str, ends: str, more_s: float = 0.0) -> dict[str, Any]:
            progress(doing)
            message = connection.receive(doing, LIMITS_S[doing] + more_s)
            if message.get("step") == "refused":
                left = message.get("left") or "nothing"
                raise RemoteError(f"'{target}' cannot run this: {message.get('reason')}; {left} is left there")
            if message.get("step") != ends or {name for name in FIELDS[ends] if name not in message}:
                raise RemoteError(f"'{target}' answers {str(message)[:60]} {doing}; another program prints there")
            return message

        connection.send(request)
        step("connecting", "connected")
        step("copying", "copied")
        notes = step("installing", "installed")["notes"]
        return _answer(step("running", "ended", seconds), notes, job)


def _answer(message: Mapping[str, Any], notes: list[str], job: Job) -> Answer:
    """The answer in the last message; a file that was not asked for is not taken."""
    written = {name: message["files"][name] for name in job.outputs if name in message["files"]}
    files = {name: base64.b64decode(data) for name, data in written.items()}
    left = [f"the folder {message['left']} could not be removed there"] if message["left"] else []
    return Answer(message["code"], message["out"], message["error"], MappingProxyType(files), (*notes, *left))
