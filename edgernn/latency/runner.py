"""The measuring process of a check or an A/B comparison: it opens an artifact and times it on request.

`python -m edgernn.latency.runner` reads requests as lines of JSON. A reply is a line of JSON, followed by the bytes of
the arrays that the line names. `edgernn.latency.worker` is the other end.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import cycle
from types import MappingProxyType
from typing import Any, BinaryIO

from edgernn.errors import EdgernnError
from edgernn.interpreters.numpy import random_frames
from edgernn.latency import arrivals
from edgernn.latency.conditions import machine
from edgernn.latency.measurement import measure
from edgernn.latency.paced import time_steps, warm_up_on
from edgernn.latency.steps import BLOCK, collector_paused
from edgernn.process.child import end_with_parent
from edgernn.runtime import program as programs
from edgernn.runtime.recorded import read_steps
from edgernn.version import VERSION

FRAMES = 256  # random frames, repeated in order

Reply = tuple[dict[str, Any], dict[str, arrivals.Times]]


@dataclass(frozen=True)
class Session:
    """An open artifact: its step, what primes it, and the frames to run it on."""

    step: Callable[[Any], Any]
    prime: Callable[[], None]
    frames: list[Any]


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Reply to each request until the input ends. The request "open" replaces the session of those after it."""
    sessions: list[Session] = []
    for line in requests:
        arguments = json.loads(line)
        arrays: dict[str, arrivals.Times] = {}
        try:
            fields, arrays = REQUESTS[arguments.pop("request")](sessions, **arguments)
        except EdgernnError as error:
            fields = {"error": type(error).__name__, "message": str(error)}
        lengths = {name: len(array) for name, array in arrays.items()}
        replies.write(json.dumps({**fields, "arrays": lengths}).encode() + b"\n")
        replies.writelines(array.tobytes() for array in arrays.values())
        replies.flush()


def _open(sessions: list[Session], artifact: str, frames: str | None, threads: int, seed: int) -> Reply:
    """Open an artifact and run its first step, both timed: a cold start, without that of Python."""
    began = time.perf_counter_ns()
    program = programs.open(artifact, threads=threads)
    stream = program.stream()
    loaded = time.perf_counter_ns()
    manifest = program.manifest
    inputs = (
        read_steps(frames, program)
        if frames
        else list(random_frames(manifest.inputs, manifest.vocabulary_size, FRAMES, seed))
    )
    start = time.perf_counter_ns()
    stream.step(inputs[0])
    first = time.perf_counter_ns()
    sessions[:] = [Session(stream.step, stream.prime, inputs)]
    return {
        "edgernn": VERSION,
        "backend": program.backend,
        "sha256": program.sha256,
        "bytes": program.size,
        "precision": manifest.precision,
        "inputs": manifest.inputs,
        "vocabulary_size": manifest.vocabulary_size,
        "machine": asdict(machine()),
        "load_us": (loaded - began) / 1000,
        "first_us": (first - start) / 1000,
    }, {}


def _run(
    sessions: list[Session], period_us: float, steps: int, trace: str | None, back_to_back: bool, prime: bool
) -> Reply:
    """Warm up and run, as edgernn.latency.measurement.measure."""
    due, session = arrivals.recorded(trace) if trace else arrivals.regular(steps, period_us), sessions[0]
    primed = session.prime if prime else None
    measurement = measure(session.step, session.frames, due, back_to_back=back_to_back, prime=primed)
    times = measurement.times
    fields = {
        "warm_up_steps": measurement.warm_up_steps,
        "settled": measurement.settled,
        "implied": times.implied,
        "machine_states": [asdict(each) for each in measurement.machine_states],
    }
    return fields, {"due": times.due, "start": times.start, "end": times.end}


def _warm_up(sessions: list[Session]) -> Reply:
    steps, settled = warm_up_on(sessions[0].step, sessions[0].frames)
    return {"warm_up_steps": steps, "settled": settled}, {}


def _block(sessions: list[Session], steps: int) -> Reply:
    """Time steps back to back, after some that load the data into the caches."""
    step, frames = sessions[0].step, cycle(sessions[0].frames)
    with collector_paused():
        time_steps(step, frames, BLOCK)
        return {}, {"took": time_steps(step, frames, steps)}


REQUESTS: Mapping[str, Callable[..., Reply]] = MappingProxyType(
    {"open": _open, "run": _run, "warm_up": _warm_up, "block": _block}
)

if __name__ == "__main__":
    end_with_parent()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a runtime must not mix with the replies
    serve(sys.stdin.buffer, replies)
