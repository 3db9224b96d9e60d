"""A history of latency: a file of JSON lines, one per run, with the commit and the figures of a model."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from edgernn.errors import FileError
from edgernn.files import atomic, bounded_json, typed
from edgernn.files.typed import Where
from edgernn.latency import summary
from edgernn.latency.check import CheckResult
from edgernn.latency.report import PASSED

COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")  # set by GitHub, GitLab and Jenkins
GIT_S = 10.0  # timeout


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_flat(value: Any, levels: int = 2) -> bool:
    """Return whether tables and lists are nested at most `levels` deep in a table or list."""
    members = value.values() if isinstance(value, Mapping) else value
    return all(not isinstance(each, Mapping | list) or (levels > 0 and _is_flat(each, levels - 1)) for each in members)


Count = Annotated[int, Where(lambda count: count >= 0, "a whole number of at least 0")]
Number = Annotated[float, Where(lambda number: 0 <= number < 1e18, "a number of at least 0 and below 1e18")]
Time = Annotated[str, Where(_is_time, "a time with its UTC offset, as ISO 8601 writes it")]
Verdict = Annotated[str, Where(PASSED.__contains__, f"one of {', '.join(PASSED)}")]
Fingerprint = Annotated[Mapping[str, Any], Where(_is_flat, "a table with at most two levels of tables in it")]


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

    time: Time
    commit: str | None
    command: str
    name: str
    sha256: str | None
    bytes: Count
    verdict: Verdict
    mode: str
    period_us: Number | None
    deadline_us: Number | None
    percentile: Number | None
    us: Mapping[str, Number]
    steps: Count | None
    misses: Count | None
    instructions: Number | None
    fingerprint: Fingerprint


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
        values = bounded_json.loads(line)
    except ValueError as error:  # also where it is not UTF-8
        merged = " (git could not merge it)" if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")) else ""
        raise FileError(f"{where}{merged}, is not JSON: {error}; mend the line, or take it out") from error
    names = [field.name for field in fields(Entry)]
    if not isinstance(values, dict) or values.keys() != set(names):
        raise FileError(
            f"{where}, has not the fields of a run, {', '.join(names)}: mend the line, or take it out; "
            "`edgernn check --history FILE` writes such lines"
        )
    try:
        typed.check(Entry, values)
    except ValueError as error:
        raise FileError(f"{where}: {error}; mend the line, or take it out") from error
    return Entry(**values)
