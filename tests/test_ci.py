"""Reports for CI: valid for their readers, written completely or not at all; and a job whose commands exist."""

import json
import math
import os
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from itertools import cycle
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings, strategies as st
from test_check import GOOD, checked
from test_paced import MS
from test_regress import Machine

import edgernn
from edge import called, edge
from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.cli import cli
from edgernn.errors import FileError
from edgernn.latency import history
from edgernn.latency.ab import ABResult, ABTest
from edgernn.latency.history import Entry, append, check_appendable, load
from edgernn.latency.junit import to_junit
from edgernn.latency.markdown import to_markdown
from edgernn.latency.regress import ORDER, regress
from edgernn.latency.report import report_ab_test, report_check
from edgernn.pages.history import NumberedEntry, curves, numbered, page, panels
from page import Page
from zoo import keyword_spotter

ROOT = Path(__file__).parent.parent
WHEN = datetime(2024, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
RUNNERS = {name: {"backend": "a runtime", "machine": {"python": "3.11.7"}} for name in ORDER}


def compared(**how):
    return ABResult(ABTest("a.rnn", "b.rnn"), regress(Machine(**how).ab), RUNNERS, (), ("a remark",))


RESULTS = {
    "pass": report_check(checked(), "check", 30.0),
    "fail": report_check(checked(cycle([MS] * 9 + [9 * MS])), "check", 30.0),
    "none": report_check(checked(options=replace(GOOD, seconds=1)), "certify", 1.0),
    "unfit": report_check(checked(throttled=4), "check", 30.0),
    "ok": report_ab_test(compared(candidate=0.8), 9.0),
    "regressed": report_ab_test(compared(candidate=1.3), 1009.0),
    "undecided": report_ab_test(compared(candidate=1.5, repeat=1.2), 9.0),
}
VERDICTS = {"pass": True, "fail": False, "none": None, "unfit": None, "ok": True, "regressed": False, "undecided": None}

# Element -> required attributes, optional attributes, and children, as in Jenkins' junit-10.xsd.
SCHEMA = {
    "testsuites": ((), ("name", "time", "tests", "failures", "errors"), ("testsuite",)),
    "testsuite": (
        ("name", "tests", "failures", "errors"),
        ("time", "skipped", "timestamp", "hostname", "id", "package", "file"),
        ("properties", "testcase", "system-out", "system-err"),
    ),
    "properties": ((), (), ("property",)),
    "property": (("name", "value"), (), ()),
    "testcase": (("name",), ("time", "classname"), ("skipped", "error", "failure", "system-out", "system-err")),
    "failure": ((), ("type", "message"), ()),
    "skipped": ((), ("type", "message"), ()),
    "system-out": ((), (), ()),
}


def valid(element):
    """Check an element and its children against the schema."""
    needed, allowed, inside = SCHEMA[element.tag]
    assert set(needed) <= set(element.attrib) <= {*needed, *allowed}, element.tag
    assert {each.tag for each in element} <= set(inside), element.tag
    for each in element:
        valid(each)


@pytest.mark.parametrize("name", RESULTS)
def test_a_verdict_is_a_test_that_passed_failed_or_was_skipped(name):
    result = RESULTS[name]
    suites = ET.fromstring(to_junit(result, WHEN))
    valid(suites)
    suite, case = suites[0], suites.find("testsuite/testcase")
    assert suite.get("timestamp") == "2024-05-01T12:00:00"
    counts = {each: int(suite.get(each)) for each in ("tests", "failures", "errors", "skipped")}
    passed = VERDICTS[name]
    assert counts == {"tests": 1, "failures": int(passed is False), "errors": 0, "skipped": int(passed is None)}
    assert float(case.get("time")) == float(suite.get("time")) == result.seconds
    outcome = {False: case.find("failure"), None: case.find("skipped"), True: None}[passed]
    assert [each.tag for each in case if each.tag != "system-out"] == ([] if passed else [outcome.tag])
    assert passed or all(reason in outcome.get("message") for reason in result.reasons)
    assert passed or result.reasons
    assert case.findtext("system-out") == result.text
    assert {each.get("name"): each.get("value") for each in suite.iter("property")}[
        "verdict"
    ] == result.qualified_verdict


@given(st.text(), st.text())
def test_any_name_and_reason_is_xml_and_stays_one_cell(name, why):
    hostile = replace(RESULTS["fail"], name=name, reasons=(why,), text=why, figures={"a": why})
    suites = ET.fromstring(to_junit(hostile, WHEN))
    valid(suites)
    failure = suites.findtext("testsuite/testcase/failure") or ""
    printable = re.sub(r"\\x[0-9a-f]+", "", failure)
    assert set(printable.replace("\n", "\r")) <= set(why.replace("\n", "\r"))
    text = to_markdown(hostile)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, len(hostile.head) + 1}
    assert text.encode(errors="replace")
    assert "<" not in re.sub(r"\\<|`[^`]*`", "", text)


