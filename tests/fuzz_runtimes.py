"""Damaged graphs and code inside packages whose hashes match: what the parsers of the runtimes make of them.

A seed damages the artifact of a valid package: a field of a protobuf or a flatbuffer, a section of a library, or any
byte. Every checksum is computed again, so the runtime gets it. Each is tried as `edgernn update install` tries a
candidate, in a process that is forked for it, with bounds on time and memory. A package that is taken answers its
goldens; this process compares the answers again, with the recorded ones and with those of the definition to other
frames.

    python tests/fuzz_runtimes.py onnx --count 2000        # from --seed on; the last line is JSON
    python tests/fuzz_runtimes.py onnx --seed 4711 --count 1  # one of them again

A runtime that dies is no fault here, since a candidate is tried in a process of its own: each such package is given to
`check_candidate` too, which must refuse it. A library is a program, so damaged code may do anything that its process may.
"""

import argparse
import json
import os
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

import edgernn
import packages
from edgernn.errors import EdgernnError, UpdateError
from edgernn.files import temporary
from edgernn.package import contents, goldens as recordings
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import GOLDENS
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime import program as programs
from edgernn.runtime.goldens import replay
from edgernn.update.candidate import MOST_BYTES, check_candidate
from edgernn.verification.verify import verify
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.options import PackageOptions
from mutants import DAMAGE, damaged
from taken import SECONDS, Taken, begin
from zoo import begin as begin_numbers, frames as random_frames, keyword_spotter

FRESH = 200  # other frames
HUNG_S = 30
ENDS = {signal.SIGXCPU: "took 2 s", signal.SIGALRM: "hung"}
ENDED = {"died", "took 2 s", "hung", "out of memory"}
QUIET = {"contract", "goldens", "liveness", "refused", "taken"}
FAULTS = {"untyped", "taken wrongly"}
"""Outcomes: by the signal that ended a process, those without an answer, those that are not printed, and the faults."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A valid package whose artifact is damaged.

    Attributes:
        members: by name.
        artifact: the member that is damaged.
        goldens: of the package.
        fresh: other frames.
        answers: of the definition to them.
        tolerance: how far the artifact may be from the answers, and its states from those recorded.
    """

    members: dict[str, bytes]
    artifact: str
    goldens: Goldens
    fresh: np.ndarray
    answers: np.ndarray
    tolerance: Mapping[str, float]


def subject(form: str, precision: str) -> Subject:
    """A keyword spotter in a format and a precision."""
    begin_numbers(17)
    graph = keyword_spotter()
    if precision.startswith("static"):
        graph = calibrate(graph, [random_frames(graph, 50)])
    graph = quantize(graph, precision) if precision != "float32" else graph
    package = contents.read(compose(graph, "kws.edge", PackageOptions((form,))), "kws.edge")
    (artifact,) = (each for each in package.manifest.artifacts if each.file.endswith(f".{form}"))
    (definition,) = (each for each in package.manifest.artifacts if each.file.endswith(".rnn"))
    goldens = recordings.parse(package.bytes_of(GOLDENS), package.manifest.contract, "kws.edge")
    fresh = random_frames(graph, FRESH)
    answers = programs.of_package(package, definition).run(fresh)
    members = {name: bytes(view) for name, view in package.members.items()}
    return Subject(members, artifact.file, goldens, fresh, answers, artifact.tolerance)


PRECISIONS = ("float32", "static_wi8_ai8", "dynamic_wi8_afp32")


@cache
def subjects(form: str) -> tuple[Subject, ...]:
    """The packages of a format."""
    return tuple(subject(form, precision) for precision in PRECISIONS)


def mutant(form: str, seed: int) -> tuple[Subject, bytes]:
    """The package of a seed, and the valid one that it was."""
    random = Random(seed)
    one = random.choice(subjects(form))
    changed = damaged(form, one.members[one.artifact], random)
    return one, packages.sealed({**one.members, one.artifact: changed})


