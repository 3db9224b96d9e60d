"""A history: what models took at each commit, as a file of JSON lines, one for each run."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.errors import FileError
from edgernn.files import atomic, plain_json
from edgernn.latency import summary
from edgernn.latency.check import Check
from edgernn.latency.result import PASSED

COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")  # where GitHub, GitLab and Jenkins name the commit
GIT_S = 10.0  # after which git is taken to hang


@dataclass(frozen=True)
class Entry:
    """A line of a history: one run.

    Attributes:
        time: when it ended, in UTC, as ISO 8601 writes it.
        commit: the revision that was checked out; None where neither git nor the CI names one.
        command: check or certify, or test for a test of pytest.
        name: the path of the artifact as it was given, or the name of the test.
        sha256, bytes: of the artifact; of a test the size of the model alone.
        verdict: as it was printed.
        mode: how the frames came; "" where nothing was timed.
        period_us, deadline_us, percentile: of the budget; None where there was none.
        us: times in microseconds by name, such as "response p99" or "service p50".
        steps, misses: of the run; None where nothing was timed.
        instructions: of one step; None where they were not counted.
        fingerprint: of the machine, or of the compiler: only times with the same can be held against each other.
    """

    time: str
    commit: str | None
    command: str
    name: str
    sha256: str | None
    bytes: int
    verdict: str
    mode: str
    period_us: float | None
    deadline_us: float | None
    percentile: float | None
    us: Mapping[str, float]
    steps: int | None
    misses: int | None
    instructions: float | None
    fingerprint: Mapping[str, Any]


def of_check(found: Check, command: str) -> Entry:
    """The line of a check or certificate that has just ended."""
    said, budget = summary.as_json(found), found.plan.budget
    response = {f"response {name}": us for name, us in said["us"]["response"].items()}
    response |= {f"response p{budget.percentile:g}": found.evaluated.value_us}
    path = found.plan.artifact
    return Entry(
        now(),
        commit(),
        command,
        Path(path).name if os.path.isabs(path) else path,
        said["artifact"]["sha256"],
        said["artifact"]["bytes"],
        found.verdict,
        said["mode"],
        budget.period_us,
        budget.deadline_us,
        budget.percentile,
        {**response, "service p50": said["us"]["service"]["p50"]},
        found.evaluated.steps,
        found.evaluated.misses,
        None,
        said["fingerprint"],
    )


def middle(entry: Entry) -> float | None:
    """The median response in microseconds; the median of the step by itself where responses are not known."""
    return entry.us.get("response p50", entry.us.get("service p50"))


def gate(entry: Entry) -> float | None:
    """The response at the budget's percentile, in microseconds; None where there was no budget."""
    return None if entry.percentile is None else entry.us.get(f"response p{entry.percentile:g}")


def table(entries: Sequence[Entry]) -> str:
    """A line for each run, for a terminal."""
    wide = max(len(each.name) for each in entries)
    head = f"{'when':20}  {'commit':8}  {'model':{wide}}  {'verdict':10}  {'p50 us':>10}  {'gate us':>10}  instructions"
    lines = [
        f"{each.time:20}  {(each.commit or '-')[:7]:8}  {each.name:{wide}}  {each.verdict:10}  "
        f"{_figure(middle(each))}  {_figure(gate(each))}  {_figure(each.instructions).lstrip()}"
        for each in entries
    ]
    return "\n".join(line.rstrip() for line in (head, *lines))


def _figure(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:10,.6g}"


def now() -> str:
    """The time, as a line has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit() -> str | None:
    """The revision of the working directory, by git or else by the CI's environment."""
    git = shutil.which("git")
    if git is not None:
        call = [git, "rev-parse", "--verify", "HEAD"]
        try:
            done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=GIT_S)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return _named()
        if done.returncode == 0:
            return done.stdout.strip()
    return _named()


def _named() -> str | None:
    return next((os.environ[name] for name in COMMITS if os.environ.get(name)), None)


def ready(path: str | os.PathLike[str]) -> None:
    """Make sure that a line can be put behind a history, before anything long is done for it.

    Raises:
        FileError: the file holds something else, or cannot be written.
    """
    atomic.appendable(path)
    if os.path.exists(path):
        read(path)


def append(path: str | os.PathLike[str], entry: Entry) -> None:
    """Put a line behind a history; the file is made where there is none.

    Raises:
        FileError: it cannot be written; the file is as it was.
    """
    atomic.append(path, json.dumps(asdict(entry), allow_nan=False).encode())


def read(path: str | os.PathLike[str]) -> list[Entry]:
    """The lines of a history in their order.

    Raises:
        FileError: it cannot be read, or a line is no line of a history; its number is said.
    """
    lines = atomic.read(path).split(b"\n")
    return [_entry(line, f"'{os.fspath(path)}', line {k}") for k, line in enumerate(lines, 1) if line.strip()]


def _entry(line: bytes, where: str) -> Entry:
    try:
        said = plain_json.loads(line)
    except ValueError as error:  # also where it is not UTF-8
        merged = " (git could not merge it)" if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")) else ""
        raise FileError(f"{where}{merged}, is no JSON: {error}; mend the line, or take it out") from error
    if not isinstance(said, dict) or said.keys() != FIELDS.keys():
        raise FileError(
            f"{where}, has not the fields of a run, {', '.join(FIELDS)}: mend the line, or take it out; "
            "`edgernn check --history FILE` writes such lines"
        )
    wrong = next((name for name, right in FIELDS.items() if not right(said[name])), None)
    if wrong is not None:
        raise FileError(f"{where}: '{wrong}' is {json.dumps(said[wrong])[:80]}; mend the line, or take it out")
    return Entry(**said)


def _text(said: Any) -> bool:
    return isinstance(said, str)


def _count(said: Any) -> bool:
    return type(said) is int and 0 <= said < 2**63


def _number(said: Any) -> bool:
    return type(said) in {int, float} and 0 <= said < 1e18 and isfinite(said)


def _time(said: Any) -> bool:
    try:
        return isinstance(said, str) and datetime.fromisoformat(said).tzinfo is not None
    except ValueError:
        return False


def _times(said: Any) -> bool:
    return isinstance(said, dict) and all(map(_number, said.values()))


def _flat(said: Any, levels: int = 2) -> bool:
    """Whether it is a table, with tables and lists in it of so many levels at most."""
    inside = said.values() if isinstance(said, dict) else said
    return isinstance(said, dict | list) and all(
        not isinstance(each, dict | list) or (levels > 0 and _flat(each, levels - 1)) for each in inside
    )


def _or_none(right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda said: said is None or right(said)


FIELDS: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "time": _time,
        "commit": _or_none(_text),
        "command": _text,
        "name": _text,
        "sha256": _or_none(_text),
        "bytes": _count,
        "verdict": lambda said: isinstance(said, str) and said in PASSED,
        "mode": _text,
        "period_us": _or_none(_number),
        "deadline_us": _or_none(_number),
        "percentile": _or_none(_number),
        "us": _times,
        "steps": _or_none(_count),
        "misses": _or_none(_count),
        "instructions": _or_none(_number),
        "fingerprint": lambda said: isinstance(said, dict) and _flat(said),
    }
)
"""A field of a line -> whether what it has can be."""