@pytest.mark.parametrize("name", RESULTS)
def test_markdown_has_the_verdict_the_reasons_and_every_figure(name):
    result = RESULTS[name]
    text = to_markdown(result)
    plain = re.sub(r"\\(.)", r"\1", text)
    assert text.startswith(f"### {result.qualified_verdict}: `{result.name}`\n")
    assert all(" ".join(line.split()) in plain for line in (*result.reasons, *result.notes, *result.figures.values()))
    assert all(" | ".join(row) in plain for row in result.rows)
    assert text.endswith("\n")


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edgernn.save(keyword_spotter(), "kws.rnn")
    return "kws.rnn"


def test_a_check_writes_every_report_and_a_line_of_history(model, monkeypatch):
    monkeypatch.setenv("GITHUB_SHA", "c" * 40)
    files = ("--junit", "r.xml", "--markdown", "r.md", "--html", "r.html", "--history", "h.jsonl")
    few = ("--seconds", 0.12, "--period", "30ms", "--percentile", 50)
    edge("check", model, *few, *files, code=3)
    edge("certify", model, *few, "--processes", 1, "--history", "h.jsonl", "--junit", "c.xml", code=3)
    assert ET.parse("r.xml").find("testsuite/testcase/skipped") is not None
    assert Path("r.md").read_text().startswith("### NO VERDICT: `kws.rnn`")
    first, second = load("h.jsonl")
    assert (first.name, first.command, second.command, first.verdict) == ("kws.rnn", "check", "certify", NO_VERDICT)
    assert first.sha256 == edgernn.open(model).sha256
    assert (first.commit, first.steps, first.percentile) == ("c" * 40, 4, 50)
    assert first.us["response p50"] > 0 < first.us["service p50"]
    assert first.fingerprint["backend"] == edgernn.open(model).backend
    assert json.loads(edge("history", "h.jsonl", "--json", "--html", "h.html")) == [asdict(first), asdict(second)]
    assert Page(Path("h.html").read_text()).stands_alone()
    assert len(edge("history", "h.jsonl", "--last", 1).splitlines()) == 2


def test_a_commit_is_that_of_git_before_that_of_the_ci(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI_COMMIT_SHA", "d" * 40)
    assert history.commit() == "d" * 40
    who = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
    for call in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "m")):
        subprocess.run(["git", *call], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert history.commit() == head


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--junit", "gone/r.xml"), "'gone/r.xml' cannot be written"),
        (("--markdown", "."), "'.' cannot be written: Is a directory"),
        (("--history", "gone/h.jsonl"), "'gone/h.jsonl' cannot be written"),
        (("--history", "."), "'.' cannot be written"),
        (("--history", "/dev/null"), "it is not a regular file"),
        (("--history", "kws.rnn"), "'kws.rnn', line 1, is not JSON"),
        (("--junit", "r", "--markdown", "r"), "two reports have the path 'r'"),
    ],
)
def test_an_unwritable_report_is_refused_before_the_run(model, options, message):
    verbs = [("check", model, "--seconds", 1, "--period", "10ms")]
    verbs += [("regress", model, model)] if "--history" not in options else []
    for verb in verbs:
        complaint = edge(*verb, *options, code=2)
        assert message in complaint
        assert "process 1" not in complaint
        assert "pairs ..." not in complaint
    assert sorted(os.listdir()) == ["kws.rnn"]