def attempt(path: Path, one: Subject) -> dict[str, object]:
    """Open a package, run its goldens, and verify it as a candidate is, in this process.

    Returns:
        the outcome, a reason, what it took, and of one that is taken the answers to the goldens up to `resume` and to
        other frames.
    """
    taken, reply = begin(), {}
    try:
        program, goldens = edgernn.open(path), one.goldens
        replay(program, goldens, one.tolerance)
        failed = next((each for each in verify(path).findings if each.passed is False), None)
        if failed is not None:
            reply |= {"outcome": failed.name, "reason": failed.text}
        else:
            stream = program.stream()
            before = stream.run(goldens.frames[: goldens.reset])
            after = stream.reset().run(goldens.frames[goldens.reset : goldens.resume])
            reply |= {"outcome": "taken", "goldens": [*before.tolist(), *after.tolist()]}
            reply["fresh"] = program.run(one.fresh).tolist()
    except EdgernnError as error:
        reply |= {"outcome": "refused", "reason": str(error)}
    except MemoryError:
        reply |= {"outcome": "out of memory"}
    except Exception:
        reply |= {"outcome": "untyped", "reason": traceback.format_exc()}
    cost = taken()
    return {**reply, "seconds": cost.seconds, "memory": cost.memory}


def bounded() -> None:
    """Bound what this process may take, and take its input and output away from it."""
    for kind, most in (("CPU", int(SECONDS)), ("CORE", 0), ("FSIZE", 1 << 26), ("AS", MOST_BYTES)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most + (kind == "CPU")))
    signal.alarm(HUNG_S)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)


def tried(path: Path, one: Subject) -> dict[str, object]:
    """Try a package in a process that is forked for it."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        bounded()
        with os.fdopen(writing, "w") as file:
            json.dump(attempt(path, one), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as file:
        text = file.read()
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return {"outcome": ENDS.get(signal.Signals(-code), "died"), "reason": signal.Signals(-code).name}
    try:
        return json.loads(text)
    except ValueError:  # the mutant ended the process, or wrote into its pipe
        return {"outcome": "died", "reason": f"exit status {code}"}


def distance(answers: object, expected: np.ndarray) -> float:
    """The largest difference; infinite where an answer is missing or not finite."""
    array = np.asarray(answers, np.float64)
    if array.shape != expected.shape or not np.isfinite(array).all():
        return np.inf
    return float(np.abs(array - expected).max())


def judged(reply: dict[str, object], one: Subject) -> tuple[str, str]:
    """The outcome of a package and a reason; the answers of one that was taken are compared again.

    They are compared with the recorded ones, and with those of the definition to other frames.
    """
    if reply["outcome"] != "taken":
        return str(reply["outcome"]), str(reply.get("reason", ""))
    most, far = one.tolerance["y"], distance(reply["fresh"], one.answers)
    if distance(reply["goldens"], one.goldens.answers[: one.goldens.resume]) > most:
        return "taken wrongly", ""
    return (
        ("taken", "") if far <= most else ("taken, and off on other frames", f"by {far:.3g}; it may be by {most:.3g}")
    )


def again(path: Path) -> str:
    """What `check_candidate` makes of a package that ended its process."""
    try:
        check_candidate(path, None)
    except UpdateError:
        return "refused as a candidate"
    return "works as a candidate"


@dataclass
class Tally:
    """The outcomes of many packages.

    Attributes:
        outcomes: how often each came.
        ends: how the processes that died ended.
        longest, largest: the most seconds, and the most bytes, of a package that was answered, with its seed.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    longest: tuple[float, int] = (0.0, 0)
    largest: tuple[int, int] = (0, 0)

    def add(self, form: str, seed: int, path: Path, candidates: int) -> None:
        """Try the package of a seed; one that ends its process is a candidate too, up to so many."""
        one, data = mutant(form, seed)
        path.write_bytes(data)
        reply = tried(path, one)
        outcome, reason = judged(reply, one)
        cost = Taken(float(reply.get("seconds", 0)), int(reply.get("memory", 0)))
        self.outcomes[outcome] += 1
        self.outcomes["beyond"] += cost.beyond(len(data))
        self.longest, self.largest = max(self.longest, (cost.seconds, seed)), max(self.largest, (cost.memory, seed))
        if outcome in ENDED:
            self.ends[reason] += 1
            if self.ends.total() <= candidates:
                self.outcomes[again(path)] += 1
        if outcome not in QUIET and (outcome, form) != ("died", "so"):
            print(f"{form}, seed {seed}: {outcome}: {reason}", flush=True)

    def dump(self) -> str:
        """The outcomes as JSON."""
        outcomes = {name: count for name, count in self.outcomes.items() if count}
        return json.dumps({**vars(self), "outcomes": outcomes})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("form", choices=[*DAMAGE])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--candidates", type=int, default=20, help="so many that end their process are given to an update"
    )
    options = parser.parse_args()
    tally = Tally()
    with temporary.directory() as folder:
        for seed in range(options.seed, options.seed + options.count):
            tally.add(options.form, seed, folder / "kws.edge", options.candidates)
    print(tally.dump())
    return int(any(tally.outcomes[each] for each in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
