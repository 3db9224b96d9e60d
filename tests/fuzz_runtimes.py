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
import struct
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

import edgernn
import packages
from damage import FLOATS, NUMBERS, TEXTS, flipped, summed
from edgernn.artifact import checksum
from edgernn.errors import EdgernnError, UpdateError
from edgernn.files import temporary
from edgernn.package import contents, goldens as recordings
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import GOLDENS
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime import program as programs
from edgernn.update.candidate import MOST_BYTES, check_candidate
from edgernn.verification.verify import verify
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.options import PackageOptions
from taken import SECONDS, begin
from zoo import begin as begin_numbers, frames as random_frames, keyword_spotter

FRESH = 200  # other frames
CODE_BYTES = 16


@dataclass(frozen=True, eq=False)
class Subject:
    """A valid package whose artifact is damaged.

    Attributes:
        members: by name.
        artifact: the member that is damaged.
        goldens: of the package.
        fresh: other frames.
        answers: of the definition to them.
        tolerance: how far the artifact may be from the answers.
    """

    members: dict[str, bytes]
    artifact: str
    goldens: Goldens
    fresh: np.ndarray
    answers: np.ndarray
    tolerance: float


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
    return Subject(members, artifact.file, goldens, fresh, answers, artifact.tolerance["y"])


PRECISIONS = ("float32", "static_wi8_ai8", "dynamic_wi8_afp32")


@cache
def subjects(form: str) -> tuple[Subject, ...]:
    """The packages of a format."""
    return tuple(subject(form, precision) for precision in PRECISIONS)


# protobuf


def onnx_fields(model: onnx.ModelProto) -> list:
    """Every (message, field) of the graph, and of the versions; without the texts, which hold the manifest."""
    pending, fields = [model.graph, *model.opset_import], [(model, "ir_version"), (model, "opset_import")]
    while pending:
        message = pending.pop()
        for field, value in message.ListFields():
            fields.append((message, field.name))
            if field.type == field.TYPE_MESSAGE:
                pending.extend(value if field.is_repeated else [value])
    return fields


def listed(message, name: str) -> list:
    """The items of a field; none of one that is not repeated."""
    return [*getattr(message, name)] if message.DESCRIPTOR.fields_by_name[name].is_repeated else []


def other(value, random: Random, pool: list):
    """Another value of the type of a number, a text or bytes."""
    if random.random() < 0.4 and pool:
        return random.choice(pool)
    if isinstance(value, bytes):
        return flipped(value, random)
    if isinstance(value, str):
        return random.choice((value[:-1], *TEXTS)).encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return random.choice((*FLOATS, value * random.choice((-1, 0.5, 2, 1.001))))
    return random.choice((value + 1, value - 1, *NUMBERS))


