"""A history of latency: a file of JSON lines, one per run, with the commit and the figures of a model."""

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
from edgernn.latency.check import CheckResult
from edgernn.latency.report import PASSED

COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")  # set by GitHub, GitLab and Jenkins
GIT_S = 10.0  # timeout


@dataclass(frozen=True)
class Entry:
    """A line of a history: one run.

    Attributes:
        time: end of the run, in UTC, in ISO 8601.
        commit: the revision that was checked out; None if neither git nor the CI states it.
        command: check or certify, or test for a test of pytest.
        name: the path of the artifact on the command line, or the name of the test.
        sha256, bytes: of the artifact; a test has only the size of the model.
        verdict: as the command prints it.
        mode: how the frames arrived; "" if nothing was timed.
        period_us, deadline_us, percentile: of the budget; None if there was none.
        us: times in microseconds by name, such as "response p99" or "service p50".
        steps, misses: of the run; None if nothing was timed.
        instructions: of one step; None if they were not counted.
        fingerprint: of the machine or the compiler; times are comparable only if it is equal.
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


def check_entry(result: CheckResult, command: str) -> Entry:
    """The line of a check or certificate that has just ended."""
    fields, budget = summary.as_json(result), result.options.budget
    response = {f"response {name}": us for name, us in fields["us"]["response"].items()}
    response |= {f"response p{budget.percentile:g}": result.evaluation.value_us}
    path = result.options.artifact
    return Entry(
        timestamp(),
        commit(),
        command,
        Path(path).name if os.path.isabs(path) else path,
        fields["artifact"]["sha256"],
        fields["artifact"]["bytes"],
        result.verdict,
        fields["mode"],
        budget.period_us,
        budget.deadline_us,
        budget.percentile,
        {**response, "service p50": fields["us"]["service"]["p50"]},
        result.evaluation.steps,
        result.evaluation.misses,
        None,
        fields["fingerprint"],
    )


def median_us(entry: Entry) -> float | None:
    """The median response in microseconds; the median service time if responses were not measured."""
    return entry.us.get("response p50", entry.us.get("service p50"))


def tail_us(entry: Entry) -> float | None:
    """The response at the budget's percentile, in microseconds; None if there was no budget."""
    return None if entry.percentile is None else entry.us.get(f"response p{entry.percentile:g}")


def table(entries: Sequence[Entry]) -> str:
    """A table of runs for a terminal, one line each."""
    wide = max(len(each.name) for each in entries)
    head = f"{'time':20}  {'commit':8}  {'model':{wide}}  {'verdict':10}  {'p50 us':>10}  {'tail us':>10}  instructions"
    lines = [
        f"{each.time:20}  {(each.commit or '-')[:7]:8}  {each.name:{wide}}  {each.verdict:10}  "
        f"{_figure(median_us(each))}  {_figure(tail_us(each))}  {_figure(each.instructions).lstrip()}"
        for each in entries
    ]
    return "\n".join(line.rstrip() for line in (head, *lines))


def _figure(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:10,.6g}"


def timestamp() -> str:
    """The current time, in the format of a line."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit() -> str | None:
    """The revision of the working directory, from git or else from the environment of the CI."""
    git = shutil.which("git")
    if git is not None:
        call = [git, "rev-parse", "--verify", "HEAD"]
        try:
            done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=GIT_S)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return _ci_commit()
        if done.returncode == 0:
            return done.stdout.strip()
    return _ci_commit()


def _ci_commit() -> str | None:
    return next((os.environ[name] for name in COMMITS if os.environ.get(name)), None)


def check_appendable(path: str | os.PathLike[str]) -> None:
    """Check that a line can be appended to a history, before a long measurement for it begins.

    Raises:
        FileError: the file is not a history, or cannot be written.
    """
    atomic.appendable(path)
    if os.path.exists(path):
        load(path)


def append(path: str | os.PathLike[str], entry: Entry) -> None:
    """Append a line to a history; the file is created if necessary.

    Raises:
        FileError: it cannot be written; the file is unchanged.
    """
    atomic.append(path, json.dumps(asdict(entry), allow_nan=False).encode())


def load(path: str | os.PathLike[str]) -> list[Entry]:
    """Read the runs of a history, in the order of the lines.

    Raises:
        FileError: the file cannot be read, or a line is not a run; the error names the line.
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