ENTRY = Entry(
    "2024-05-01T12:00:00Z", "a" * 40, "check", "kws.so", "0" * 64, 9, PASS, "paced", 1e4, 8e3, 99.0,
    {"response p50": 20.0, "response p99": 40.0, "service p50": 19.0}, 3000, 0, None, {"cpu": "a"},
)  # fmt: skip
COUNTED = replace(
    ENTRY, command="test", name="t.py::test", us={}, instructions=2100.0, period_us=None, deadline_us=None,
    percentile=None, steps=None, misses=None, mode="", sha256=None, fingerprint={"compiler": "gcc"},
)  # fmt: skip


def test_appended_entries_are_loaded(tmp_path):
    path = tmp_path / "h.jsonl"
    check_appendable(path)
    assert not path.exists()
    for entry in (ENTRY, COUNTED):
        append(path, entry)
        check_appendable(path)
    assert load(path) == [ENTRY, COUNTED]
    path.write_bytes(path.read_bytes().rstrip(b"\n"))  # as some editors leave it
    append(path, ENTRY)
    assert load(path) == [ENTRY, COUNTED, ENTRY]


LINE = json.dumps(asdict(ENTRY))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON"),
        ("<<<<<<< HEAD", "(git could not merge it), is not JSON"),
        ("\udc80", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("9" * 5000, "is not JSON"),
        ("[]", "has not the fields of a run, time, commit, "),
        (json.dumps({**asdict(ENTRY), "more": 1}), "has not the fields of a run"),
        (LINE.replace('"PASS"', '"OKAY"'), "'verdict' is 'OKAY'"),
        (LINE.replace("2024-05-01T12:00:00Z", "yesterday"), "'time' is 'yesterday'"),
        (LINE.replace("20.0", "NaN"), "JSON has no NaN"),
        (LINE.replace("20.0", "1e999"), "the number 1e999 is beyond a float64"),
        (LINE.replace("20.0", '"a"'), "'us' is"),
        (LINE.replace(": 9,", ": -9,"), "'bytes' is -9"),
        (LINE.replace("3000", "3e3"), "'steps' is 3000.0"),
        (LINE.replace('{"cpu": "a"}', "null"), "'fingerprint' is None"),
        (LINE.replace('"cpu": "a"', '"cpu": ' + "[" * 500 + "]" * 500), "it is nested more than 32 deep"),
    ],
)
def test_an_invalid_line_is_refused_with_its_number(tmp_path, line, message):
    path = tmp_path / "h.jsonl"
    path.write_bytes(f"{LINE}\n\n{line}\n{LINE}\n".encode(errors="surrogateescape"))
    before = path.read_bytes()
    for function in (load, check_appendable):
        with pytest.raises(FileError, match=re.escape(f"'{path}', line 3")) as refusal:
            function(path)
        assert message in str(refusal.value)
    code, _, complaint = called("history", path)
    assert (code, message in complaint, path.read_bytes()) == (2, True, before)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_history_is_read_or_refused_with_a_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "h.jsonl"
    text = bytearray(f"{LINE}\n{json.dumps(asdict(COUNTED))}\n".encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(text)
    error = refusal(path)
    assert error is None or re.search(r"line \d", error)


def refusal(path):
    """The error of reading a file; None if it is accepted, in which case every time in it is finite."""
    try:
        entries = load(path)
    except FileError as error:
        return str(error)
    assert all(math.isfinite(us) for each in entries for us in each.us.values())
    return None


def test_lines_of_many_at_once_are_all_there_and_whole(tmp_path):
    path = tmp_path / "h.jsonl"
    code = "import sys; from edgernn.files import atomic\nfor _ in range(50): atomic.append(sys.argv[1], sys.argv[2].encode() * 9000)"
    many = [subprocess.Popen([sys.executable, "-c", code, path, letter]) for letter in "abc"]
    assert [each.wait() for each in many] == [0, 0, 0]
    lines = path.read_text().split("\n")
    assert lines.pop() == ""
    assert sorted(lines) == sorted(letter * 9000 for letter in "abc" for _ in range(50))


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path):
    """A limit on the file size simulates a full disk."""
    path = tmp_path / "h.jsonl"
    path.write_text("first\n")
    code = """
import resource, signal, sys
from edgernn.files import atomic
from edgernn.errors import FileError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    atomic.append(sys.argv[1], b"x" * 200)
except FileError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert path.read_text() == "first\n"


def test_a_curve_never_joins_two_machines():
    other = {"cpu": "b"}
    kinds = [({"cpu": "a"}, 0), (other, 1), ({"cpu": "a"}, 2), (other, 3), ({"cpu": "a"}, 4)]
    entries = [
        replace(ENTRY, time=f"2024-05-0{9 - k}T12:00:00Z", fingerprint=each, us={**ENTRY.us, "response p50": 20.0 + k})
        for each, k in kinds
    ]
    runs = numbered(entries)
    assert [run.entry for run in runs] == entries[::-1]
    assert [run.machine for run in runs] == [1, 2, 1, 2, 1]
    (panel,) = panels(runs)
    drawn = curves(panel)
    assert drawn[1, "solid"] == ([0, 2, 4], [24.0, 22.0, 20.0])
    assert drawn[2, "solid"] == ([1, 3], [23.0, 21.0])
    assert {key for key, _ in drawn.items()} == {(m, s) for m in (1, 2) for s in ("solid", "dotted")}


def test_runs_measured_differently_are_in_separate_drawings():
    runs = [
        NumberedEntry(entry, 1)
        for entry in (ENTRY, replace(ENTRY, period_us=5e3), replace(ENTRY, mode="back"), COUNTED)
    ]
    assert [len(each.runs) for each in panels(runs)] == [1, 1, 1, 1]
    assert [each.unit for each in panels(runs)] == ["us", "us", "us", "instructions"]


def test_the_page_of_a_history_shows_its_lines():
    late = replace(ENTRY, verdict=FAIL, misses=77, commit=None, time="2024-05-02T12:00:00Z", deadline_us=7e3)
    shown = Page(page([ENTRY, late, replace(ENTRY, verdict=NO_VERDICT), COUNTED], "<b>"))
    assert shown.stands_alone()
    assert "History of <b>" in shown.text
    assert "FAIL worst of the newest verdicts" in shown.text
    newest = shown.tables[-1][1]
    assert newest[:3] == ["2024-05-02 12:00", "kws.so", "FAIL | 77 of 3,000 late"]
    assert "aaaaaaa" in shown.drawn[0]
    assert "deadline" in shown.drawn[0]
    assert "instructions" in shown.drawn[1]
    assert len(shown.tables) == 3
    assert "None" not in shown.text


def test_a_page_takes_any_name_for_what_it_is():
    names = ["<script>", "$x^$", "\"&'><b>", "a\nb\0", "\u6f22", "\udc80", "", "x" * 900]
    entries = [
        replace(ENTRY, name=each, commit=each, fingerprint={each: each}, us={"response p50": 0.0}) for each in names
    ]
    assert Page(page([*entries, *[replace(each, us=ENTRY.us) for each in entries]], "h")).stands_alone()


CI = (ROOT / "docs/guides/budgets.md").read_text()
JOB = yaml.safe_load(re.search(r"```yaml\n(.*?)```", CI, re.DOTALL)[1])
SCRIPTS = [step["run"] for step in JOB["jobs"]["latency"]["steps"] if "run" in step]
COMMANDS = [
    shlex.split(line.partition("||")[0])
    for script in SCRIPTS
    for line in script.replace("\\\n", " ").splitlines()
    if line.startswith(("edgernn ", "pytest "))
]


def test_every_command_of_the_job_exists(pytestconfig):
    verbs = [each for each in COMMANDS if each[0] == "edgernn"]
    assert {each[1] for each in verbs} == {"export", "check", "regress", "history"}
    for _, verb, *arguments in verbs:
        cli.commands[verb].make_context(verb, arguments)
    (counted,) = [each for each in COMMANDS if each[0] == "pytest"]
    options = [each for each in counted if each.startswith("--")]
    assert {"--edgernn-instructions", "--edgernn-baseline", "--edgernn-history", "--junitxml"} == set(options)
    for each in [*options, "--edgernn-update-baseline", "--edgernn-strict"]:
        pytestconfig.getoption(each)  # raises ValueError if there is none


def test_the_job_is_a_workflow_whose_scripts_are_bash():
    assert set(JOB) == {"name", True, "permissions", "concurrency", "jobs"}  # "on" is true in YAML
    assert all(("uses" in step) != ("run" in step) for step in JOB["jobs"]["latency"]["steps"])
    for script in SCRIPTS:
        subprocess.run(["bash", "-n", "-c", script], check=True)
        assert "${{" not in script  # no script injection by the names in an event
