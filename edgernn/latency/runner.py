"""One arm of a comparison, or one run of a certificate: a process that opens an artifact and times it when asked.

`python -m edgernn.latency.runner` reads requests, a line of JSON each, and answers with a line of JSON and the bytes of
the arrays that it names. `edgernn.latency.worker` is the other end.
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

from edgernn.errors import EdgernnError, FrameError
from edgernn.files.frames import frames as read_frames
from edgernn.interpreters.numpy import random_frames
from edgernn.latency import arrivals
from edgernn.latency.conditions import machine, moment
from edgernn.latency.measurement import measure
from edgernn.latency.paced import timed, warmed
from edgernn.latency.steps import BLOCK, collector_paused
from edgernn.process.child import end_with_parent
from edgernn.runtime import program as programs
from edgernn.version import VERSION

FRAMES = 256  # random ones, given in turn

Answer = tuple[dict[str, Any], dict[str, arrivals.Times]]


@dataclass(frozen=True)
class Runner:
    """What is open; nothing before the first request."""

    step: Callable[[Any], Any]
    frames: list[Any]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    held: list[Runner] = []
    for line in requests:
        asked = json.loads(line)
        arrays: dict[str, arrivals.Times] = {}
        try:
            said, arrays = VERBS[asked.pop("verb")](held, **asked)
        except EdgernnError as error:
            said = {"error": type(error).__name__, "told": str(error)}
        shapes = {name: len(array) for name, array in arrays.items()}
        answers.write(json.dumps({**said, "arrays": shapes}).encode() + b"\n")
        answers.writelines(array.tobytes() for array in arrays.values())
        answers.flush()


def _open(held: list[Runner], artifact: str, frames: str | None, threads: int, seed: int) -> Answer:
    """Open it and make the first step, both timed: what a start from cold takes, once Python is there."""
    began = time.perf_counter_ns()
    program = programs.open(artifact, threads=threads)
    stream = program.stream()
    loaded = time.perf_counter_ns()
    said = program.manifest
    given = _frames(frames, program) if frames else list(random_frames(said.inputs, said.vocabulary_size, FRAMES, seed))
    start = time.perf_counter_ns()
    stream.step(given[0])
    first = time.perf_counter_ns()
    held[:] = [Runner(stream.step, given)]
    return {
        "edgernn": VERSION,
        "backend": program.backend,
        "sha256": program.sha256,
        "bytes": program.size,
        "precision": said.precision,
        "inputs": said.inputs,
        "vocabulary_size": said.vocabulary_size,
        "machine": asdict(machine()),
        "load_us": (loaded - began) / 1000,
        "first_us": (first - start) / 1000,
    }, {}


def _frames(path: str, program: programs.Program) -> list[Any]:
    """All frames of a file, each tried, so that none is refused while it counts."""
    given = list(read_frames(path, "int32" if program.manifest.vocabulary_size else "float32"))
    stream = program.stream()
    for t, frame in enumerate(given):
        try:
            stream.step(frame)
        except FrameError as error:
            raise FrameError(f"'{path}', frame {t}: {error}") from error
    return given


def _run(held: list[Runner], period_us: float, steps: int, trace: str | None, back_to_back: bool) -> Answer:
    """Warm up, and run as edgernn.latency.measurement does."""
    due = arrivals.recorded(trace) if trace else arrivals.regular(steps, period_us)
    found = measure(held[0].step, held[0].frames, due, back_to_back=back_to_back)
    said = {
        "warm_up_steps": found.warm_up_steps,
        "settled": found.settled,
        "implied": found.run.implied,
        "moments": [asdict(each) for each in found.moments],
    }
    return said, {"due": found.run.due, "start": found.run.start, "end": found.run.end}


def _warm(held: list[Runner]) -> Answer:
    steps, settled = warmed(held[0].step, held[0].frames)
    return {"warm_up_steps": steps, "settled": settled, "moment": asdict(moment())}, {}


def _block(held: list[Runner], steps: int) -> Answer:
    """Time some steps back to back, after some that bring its data into the caches again."""
    step, given = held[0].step, cycle(held[0].frames)
    with collector_paused():
        timed(step, given, BLOCK)
        return {}, {"took": timed(step, given, steps)}


VERBS: Mapping[str, Callable[..., Answer]] = MappingProxyType(
    {"open": _open, "run": _run, "warm": _warm, "block": _block}
)

if __name__ == "__main__":
    end_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a runtime prints is no answer
    serve(sys.stdin.buffer, answers)
