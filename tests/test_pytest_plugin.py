"""The pytest plugin, in suites of its own: a slowed model is caught, an unchanged one is not, and everything else is reported."""

import json
import shutil
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.device.isa import missing
from edgernn.errors import FileError, UsageError
from edgernn.interpreters import count as cost
from edgernn.latency import history
from edgernn.latency.baseline import INSTRUCTIONS, US, Baseline, compare, from_times, load
from edgernn.testing.gate import requirement
from edgernn_export.counting.count import count
from ways import needs
from zoo import GRAPHS, keyword_spotter

pytest_plugins = ["pytester"]

# a suite whose clock only a step winds; each look at it takes 1 us
CONFTEST = """
from functools import partial
import pytest
from edgernn.latency.conditions import MachineState
from edgernn.latency.measurement import measure

class Clock:
    now = 0

    def __call__(self):
        self.now += 1000
        return self.now

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)

@pytest.fixture
def clock():
    return Clock()

@pytest.fixture
def edgernn_measure(clock):
    steady = MachineState(("performance",), None, {}, None, None, None, None, 0)
    return partial(measure, clock=clock, sleep=clock.sleep, read_state=lambda: steady)
"""

STEPS = """
import pytest

@pytest.mark.latency_budget({options})
def test_model(edgernn_latency, clock):
    def step(_frame):
        clock.now += {took_ns}
    edgernn_latency(step)
"""

MODEL = """
import numpy as np
from edgernn import Graph, Layer, Tensor
from edgernn.cells import Dense, Gru

def zeros(*shape):
    return Tensor(np.zeros(shape, np.float32))

def test_model(edgernn_latency):
    h = {hidden}
    layers = Layer("gru", Gru(zeros(3 * h, 10), zeros(3 * h, h))), Layer("out", Dense(zeros(4, h)))
    edgernn_latency(Graph(layers, 10))
"""

BUDGET = 'period="10ms", deadline="8ms", percentile=90'  # 290 steps are the fewest that can pass
PLUGIN = ("-p", "no:edgernn", "-p", "edgernn.testing.plugin", "-W", "error", "--strict-markers")  # once, not twice
ALONE = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")


@pytest.fixture
def suite(pytester):
    """Run a suite of one test: `suite(text, *options) -> the result of pytest`."""

    def run(text, *options, conftest=CONFTEST):
        pytester.makeconftest(conftest)
        pytester.makepyfile(test_it=text)
        return pytester.runpytest_inprocess(*PLUGIN, *ALONE, *options)

    return run


def stepping(took_us, options=BUDGET):
    return STEPS.format(options=options, took_ns=took_us * 1000)


def test_a_model_in_time_passes_and_stands_in_the_table(suite):
    result = suite(stepping(7000))
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [r"=+ latency of models =+", r"PASS +test_it.py::test_model: steps 290, service p50 7,001 us"]
    )


def test_a_model_that_is_late_fails_with_what_it_missed(suite):
    result = suite(stepping(8001))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*290 of 290 steps took more than 8,000 us; 90 % must be in time"])


@pytest.mark.parametrize(("took_us", "outcome"), [(7000, "passed"), (8001, "failed")])
def test_where_the_governor_cannot_be_read_a_test_passes_or_fails_all_the_same(suite, took_us, outcome):
    result = suite(stepping(took_us), conftest=CONFTEST.replace('("performance",)', "None"))
    result.assert_outcomes(**{outcome: 1})
    result.stdout.re_match_lines(
        [r"(PASS|FAIL) +test_it.*, confidence .* %, valid for the present state of this machine"]
    )