def onnx_changed(data: bytes, random: Random) -> bytes:
    """The file with a few fields of its graph exchanged, left out, doubled or moved."""
    model = onnx.load_from_string(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        fields = onnx_fields(model)
        message, name = random.choice(fields)
        held, how = getattr(message, name), random.randrange(4)
        if isinstance(held, str | bytes | int | float):
            pool = [getattr(inside, each) for inside, each in fields if each == name]
            try:
                setattr(message, name, other(held, random, [each for each in pool if type(each) is type(held)]))
            except (ValueError, TypeError):  # a number that the field does not hold
                message.ClearField(name)
        elif not hasattr(held, "__len__") or how == 0:
            message.ClearField(name)
        else:
            _repeated(
                held, how, random, [each for inside, field in fields if field == name for each in listed(inside, name)]
            )
    return model.SerializeToString()


def _repeated(held, how: int, random: Random, pool: list) -> None:
    """Change a repeated field: leave out, double or exchange an item."""
    k = random.randrange(len(held))
    pool = [each for each in pool if type(each) is type(held[k])]
    if how == 1:
        del held[k]
        return
    item = random.choice([held[k], *pool])
    if how == 2:
        held.append(item) if isinstance(item, str | bytes | int | float) else held.add().CopyFrom(item)
    elif isinstance(item, str | bytes | int | float):
        try:
            held[k] = other(item, random, pool)
        except (ValueError, TypeError):
            del held[k]
    else:
        held[k].CopyFrom(item)


# flatbuffers


def tflite_fields(model: schema.ModelT) -> list:
    """Every (object, attribute) of the model, without the buffer of the manifest."""
    pending, fields = [model], []
    while pending:
        one = pending.pop()
        if any(
            isinstance(value, np.ndarray) and checksum.KEY.encode() in value.tobytes() for value in vars(one).values()
        ):
            continue
        for name, value in vars(one).items():
            if name == "metadata":
                continue
            fields.append((one, name))
            pending.extend(each for each in (value if isinstance(value, list) else [value]) if hasattr(each, "Pack"))
    return fields


def tflite_changed(data: bytes, random: Random) -> bytes:
    """The file with a few fields of its model exchanged, left out, doubled or moved."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        fields = tflite_fields(model)
        one, name = random.choice([each for each in fields if getattr(*each) is not None])
        held, pool = getattr(one, name), [getattr(inside, each) for inside, each in fields if each == name]
        setattr(one, name, _flat(held, random, [each for each in pool if each is not None]))
    try:
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    except (TypeError, ValueError, AttributeError, struct.error, OverflowError):  # what a flatbuffer cannot hold
        return flipped(data, random)


def _flat(held, random: Random, pool: list):
    """Another value for an attribute."""
    how = random.randrange(5)
    if how == 0:
        return random.choice(pool)
    if how == 1 and not isinstance(held, int | float):
        return None
    if isinstance(held, np.ndarray) and held.size:
        if held.dtype == np.uint8:
            return np.frombuffer(flipped(held.tobytes(), random), np.uint8)
        changed, k = held.copy(), random.randrange(held.size)
        number = other(held[k].item(), random, changed.tolist())
        with np.errstate(over="ignore"):
            changed[k] = number if held.dtype.kind == "f" else int(number) % (1 << 31)
        return random.choice((changed, changed, held[:-1], np.append(held, held[k])))
    if isinstance(held, list) and held:
        k = random.randrange(len(held))
        item = held[k] if hasattr(held[k], "Pack") else other(held[k], random, held)
        return random.choice((held[:k] + held[k + 1 :], [*held, item], [*held[:k], item, *held[k + 1 :]]))
    if isinstance(held, bool):
        return not held
    return other(held, random, pool) if isinstance(held, int | float | bytes) else held


# libraries


@cache
def sections(data: bytes) -> tuple[tuple[int, int], ...]:
    """The (offset, size) of the headers and of every section of a 64-bit library."""
    at, (size, count) = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<2H", data, 58)
    heads = (struct.unpack_from("<2I4Q", data, at + k * size) for k in range(count))
    parts = [(offset, length) for _, kind, _, _, offset, length in heads if length and kind not in {0, 8}]
    return ((0, 64), (64, 56 * struct.unpack_from("<H", data, 56)[0]), (at, size * count), *parts)


def so_changed(data: bytes, random: Random) -> bytes:
    """The library with bytes, code, constants or numbers of a section exchanged; it has the same size."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        offset, size = random.choice(sections(data))
        at, how = offset + random.randrange(size), random.randrange(5)
        there = offset + random.randrange(size)
        if how == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif how == 1:
            changed[at : at + 8] = (random.choice(NUMBERS) % (1 << 64)).to_bytes(8, "little")
        elif how == 2:
            at -= at % 4
            changed[at : at + 4] = struct.pack("<f", np.float32(random.choice((-1.5, 0.0, 0.9, 1e30, np.nan))))
        else:
            changed[at : at + CODE_BYTES] = changed[there : there + CODE_BYTES]
    return bytes(changed[: len(data)])


def any_byte(data: bytes, random: Random) -> bytes:
    """The file with any bytes changed, its manifest apart."""
    at = data.index(checksum.KEY.encode())
    start, end = max(data.rindex(b"{", 0, at), 0), data.index(b"}", at)
    before, after = flipped(data[:start], random), flipped(data[end:], random)
    return before + data[start:end] + data[end:] if random.random() < 0.5 else data[:end] + after


DAMAGE: dict[str, Callable[[bytes, Random], bytes]] = {"onnx": onnx_changed, "tflite": tflite_changed, "so": so_changed}
"""A format -> what damages the structure of a file."""


def mutant(form: str, seed: int) -> tuple[Subject, bytes]:
    """The package of a seed, and what it was."""
    random = Random(seed)
    one = random.choice(subjects(form))
    data = one.members[one.artifact]
    while True:
        changed = summed((any_byte if random.random() < 0.3 else DAMAGE[form])(data, random))
        if changed != data:
            return one, packages.sealed({**one.members, one.artifact: changed})


# trials


def attempt(path: Path, one: Subject) -> dict[str, object]:
    """Verify a package as a candidate is, in this process; where it is taken, with its answers.

    Returns:
        the outcome, a reason, what it took, and the answers to the goldens up to `resume` and to other frames.
    """
    taken, reply = begin(), {}
    try:
        failed = next((each for each in verify(path).findings if each.passed is False), None)
        if failed is not None:
            reply |= {"outcome": failed.name, "reason": failed.text}
        else:
            program, goldens = edgernn.open(path), one.goldens
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
    """The largest difference; infinite where something is not a number or lacks."""
    array = np.asarray(answers, np.float64)
    if array.shape != expected.shape or not np.isfinite(array).all():
        return np.inf
    return float(np.abs(array - expected).max())


def judged(reply: dict[str, object], one: Subject) -> str:
    """The outcome of a package; one that was taken is compared with the recorded answers and with the definition."""
    if reply["outcome"] != "taken":
        return str(reply["outcome"])
    if distance(reply["goldens"], one.goldens.answers[: one.goldens.resume]) > one.tolerance:
        return "taken wrongly"
    far = distance(reply["fresh"], one.answers)
    return "taken" if far <= one.tolerance else "taken, and off on other frames"


def again(path: Path) -> str:
    """What `check_candidate` makes of a package that ended its process."""
    try:
        check_candidate(path, None)
    except UpdateError:
        return "refused as a candidate"
    return "works as a candidate"


FAULTS = {"untyped", "taken wrongly"}
ENDED = {"died", "took 2 s", "hung", "out of memory"}
ENDS = {signal.SIGXCPU: "took 2 s", signal.SIGKILL: "took 2 s", signal.SIGALRM: "hung"}
HUNG_S = 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("form", choices=[*DAMAGE])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--candidates", type=int, default=20, help="of those that end their process, given to an update"
    )
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    longest, largest = (0.0, 0), (0, 0)
    with temporary.directory() as folder:
        path = folder / "kws.edge"
        for seed in range(options.seed, options.seed + options.count):
            one, data = mutant(options.form, seed)
            path.write_bytes(data)
            reply = tried(path, one)
            outcome = judged(reply, one)
            seen[outcome] += 1
            if outcome in ENDED:
                reasons[str(reply.get("reason", ""))] += 1
                if sum(seen[each] for each in ENDED) <= options.candidates:
                    seen[again(path)] += 1
            if (
                outcome in FAULTS
                or options.count == 1
                or outcome.startswith("taken,")
                or (outcome in ENDED and options.form != "so")
            ):
                print(f"{options.form}, seed {seed}: {outcome}: {reply.get('reason', '')}", flush=True)
            longest = max(longest, (float(reply.get("seconds", 0)), seed))
            largest = max(largest, (int(reply.get("memory", 0)), seed))
    result = {
        "outcomes": dict(seen),
        "ends": dict(reasons),
        "longest": longest,
        "largest_mib": (largest[0] >> 20, largest[1]),
    }
    print(json.dumps(result))
    return int(bool(FAULTS & seen.keys()))


if __name__ == "__main__":
    sys.exit(main())
