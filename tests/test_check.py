"""Checking a budget: on a clock that the test sets, and in processes whose replies are compared."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, cycle, repeat

import numpy as np
import pytest
from test_paced import MS, Clock

import edgernn
from edge import edge
from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.verdict import Budget
from edgernn.device.board import load
from edgernn.errors import FileError, FrameError, UnsupportedError, UsageError
from edgernn.latency.arrivals import regular
from edgernn.latency.check import EXIT_CODES, CheckOptions, ProcessRun, check, evaluate_runs, run_processes
from edgernn.latency.conditions import MachineState
from edgernn.latency.history import check_entry
from edgernn.latency.junit import to_junit
from edgernn.latency.markdown import to_markdown
from edgernn.latency.measurement import measure
from edgernn.latency.report import report_check
from edgernn.latency.resolve import resolve_budget
from edgernn.latency.summary import as_json, text
from edgernn.latency.worker import Worker
from edgernn.model.window import Stage, Window
from edgernn.pages.latency import page
from edgernn_export import export
from page import Page
from zoo import GRAPHS, frames, keyword_spotter

STEADY = MachineState(("performance",), (1500,), {}, 0, 0, 0, 0.1, 7)
INFO = {
    "edgernn": edgernn.__version__,
    "backend": "a runtime 1.0",
    "sha256": "0" * 64,
    "bytes": 1234,
    "precision": "fp32",
    "load_us": 20_000.0,
    "first_us": 900.0,
    "machine": {
        "cpu": "Some Core",
        "level": "x86-64",
        "kernel": "6.1",
        "clock_source": "tsc",
        "timer_ns": 1.0,
        "affinity": [0],
        "python": "3.11.7",
        "edgernn": edgernn.__version__,
        "packages": {"numpy": "2.0"},
    },
}
GOOD = CheckOptions("m.rnn", Budget(10_000, 8_000))


def on_a_clock(took_ns, clocks=Clock, **changed):
    """Measure as processes do, where each step takes the next of these times after the warm-up."""

    def measure_processes(options, progress):
        runs = []
        for k in range(options.processes):
            progress(k)
            clock = clocks(chain(repeat(MS, 200), took_ns), look_ns=5000)
            due = regular(options.steps, options.budget.period_us)
            states = iter([STEADY, replace(STEADY, **changed)])
            measurement = measure(
                clock.step,
                [0],
                due,
                back_to_back=options.back_to_back,
                prime=clock.prime if options.prime else None,
                read_state=lambda: next(states),  # noqa: B023  called before the next iteration
                clock=clock,
                sleep=clock.sleep,
            )
            runs.append(ProcessRun(INFO, measurement))
        return runs

    return measure_processes


def checked(took_ns=repeat(MS), options=GOOD, **changed):  # noqa: B008  it never ends
    return check(options, on_a_clock(took_ns, **changed))


def test_steps_in_time_on_a_fit_machine_pass():
    result = checked()
    assert (result.verdict, result.reasons, result.evaluation.misses) == (PASS, {}, 0)
    assert result.evaluation.steps == 3000
    assert result.cpu_share == pytest.approx(0.1, rel=0.01)
    assert result.span_s == pytest.approx(29.991, rel=1e-3)
    assert not result.publishable


def test_steps_too_late_fail():
    assert checked(chain(repeat(MS, 100), cycle([MS] * 9 + [9 * MS]))).verdict == FAIL


KNOWN_BAD = {
    "governor changed": {"governors": ("powersave",)},
    "throttled": {"throttled": 0x4},
    "major faults": {"major_faults": 9},
}
"""Reason -> fields of the machine state that differ after the run."""


@pytest.mark.parametrize("reason", KNOWN_BAD)
@pytest.mark.parametrize("took_ns", [MS, cycle([MS] * 9 + [9 * MS])], ids=["in time", "late"])
def test_a_known_bad_condition_gives_no_verdict(reason, took_ns):
    result = checked(repeat(took_ns) if took_ns == MS else took_ns, **KNOWN_BAD[reason])
    assert "confidence  for the steps alone, " in text(result)
    assert (result.verdict, list(result.reasons)) == (NO_VERDICT, [reason])


@pytest.mark.parametrize(
    ("reason", "verdict"), [("governor changed", NO_VERDICT), ("throttled", NO_VERDICT), ("major faults", FAIL)]
)
def test_a_miss_in_every_step_is_a_fail_unless_the_clock_changed(reason, verdict):
    result = checked(repeat(9 * MS), **KNOWN_BAD[reason])
    assert result.verdict == verdict
    assert (verdict == FAIL) == any("does not affect the FAIL" in each for each in result.notes)


@pytest.mark.parametrize(("took_ns", "verdict"), [(MS, PASS), (9 * MS, FAIL)])
def test_if_the_governor_cannot_be_read_the_verdict_is_conditional(took_ns, verdict):
    result = checked(repeat(took_ns), governors=None)
    assert (result.verdict, result.reasons) == (verdict, {})
    assert f"{verdict} in the present state of this machine: paced" in text(result).splitlines()[1]
    assert "the governor cannot be read" in text(result)
    assert as_json(result)["conditional"]
    assert "present state" not in text(checked(repeat(took_ns)))


CERTIFICATE = replace(GOOD, certificate=True)


@pytest.mark.parametrize(
    ("options", "took_ns", "verdict"),
    [
        (CERTIFICATE, repeat(MS), NO_VERDICT),
        (CERTIFICATE, cycle([MS] * 9 + [9 * MS]), NO_VERDICT),
        (CERTIFICATE, repeat(9 * MS), FAIL),
        (replace(CERTIFICATE, any_governor=True), repeat(MS), PASS),
    ],
)
def test_a_certificate_requires_the_governor_or_the_option(options, took_ns, verdict):
    result = checked(took_ns, options=options, governors=None)
    assert result.verdict == verdict
    assert ("governor unread" in result.reasons) == (verdict == NO_VERDICT)
    assert "the governor cannot be read" in text(result)


class Late(Clock):
    """A clock on which every fiftieth sleep is 5 ms too long."""

    sleeps = 0

    def sleep(self, seconds):
        self.sleeps += 1
        super().sleep(seconds + 0.005 * (self.sleeps % 50 == 0))


@pytest.mark.parametrize(
    ("took_ns", "options", "verdict"),
    [
        (MS, GOOD, PASS),  # the responses include late starts
        (MS, CERTIFICATE, NO_VERDICT),
        (4 * MS, GOOD, NO_VERDICT),  # 9 ms only because of the late starts
        (9 * MS, GOOD, FAIL),
        (9 * MS, CERTIFICATE, FAIL),
    ],
)
def test_steps_that_started_late_prevent_the_verdicts_they_may_cause(took_ns, options, verdict):
    result = check(options, on_a_clock(repeat(took_ns), clocks=Late))
    assert result.verdict == verdict
    lines = [*result.reasons.values()] if verdict == NO_VERDICT else result.notes
    assert any("1 % of the steps started more than 48" in each for each in lines)
    assert result.conditional == (verdict != NO_VERDICT)


@pytest.mark.parametrize(
    ("took_ns", "words"),
    [
        (repeat(MS), "95.0 %: if 1 % were late, in bursts of 10, one in 20 runs would have no miss"),
        (
            chain(repeat(MS, 50), [9 * MS], repeat(MS)),
            "fewer than one in a million runs would have as few misses",
        ),
        (cycle([MS] * 89 + [9 * MS]), "% that p99 is in time, "),
        (repeat(9 * MS), "more than 99.9999 %: if 1 % were late, fewer than one in a million runs would have as many"),
    ],
)
def test_a_verdict_states_its_confidence(took_ns, words):
    result = checked(took_ns)
    assert words in next(line for line in text(result).splitlines() if line.startswith("confidence"))
    assert words in as_json(result)["confidence"]


def test_too_few_steps_say_how_many_are_needed():
    result = checked(options=replace(GOOD, seconds=10))
    assert result.verdict == NO_VERDICT
    assert result.reasons["steps"] == (
        "1,000 steps with 0 misses do not decide p99. At least 2,990 are needed to pass. 1,990 more without a "
        "miss would pass, 30 s in all"
    )


def test_a_board_that_is_not_here_gets_no_verdict():
    elsewhere = load("raspberrypi4-32bit")
    assert (
        checked(options=replace(GOOD, device=elsewhere))
        .reasons["elsewhere"]
        .startswith("this machine is not 'raspberrypi4-32bit'")
    )


def test_a_certificate_is_long_paced_and_of_fresh_processes():
    options = replace(GOOD, budget=Budget(100_000), seconds=600, processes=5)
    one, back_to_back = (
        on_a_clock(repeat(MS))(replace(options, seconds=120, processes=1, back_to_back=each), lambda _: None)
        for each in (False, True)
    )
    result = evaluate_runs(options, one * 5)
    assert (result.verdict, result.evaluation.steps, result.publishable) == (PASS, 6000, True)
    assert "may be published" not in text(result)
    for other in (
        evaluate_runs(options, one * 4),
        evaluate_runs(replace(options, back_to_back=True), back_to_back * 5),
    ):
        assert (other.verdict, other.publishable, as_json(other)["publishable"]) == (PASS, False, False)
        assert "may be published" in text(other)


def test_back_to_back_is_labelled_implied_in_every_output():
    result = checked(options=replace(GOOD, back_to_back=True))
    screen = text(result)
    assert "implied  " in screen
    assert "\nresponse" not in screen
    assert "Implied: no step waited" in screen
    assert "implied" in as_json(result)["mode"]
    assert "implied" in page(result)
    assert "implied" not in text(checked()) + as_json(checked())["mode"]


MODES = {
    "back to back, responses implied": {"back_to_back": True},
    "paced": {},
    "paced and primed": {"prime": True},
}


@pytest.mark.parametrize("mode", MODES)
def test_every_output_says_how_frames_came(mode):
    result = checked(options=replace(GOOD, **MODES[mode]))
    report = report_check(result, "check", 1.0)
    assert result.verdict == PASS
    assert as_json(result)["mode"] == mode
    assert f"PASS: {mode}, 3,000 steps" in text(result)
    assert f"| frames | {mode} |" in to_markdown(report)
    assert f'name="frames" value="{mode}"' in to_junit(report, datetime.now(UTC)).decode()
    assert mode in page(result)
    assert check_entry(result, "check").mode == mode


def test_steps_back_to_back_cannot_be_primed():
    with pytest.raises(UsageError, match="no time to be primed in: omit --back-to-back or --prime"):
        replace(GOOD, back_to_back=True, prime=True)


def test_the_result_is_json_and_fits_a_screen():
    result = checked(chain(repeat(MS, 100), repeat(9 * MS, 3), repeat(MS)))
    output = json.loads(json.dumps(as_json(result)))
    assert output["evaluation"]["longest_run"] == 3
    assert output["us"]["response"]["p50"] == pytest.approx(1000, rel=0.05)
    assert output["fingerprint"]["governors"] == ["performance"]
    assert output["artifact"]["sha256"] == "0" * 64
    assert output["cold_start"] == [{"load_us": 20_000.0, "first_us": 900.0}]
    assert output["warm_up"] == [{"steps": 200, "settled": True}]
    lines = text(result).splitlines()
    assert len(lines) <= 25
    assert any("3 in a row" in line for line in lines)


@pytest.mark.parametrize(
    ("took_ns", "seconds"),
    [([MS], 0.01), ([9 * MS], 1), ([MS] * 60 + [30 * MS], 10.5)],
    ids=["one step", "late", "mixed"],
)
def test_the_page_stands_alone_and_shows_the_result(took_ns, seconds):
    result = checked(cycle(took_ns), options=replace(GOOD, seconds=seconds, artifact="<b>.rnn"))
    shown = Page(page(result))
    assert shown.stands_alone()
    assert len(shown.drawn) == 3
    assert f"{result.verdict}: <b>.rnn" in shown.text
    assert any("deadline" in each for each in shown.drawn)
    assert ("misses" in " ".join(shown.drawn[2])) == (result.evaluation.misses > 0)
    assert shown.pre.strip() == text(result).strip()
    assert "None" not in shown.text  # unknown values have another text


@pytest.mark.parametrize(
    ("arguments", "budget"),
    [
        ({"period_us": 500.0}, Budget(500)),
        ({"period_us": 500.0, "deadline_us": 300.0, "percentile": 95.0, "confidence": 0.9}, Budget(500, 300, 95, 0.9)),
        ({"rate": "control"}, Budget(1000)),
        ({"rate": "audio", "deadline_us": 8000.0}, Budget(10_000, 8000)),
        ({"own_period_us": 16_000.0}, Budget(16_000)),
        ({"own_period_us": 16_000.0, "device": load("raspberrypi4")}, Budget(16_000)),
        ({"device": load("raspberrypi4")}, Budget(10_000)),
    ],
)
def test_a_budget_is_explicit_or_that_of_the_rate_or_of_the_model(arguments, budget):
    assert resolve_budget(**arguments) == budget


def test_a_board_overrides_the_rate_of_the_models_period():
    board = load("raspberrypi4")
    board = replace(
        board, rates={**board.rates, "audio": replace(board.rates["audio"], deadline_us=8000.0, percentile=99.9)}
    )
    assert (
        resolve_budget(device=board, own_period_us=10_000.0)
        == resolve_budget(device=board, rate="audio")
        == Budget(10_000, 8000, 99.9)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "the model does not state its frame period; give a period"),
        ({"rate": "adio"}, "did you mean 'audio'"),
        ({"rate": "audio", "period_us": 5.0}, "exclude each other"),
        ({"rate": "audio", "deadline_us": 12_000.0}, "exceeds the period"),
        ({"period_us": 0.0}, "the period is 0 us"),
    ],
)
def test_an_invalid_budget_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        resolve_budget(**arguments)


@pytest.mark.parametrize(("changed", "message"), [({"seconds": 0}, "0 seconds"), ({"processes": 0}, "0 processes")])
def test_options_that_measure_nothing_are_refused(changed, message):
    with pytest.raises(UsageError, match=message):
        replace(GOOD, **changed)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "kws.rnn"
    edgernn.save(keyword_spotter(), path)
    return str(path)


def test_fresh_processes_measure_every_step(model):
    options = CheckOptions(model, Budget(500), seconds=0.1, processes=2)
    seen = []
    result = check(options, run_processes, seen.append)
    assert seen == [0, 1]
    assert result.evaluation.steps == 200
    for each in result.processes:
        run = each.measurement.times
        assert run.due.tolist() == regular(100, 500).tolist()
        assert np.all(run.start >= run.due)
        assert np.all(run.service > 0)
        assert np.all(run.jitter >= 0)
        assert each.info["sha256"] == edgernn.open(model).sha256
        assert each.info["backend"] == edgernn.open(model).backend
        assert min(each.info["load_us"], each.info["first_us"]) > 0
    assert result.verdict != PASS  # too few steps


def test_recorded_arrivals_set_the_schedule(model, tmp_path):
    (tmp_path / "t.csv").write_text("0 1 1 4")
    options = CheckOptions(model, Budget(1000), trace=str(tmp_path / "t.csv"), back_to_back=True)
    (each,) = run_processes(options, lambda _: None)
    assert each.measurement.times.due.tolist() == [0, MS, MS, 4 * MS]
    assert each.measurement.times.implied


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([[0.0] * 10, [np.nan] * 10], FrameError, "frame 1: element 0 of the frame is nan"),
        ([[0.0] * 9], FrameError, "frame 0: a frame of float32 of shape"),
        (np.zeros((0, 10)), FileError, "holds no frame"),
    ],
)
def test_frames_that_do_not_fit_are_refused_before_the_run(model, tmp_path, values, error, message):
    np.save(tmp_path / "f.npy", np.array(values, np.float32))
    with Worker() as worker, pytest.raises(error, match=message):
        worker.open(model, str(tmp_path / "f.npy"))


def test_frames_of_a_file_are_given(model, tmp_path):
    np.save(tmp_path / "f.npy", frames(keyword_spotter(), 5))
    with Worker() as worker:
        worker.open(model, str(tmp_path / "f.npy"))
        fields, arrays = worker.ask("block", steps=12)
    assert fields == {}
    assert (len(arrays["took"]), arrays["took"].min() > 0) == (12, True)


def test_errors_come_through_as_they_are(tmp_path):
    with Worker() as worker, pytest.raises(FileError, match=r"'gone\.rnn' cannot be read"):
        worker.open("gone.rnn")
    with pytest.raises(UsageError, match="'/nowhere/python' cannot be run: No such file"):
        Worker("/nowhere/python")


def test_a_python_without_edgernn_is_reported_with_the_pip_command(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec "{python}" "$@"\n')
    shim.chmod(0o755)
    with (
        Worker(shim) as worker,
        pytest.raises(UsageError, match=f"has no edgernn {edgernn.__version__}: .* -m pip install"),
    ):
        worker.open("m.rnn")


def test_a_process_that_dies_is_reported_with_its_stderr(tmp_path):
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nread line\necho out of luck >&2\nexit 7\n")
    shim.chmod(0o755)
    with Worker(shim) as worker, pytest.raises(UsageError, match="ended with 7 during the measurement: out of luck"):
        worker.open("m.rnn")


@pytest.mark.parametrize("program", ["true", "echo"])
def test_a_program_other_than_python_is_refused_and_no_broken_pipe_ends_the_command(program):
    code = """