def test_a_late_step_delays_those_behind_it(suite):
    """12 ms in a period of 10 ms: each step starts later, although none takes more than 12."""
    result = suite(stepping(12_000, 'period="20ms", deadline="13ms", percentile=90'))
    result.assert_outcomes(passed=1)
    result = suite(stepping(12_000, 'period="10ms", deadline="10ms", steps=100'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*100 of 100 steps*"])
    result.stdout.re_match_lines([r"FAIL .*response p99 (2\d\d,\d+|2.\d+e\+05) us.*"])


@pytest.mark.parametrize(("options", "outcomes"), [((), {"skipped": 1}), (("--edgernn-strict",), {"failed": 1})])
def test_no_verdict_is_a_skip_with_its_reason_unless_strict(suite, options, outcomes):
    result = suite(stepping(7000, BUDGET + ", steps=100"), "-rs", *options)
    result.assert_outcomes(**outcomes)
    result.stdout.fnmatch_lines(["*no verdict: 100 steps with 0 misses do not decide p90*"])
    if not options:
        result.stdout.re_match_lines([r"SKIPPED \[1\] test_it\.py:\d+: no verdict"])


def test_a_slowed_model_is_caught_and_an_unchanged_one_is_not(suite):
    """The tolerance of a median is 5 %."""
    suite(stepping(7000), "--edgernn-baseline=baselines", "--edgernn-update-baseline").assert_outcomes(passed=1)
    for took_us, outcome in ((7000, "passed"), (7340, "passed"), (7360, "failed")):
        result = suite(stepping(took_us), "--edgernn-baseline=baselines")
        result.assert_outcomes(**{outcome: 1})
    result.stdout.re_match_lines([r".*regressed: 7,361 us against 7,001, \+5\.1%"])


def test_a_baseline_alone_is_enough(suite, pytester):
    text = stepping(50).replace("@pytest.mark", "# ")
    result = suite(text, "--edgernn-baseline=baselines", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no verdict: there is no baseline; write one with --edgernn-update-baseline*"])
    suite(text, "--edgernn-baseline=baselines", "--edgernn-update-baseline").assert_outcomes(passed=1)
    suite(text, "--edgernn-baseline=baselines").assert_outcomes(passed=1)
    assert [path.name for path in (pytester.path / "baselines").iterdir()] == ["test_it.py-test_model.json"]
    result = suite(text)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*nothing to check: give the test a latency_budget, or pytest --edgernn-baseline DIR"])


def test_a_baseline_from_another_machine_is_no_verdict(suite, pytester):
    suite(stepping(7000), "--edgernn-baseline=baselines", "--edgernn-update-baseline")
    (path,) = (pytester.path / "baselines").iterdir()
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"fingerprint": fields["fingerprint"] | {"cpu": "another"}}))
    result = suite(stepping(9000, 'period="10ms", percentile=90'), "--edgernn-baseline=baselines", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no verdict: the baseline is from another machine or runtime: cpu differ*"])


def test_a_file_that_is_no_baseline_is_an_error(suite, pytester, tmp_path):
    suite(stepping(7000), "--edgernn-baseline=baselines", "--edgernn-update-baseline")
    (path,) = (pytester.path / "baselines").iterdir()
    for text in ("{", "[]", '{"unit": "us"}', path.read_text().replace('"us"', '"s"')):
        path.write_text(text)
        with pytest.raises(FileError, match=r"is not a baseline: .*; write it again with --edgernn-update-baseline"):
            load(path)


LEVELS = {
    "x86-64-v3": pytest.mark.skipif(
        bool(shutil.which("valgrind") is None or missing("x86-64-v3")), reason="there is no valgrind, or no x86-64-v3"
    ),
    "aarch64": needs("qemu-aarch64"),
}


@pytest.mark.parametrize("level", [pytest.param(level, marks=mark) for level, mark in LEVELS.items()])
def test_instructions_tell_a_larger_model_from_the_same(level, suite, pytester):
    options = ("--edgernn-baseline=baselines", "--edgernn-instructions", "--edgernn-history=h.jsonl")
    options += (f"--edgernn-level={level}",)
    first = suite(MODEL.format(hidden=16), *options, "--edgernn-update-baseline")
    first.assert_outcomes(passed=1)
    again = suite(MODEL.format(hidden=16), *options)
    again.assert_outcomes(passed=1)
    again.stdout.re_match_lines([r"PASS +.*instructions ([\d,]+), bytes [\d,]+, baseline \1$"])
    suite(MODEL.format(hidden=16), *options, "-n1").assert_outcomes(passed=1)  # parallel tests do not affect the count
    larger = suite(MODEL.format(hidden=17), *options)
    larger.assert_outcomes(failed=1)
    first, same, _, more = (each.instructions for each in history.load(pytester.path / "h.jsonl"))
    assert 0 < first == same < more
    larger.stdout.re_match_lines([r".*the model grew from|.*regressed: [\d,]+ instructions against [\d,]+, \+\d+"])


@pytest.mark.skipif(
    bool(shutil.which("valgrind") is None or missing("x86-64-v3")), reason="there is no valgrind, or no x86-64-v3"
)
def test_a_count_is_that_of_the_step():
    """AVX2 multiplies eight floats at once, in fewer than ten instructions; an embedding needs fewer still."""
    plain, macs = count(keyword_spotter(32, 20)), cost.count(keyword_spotter(32, 20)).macs
    assert macs / 8 < plain.instructions < 10 * macs / 8
    assert 0 < count(GRAPHS["Embedding"]).instructions < plain.instructions


def test_a_failed_count_is_reported(suite, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    result = suite(MODEL.format(hidden=4), "--edgernn-baseline=baselines", "--edgernn-instructions", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no verdict: instructions are counted by valgrind, which is not installed*"])
    result = suite(stepping(1), "--edgernn-baseline=baselines", "--edgernn-instructions")
    result.stdout.fnmatch_lines(
        [
            "*instructions are counted for a Graph or an .rnn file, not for <function*; give the .rnn it was exported from"
        ]
    )


def test_a_level_is_for_counts(suite):
    result = suite(MODEL.format(hidden=4), "--edgernn-level=aarch64")
    result.stderr.fnmatch_lines(["*--edgernn-level is for counted instructions: --edgernn-instructions"])


@pytest.mark.parametrize("option", ["--edgernn-instructions", "--edgernn-update-baseline"])
def test_options_that_need_a_folder_say_so(suite, option):
    result = suite("", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{option} needs the folder of baselines: --edgernn-baseline DIR"])


def test_each_verdict_is_a_line_of_history_and_properties_of_its_test(suite, pytester):
    options = ("--edgernn-history=h.jsonl", "--junitxml=r.xml")
    twice = stepping(7000).replace("edgernn_latency(step)", "edgernn_latency(step), edgernn_latency(step)")
    suite(twice, *options).assert_outcomes(passed=1)
    properties = {each.get("name"): each.get("value") for each in ET.parse(pytester.path / "r.xml").iter("property")}
    assert (properties["edgernn verdict"], properties["edgernn-2 verdict"]) == (PASS, PASS)
    assert properties["edgernn deadline"] == "8,000 us"
    suite(stepping(9000), *options).assert_outcomes(failed=1)
    lines = history.load(pytester.path / "h.jsonl")
    assert [(each.name, each.verdict, each.misses) for each in lines] == [
        ("test_it.py::test_model", PASS, 0),
        ("test_it.py::test_model-2", PASS, 0),
        ("test_it.py::test_model", FAIL, 290),
    ]
    assert history.tail_us(lines[0]) == pytest.approx(7001, rel=0.01)
    assert (lines[0].deadline_us, lines[0].percentile, lines[0].steps) == (8000, 90, 290)


def test_a_primed_measurement_is_called_so(suite, pytester):
    text = MODEL.format(hidden=4).replace(
        "def test_model", f"@pytest.mark.latency_budget({BUDGET}, prime=True)\ndef test_model"
    )
    conftest = CONFTEST.replace("self.now += 1000", "self.now += 1_000_000")
    suite(f"import pytest\n{text}", "--edgernn-history=h.jsonl", conftest=conftest).assert_outcomes(passed=1)
    assert [each.mode for each in history.load(pytester.path / "h.jsonl")] == ["paced and primed"]


def test_a_step_alone_cannot_be_primed(suite):
    result = suite(stepping(7000, BUDGET + ", prime=True"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a step alone cannot be primed; give the artifact, its Program or the Graph"])


def test_an_invalid_history_ends_the_suite_before_it_begins(suite, pytester):
    (pytester.path / "h.jsonl").write_text("{")
    result = suite(stepping(7000), "--edgernn-history=h.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--edgernn-history: 'h.jsonl', line 1, is not JSON*"])


def test_nothing_is_measured_under_xdist(suite):
    pytest.importorskip("xdist")
    result = suite(stepping(1), "-n1", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no verdict: xdist runs tests in parallel*"])


def test_a_budget_without_a_measurement_fails(suite):
    result = suite(stepping(1).replace("edgernn_latency(step)", "pass"))
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the test has a latency_budget, but never called edgernn_latency"])


def test_each_call_of_a_test_has_its_own_baseline(suite, pytester):
    text = stepping(7000).replace("edgernn_latency(step)", "edgernn_latency(step), edgernn_latency(step)")
    suite(text, "--edgernn-baseline=baselines", "--edgernn-update-baseline").assert_outcomes(passed=1)
    assert {path.name for path in (pytester.path / "baselines").iterdir()} == {
        "test_it.py-test_model.json",
        "test_it.py-test_model-2.json",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deadlin": "8ms"}, "latency_budget has no option 'deadlin'; did you mean 'deadline'"),
        ({"deadline": "8"}, "'8' is not a time; write a number and its unit"),
        ({"period": "0ms"}, "the period is 0 us"),
        ({"period": "5ms", "deadline": "8ms"}, "the deadline of 8000 us exceeds the period"),
        ({"period": "5ms", "percentile": 100}, "the percentile is 100"),
        ({"percentile": 90}, "the latency_budget has no period; write period='10ms'"),
        ({"board": "raspbery4"}, "no board 'raspbery4'; did you mean 'raspberrypi4'"),
        ({"rate": "vidio"}, "has no rate 'vidio'; did you mean 'audio'"),
        ({"period": "5ms", "steps": 0}, "steps=0 arrived"),
        ({"prime": True}, "prime=True needs frames that come at a period"),
        ({"period": "5ms", "prime": True, "back_to_back": True}, "give the test a budget without back_to_back"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        requirement(options)


def test_a_rate_of_a_board_is_a_budget():
    required = requirement({"board": "raspberrypi4", "rate": "control", "deadline": "500us"})
    assert (required.budget.period_us, required.budget.deadline_us, required.device.name) == (1000, 500, "raspberrypi4")
    assert required.steps == 2990


BEFORE = Baseline(INSTRUCTIONS, 1000, 1000, 1000, 5000, {"compiler": "a"})


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (Baseline(INSTRUCTIONS, 1010, 1010, 1010, 5000, {"compiler": "a"}), PASS),
        (Baseline(INSTRUCTIONS, 1011, 1011, 1011, 5000, {"compiler": "a"}), FAIL),
        (Baseline(INSTRUCTIONS, 1000, 1000, 1000, 5151, {"compiler": "a"}), FAIL),
        (Baseline(INSTRUCTIONS, 900, 900, 900, 5150, {"compiler": "a"}), PASS),
        (Baseline(INSTRUCTIONS, 900, 900, 900, 5000, {"compiler": "b"}), NO_VERDICT),
        (Baseline(INSTRUCTIONS, 900, 900, 900, 5000, {}), NO_VERDICT),
        (Baseline(US, 900, 900, 900, 5000, {"compiler": "a"}), NO_VERDICT),
        (Baseline(INSTRUCTIONS, 1000, 990, 1011, 5000, {"compiler": "a"}), NO_VERDICT),
    ],
)
def test_a_baseline_decides_by_its_tolerances(now, verdict):
    assert compare(now, BEFORE)[0] == verdict
    assert compare(now, None)[0] == NO_VERDICT


def test_the_median_of_restless_times_is_an_interval():
    measured = from_times([100 + 10 * (k * 7 % 11) for k in range(1100)], 1, {"affinity": (0, 1)})
    assert measured.low <= measured.value <= measured.high
    assert measured.value == 150
    assert measured.fingerprint == {"affinity": [0, 1]}


def test_a_suite_that_does_not_use_it_loads_nothing_but_the_plugin():
    code = """
import sys, pytest
before = set(sys.modules)
import edgernn.testing.plugin
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['edgernn', 'edgernn.testing', 'edgernn.testing.plugin']\n"