import signal, sys
from edgernn.errors import UsageError
from edgernn.latency.worker import Worker
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in the command
with Worker(sys.argv[1]) as worker:
    worker._child.wait()
    try:
        worker.open("m.rnn")
    except UsageError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, shutil.which(program)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ended with 0 during the measurement" in done.stdout


def test_an_invalid_reply_is_refused(tmp_path):
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nread line\necho hello\n")
    shim.chmod(0o755)
    with Worker(shim) as worker, pytest.raises(UsageError, match=r"answers b'hello.+n'; is it a Python with edgernn"):
        worker.open("m.rnn")


def test_the_command_prints_the_result_and_returns_its_exit_code(model, tmp_path):
    html, few = tmp_path / "l.html", ("--percentile", 50)  # four steps do not decide it, even if all are late
    printed = edge("check", model, "--seconds", 0.12, "--period", "30ms", "--html", html, *few, code=3)
    assert "NO VERDICT: paced, 4 steps" in printed
    assert Page(html.read_text()).stands_alone()
    arguments = ("--seconds", 0.04, "--processes", 1, "--deadline", "8ms", "--any-governor", "--json", *few)
    output = json.loads(edge("certify", model, *arguments, code=3))
    assert output["budget"] == {"period_us": 10_000, "deadline_us": 8000, "percentile": 50, "confidence": 0.95}
    assert not output["publishable"]
    assert EXIT_CODES == {PASS: 0, FAIL: 1, NO_VERDICT: 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--period", "0ms"), "the period is 0 us"),
        (("--period", "10"), "is not a time; write a number and its unit"),
        (("--deadline", "12ms"), "exceeds the period"),
        (("--percentile", "100"), "the percentile is 100"),
        (("--board", "raspberypi4"), "did you mean 'raspberrypi4'?"),
        (("--rate", "adio"), "did you mean 'audio'?"),
        (("--trace", "gone.csv"), "'gone.csv' cannot be read"),
        (("--frames", "gone.npy"), "'gone.npy'"),
        (("--seconds", "0"), "0 seconds"),
        (("--percentile", "0.99"), "expected at least 50 and less than 100, in percent"),
        (("--html", "gone/page.html", "--seconds", "999"), "'gone/page.html' cannot be written"),  # before the run
    ],
)
def test_invalid_options_are_refused(model, options, message):
    assert message in edge("check", model, *options, code=2)


def test_whole_windows_have_no_step_to_check(tmp_path):
    export(Window((Stage(GRAPHS["Gru"], GRAPHS["Gru"]),)), tmp_path / "w.onnx")
    with Worker() as worker, pytest.raises(UnsupportedError, match="reads every window in both directions"):
        worker.open(str(tmp_path / "w.onnx"))


def test_a_model_of_symbols_receives_symbols(tmp_path):
    edgernn.save(GRAPHS["Embedding"], tmp_path / "e.rnn")
    with Worker() as worker:
        assert worker.open(str(tmp_path / "e.rnn"))["vocabulary_size"] == 9
        assert len(worker.ask("block", steps=5)[1]["took"]) == 5
