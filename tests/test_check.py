"""A budget checked: on a clock that the test moves, and through processes of which only the answers count."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
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
from edgernn.latency.check import CODES, CheckPlan, Process, check, evaluated, fresh
from edgernn.latency.conditions import Moment
from edgernn.latency.measurement import measure
from edgernn.latency.resolve import resolve_budget
from edgernn.latency.summary import as_json, text
from edgernn.latency.worker import Worker
from edgernn.model.window import Stage, Window
from edgernn.pages.latency import page
from edgernn_export import export
from page import Page
from zoo import GRAPHS, frames, keyword_spotter

STEADY = Moment(("performance",), (1500,), {}, 0, 0, 0, 0.1, 7)
OPENED = {
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
GOOD = CheckPlan("m.rnn", Budget(10_000, 8_000))


def on_a_clock(took_ns, clocks=Clock, **changed):
    """Measures as processes would, where each step takes the next of these times after the warm-up."""

    def measured(plan, tell):
        found = []
        for k in range(plan.processes):
            tell(k)
            clock = clocks(chain(repeat(MS, 200), took_ns), look_ns=5000)
            due = regular(plan.steps, plan.budget.period_us)
            looks = iter([STEADY, replace(STEADY, **changed)])
            run = measure(
                clock.step,
                [0],
                due,
                back_to_back=plan.back_to_back,
                look=lambda: next(looks),  # noqa: B023  it is called before the loop goes on
                clock=clock,
                sleep=clock.sleep,
            )
            found.append(Process(OPENED, run))
        return found

    return measured


def found(took_ns=repeat(MS), plan=GOOD, **changed):  # noqa: B008  it never ends
    return check(plan, on_a_clock(took_ns, **changed))


def test_steps_in_time_on_a_fit_machine_pass():
    said = found()
    assert (said.verdict, said.reasons, said.evaluated.misses) == (PASS, {}, 0)
    assert said.evaluated.steps == 3000
    assert said.share == pytest.approx(0.1, rel=0.01)
    assert said.span_s == pytest.approx(29.991, rel=1e-3)
    assert not said.publishable


def test_steps_too_late_fail():
    assert found(chain(repeat(MS, 100), cycle([MS] * 9 + [9 * MS]))).verdict == FAIL


KNOWN_BAD = {
    "governor changed": {"governors": ("powersave",)},
    "throttled": {"throttled": 0x4},
    "major faults": {"major_faults": 9},
}
"""A reason -> what has changed when the run is over."""


@pytest.mark.parametrize("reason", KNOWN_BAD)
@pytest.mark.parametrize("took_ns", [MS, cycle([MS] * 9 + [9 * MS])], ids=["in time", "late"])
def test_what_is_known_to_be_wrong_gets_no_verdict(reason, took_ns):
    said = found(repeat(took_ns) if took_ns == MS else took_ns, **KNOWN_BAD[reason])
    assert "sure        by the steps alone, " in text(said)
    assert (said.verdict, list(said.reasons)) == (NO_VERDICT, [reason])


@pytest.mark.parametrize(
    ("reason", "verdict"), [("governor changed", NO_VERDICT), ("throttled", NO_VERDICT), ("major faults", FAIL)]
)
def test_a_miss_in_every_step_is_a_fail_unless_the_clock_was_another(reason, verdict):
    said = found(repeat(9 * MS), **KNOWN_BAD[reason])
    assert said.verdict == verdict
    assert (verdict == FAIL) == any("the FAIL stands" in each for each in said.remarks)


@pytest.mark.parametrize(("took_ns", "verdict"), [(MS, PASS), (9 * MS, FAIL)])
def test_where_the_governor_cannot_be_read_the_verdict_is_of_this_machine_as_it_was_found(took_ns, verdict):
    said = found(repeat(took_ns), governors=None)
    assert (said.verdict, said.reasons) == (verdict, {})
    assert f"{verdict} on this machine as it was found: paced" in text(said).splitlines()[1]
    assert "the governor cannot be read" in text(said)
    assert as_json(said)["as_found"]
    assert "as it was found" not in text(found(repeat(took_ns)))


CERTIFICATE = replace(GOOD, certificate=True)


@pytest.mark.parametrize(
    ("plan", "took_ns", "verdict"),
    [
        (CERTIFICATE, repeat(MS), NO_VERDICT),
        (CERTIFICATE, cycle([MS] * 9 + [9 * MS]), NO_VERDICT),
        (CERTIFICATE, repeat(9 * MS), FAIL),
        (replace(CERTIFICATE, any_governor=True), repeat(MS), PASS),
    ],
)
def test_a_certificate_wants_to_know_the_governor_or_is_told(plan, took_ns, verdict):
    said = found(took_ns, plan=plan, governors=None)
    assert said.verdict == verdict
    assert ("governor unread" in said.reasons) == (verdict == NO_VERDICT)
    assert "the governor cannot be read" in text(said)


class Late(Clock):
    """A clock on which every fiftieth sleep is 5 ms too long."""

    sleeps = 0

    def sleep(self, seconds):
        self.sleeps += 1
        super().sleep(seconds + 0.005 * (self.sleeps % 50 == 0))


@pytest.mark.parametrize(
    ("took_ns", "plan", "verdict"),
    [
        (MS, GOOD, PASS),  # the responses count what began late
        (MS, CERTIFICATE, NO_VERDICT),
        (4 * MS, GOOD, NO_VERDICT),  # 9 ms with what began late, and only with it
        (9 * MS, GOOD, FAIL),
        (9 * MS, CERTIFICATE, FAIL),
    ],
)
def test_steps_that_began_late_take_away_what_may_come_from_them(took_ns, plan, verdict):
    said = check(plan, on_a_clock(repeat(took_ns), clocks=Late))
    assert said.verdict == verdict
    told = [*said.reasons.values()] if verdict == NO_VERDICT else said.remarks
    assert any("1 % of the steps began more than 48" in each for each in told)
    assert said.as_found == (verdict != NO_VERDICT)


@pytest.mark.parametrize(
    ("took_ns", "words"),
    [
        (repeat(MS), "95.0 %: were 1 % late, in bursts of 10, no miss would come by chance once in 20 runs"),
        (
            chain(repeat(MS, 50), [9 * MS], repeat(MS)),
            "so few misses would come by chance less than once in a million runs",
        ),
        (cycle([MS] * 89 + [9 * MS]), "% that p99 is in time, "),
        (repeat(9 * MS), "more than 99.9999 %: were 1 % late, so many misses would come by chance less than once in a"),
    ],
)
def test_a_verdict_says_how_sure_it_is(took_ns, words):
    said = found(took_ns)
    assert words in next(line for line in text(said).splitlines() if line.startswith("sure"))
    assert words in as_json(said)["sure"]


def test_too_few_steps_say_how_many_are_needed():
    said = found(plan=replace(GOOD, seconds=10))
    assert said.verdict == NO_VERDICT
    assert said.reasons["steps"] == (
        "1,000 steps with 0 misses do not decide p99. 2,990 are the fewest that can pass. 1,990 more without a miss "
        "would, in all 30 s"
    )


def test_a_board_that_is_not_here_gets_no_verdict():
    elsewhere = load("raspberrypi4-32bit")
    assert (
        found(plan=replace(GOOD, device=elsewhere)).reasons["elsewhere"].startswith("this is not 'raspberrypi4-32bit'")
    )


def test_a_certificate_is_long_paced_and_of_fresh_processes():
    plan = replace(GOOD, budget=Budget(100_000), seconds=600, processes=5)
    one, back_to_back = (
        on_a_clock(repeat(MS))(replace(plan, seconds=120, processes=1, back_to_back=each), lambda _: None)
        for each in (False, True)
    )
    said = evaluated(plan, one * 5)
    assert (said.verdict, said.evaluated.steps, said.publishable) == (PASS, 6000, True)
    assert "may be published" not in text(said)
    for other in (evaluated(plan, one * 4), evaluated(replace(plan, back_to_back=True), back_to_back * 5)):
        assert (other.verdict, other.publishable, as_json(other)["publishable"]) == (PASS, False, False)
        assert "may be published" in text(other)


def test_back_to_back_is_labelled_implied_wherever_it_is_told():
    said = found(plan=replace(GOOD, back_to_back=True))
    told = text(said)
    assert "implied  " in told
    assert "\nresponse" not in told
    assert "Implied: nothing waited" in told
    assert "implied" in as_json(said)["mode"]
    assert "implied" in page(said)
    assert "implied" not in text(found()) + as_json(found())["mode"]


def test_all_that_is_told_is_json_and_fits_a_screen():
    said = found(chain(repeat(MS, 100), repeat(9 * MS, 3), repeat(MS)))
    told = json.loads(json.dumps(as_json(said)))
    assert told["judged"]["longest"] == 3
    assert told["us"]["response"]["p50"] == pytest.approx(1000, rel=0.05)
    assert told["fingerprint"]["governors"] == ["performance"]
    assert told["artifact"]["sha256"] == "0" * 64
    assert told["cold"] == [{"load_us": 20_000.0, "first_us": 900.0}]
    assert told["warm_up"] == [{"steps": 200, "settled": True}]
    lines = text(said).splitlines()
    assert len(lines) <= 25
    assert any("3 in a row" in line for line in lines)


@pytest.mark.parametrize(
    ("took_ns", "seconds"),
    [([MS], 0.01), ([9 * MS], 1), ([MS] * 60 + [30 * MS], 10.5)],
    ids=["one step", "late", "mixed"],
)
def test_the_page_stands_alone_and_says_what_was_found(took_ns, seconds):
    said = found(cycle(took_ns), plan=replace(GOOD, seconds=seconds, artifact="<b>.rnn"))
    shown = Page(page(said))
    assert shown.stands_alone()
    assert len(shown.drawn) == 3
    assert f"{said.verdict}: <b>.rnn" in shown.text
    assert any("deadline" in each for each in shown.drawn)
    assert ("misses" in " ".join(shown.drawn[2])) == (said.evaluated.misses > 0)
    assert shown.pre.strip() == text(said).strip()
    assert "None" not in shown.text  # what is not known is said otherwise


@pytest.mark.parametrize(
    ("said", "budget"),
    [
        ({"period_us": 500.0}, Budget(500)),
        ({"period_us": 500.0, "deadline_us": 300.0, "percentile": 95.0, "confidence": 0.9}, Budget(500, 300, 95, 0.9)),
        ({"use": "control"}, Budget(1000)),
        ({"use": "audio", "deadline_us": 8000.0}, Budget(10_000, 8000)),
        ({"own_period_us": 16_000.0}, Budget(16_000)),
        ({"own_period_us": 16_000.0, "device": load("raspberrypi4")}, Budget(16_000)),
        ({"device": load("raspberrypi4")}, Budget(10_000)),
    ],
)
def test_a_budget_is_what_is_stated_or_the_use_or_the_models_own(said, budget):
    assert resolve_budget(**said) == budget


def test_a_device_says_otherwise_of_a_use_of_the_models_period():
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
    ("said", "meant"),
    [
        ({}, "the model does not say how often a frame comes; state a period"),
        ({"use": "adio"}, "did you mean 'audio'"),
        ({"use": "audio", "period_us": 5.0}, "cannot both be meant"),
        ({"use": "audio", "deadline_us": 12_000.0}, "lies beyond the period"),
        ({"period_us": 0.0}, "the period is 0 us"),
    ],
)
def test_terms_that_cannot_be_are_refused(said, meant):
    with pytest.raises(UsageError, match=meant):
        resolve_budget(**said)


@pytest.mark.parametrize(("changed", "meant"), [({"seconds": 0}, "0 seconds"), ({"processes": 0}, "0 processes")])
def test_a_plan_of_nothing_is_refused(changed, meant):
    with pytest.raises(UsageError, match=meant):
        replace(GOOD, **changed)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "kws.rnn"
    edgernn.save(keyword_spotter(), path)
    return str(path)


def test_fresh_processes_measure_every_step(model):
    plan = CheckPlan(model, Budget(500), seconds=0.1, processes=2)
    seen = []
    said = check(plan, fresh, seen.append)
    assert seen == [0, 1]
    assert said.evaluated.steps == 200
    for each in said.processes:
        run = each.measured.run
        assert run.due.tolist() == regular(100, 500).tolist()
        assert np.all(run.start >= run.due)
        assert np.all(run.service > 0)
        assert np.all(run.jitter >= 0)
        assert each.opened["sha256"] == edgernn.open(model).sha256
        assert each.opened["backend"] == edgernn.open(model).backend
        assert min(each.opened["load_us"], each.opened["first_us"]) > 0
    assert said.verdict != PASS  # of so few steps


def test_recorded_arrivals_set_the_schedule(model, tmp_path):
    (tmp_path / "t.csv").write_text("0 1 1 4")
    plan = CheckPlan(model, Budget(1000), trace=str(tmp_path / "t.csv"), back_to_back=True)
    (each,) = fresh(plan, lambda _: None)
    assert each.measured.run.due.tolist() == [0, MS, MS, 4 * MS]
    assert each.measured.run.implied


@pytest.mark.parametrize(
    ("given", "error", "meant"),
    [
        ([[0.0] * 10, [np.nan] * 10], FrameError, "frame 1: element 0 of the frame is nan"),
        ([[0.0] * 9], FrameError, "frame 0: a frame of float32 of shape"),
        (np.zeros((0, 10)), FileError, "holds no frame"),
    ],
)
def test_frames_that_do_not_fit_are_refused_before_the_run(model, tmp_path, given, error, meant):
    np.save(tmp_path / "f.npy", np.array(given, np.float32))
    with Worker() as worker, pytest.raises(error, match=meant):
        worker.open(model, str(tmp_path / "f.npy"))


def test_frames_of_a_file_are_given(model, tmp_path):
    np.save(tmp_path / "f.npy", frames(keyword_spotter(), 5))
    with Worker() as worker:
        worker.open(model, str(tmp_path / "f.npy"))
        said, arrays = worker.ask("block", steps=12)
    assert said == {}
    assert (len(arrays["took"]), arrays["took"].min() > 0) == (12, True)


def test_errors_come_through_as_they_are(tmp_path):
    with Worker() as worker, pytest.raises(FileError, match=r"'gone\.rnn' cannot be read"):
        worker.open("gone.rnn")
    with pytest.raises(UsageError, match="'/nowhere/python' cannot be run: No such file"):
        Worker("/nowhere/python")


def test_a_python_without_edgernn_is_told_how_to_get_it(tmp_path):
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


def test_a_process_that_dies_is_told_with_its_last_words(tmp_path):
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nread line\necho out of luck >&2\nexit 7\n")
    shim.chmod(0o755)
    with Worker(shim) as worker, pytest.raises(UsageError, match="ended with 7 while it measured: out of luck"):
        worker.open("m.rnn")


@pytest.mark.parametrize("program", ["true", "echo"])
def test_what_is_no_python_is_refused_and_no_broken_pipe_ends_the_command(program):
    code = """
import signal, sys
from edgernn.errors import UsageError
from edgernn.latency.worker import Worker
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as the command has it
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
    assert "ended with 0 while it measured" in done.stdout


def test_what_answers_nonsense_is_refused(tmp_path):
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nread line\necho hello\n")
    shim.chmod(0o755)
    with Worker(shim) as worker, pytest.raises(UsageError, match=r"answers b'hello.+n'; is it a Python with edgernn"):
        worker.open("m.rnn")


def test_the_command_tells_what_it_found_and_leaves_with_its_code(model, tmp_path):
    html, few = tmp_path / "l.html", ("--percentile", 50)  # of which four steps decide nothing, even if all are late
    told = edge("check", model, "--seconds", 0.12, "--period", "30ms", "--html", html, *few, code=3)
    assert "NO VERDICT: paced, 4 steps" in told
    assert Page(html.read_text()).stands_alone()
    given = ("--seconds", 0.04, "--processes", 1, "--deadline", "8ms", "--any-governor", "--json", *few)
    said = json.loads(edge("certify", model, *given, code=3))
    assert said["budget"] == {"period_us": 10_000, "deadline_us": 8000, "percentile": 50, "confidence": 0.95}
    assert not said["publishable"]
    assert CODES == {PASS: 0, FAIL: 1, NO_VERDICT: 3}


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (("--period", "0ms"), "the period is 0 us"),
        (("--period", "10"), "is no time; write a number and its unit"),
        (("--deadline", "12ms"), "lies beyond the period"),
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
def test_what_cannot_be_is_refused(model, options, meant):
    assert meant in edge("check", model, *options, code=2)


def test_whole_windows_have_no_step_to_check(tmp_path):
    export(Window((Stage(GRAPHS["Gru"], GRAPHS["Gru"]),)), tmp_path / "w.onnx")
    with Worker() as worker, pytest.raises(UnsupportedError, match="reads every window in both directions"):
        worker.open(str(tmp_path / "w.onnx"))


def test_symbols_are_given_to_a_model_that_reads_them(tmp_path):
    edgernn.save(GRAPHS["Embedding"], tmp_path / "e.rnn")
    with Worker() as worker:
        assert worker.open(str(tmp_path / "e.rnn"))["vocabulary_size"] == 9
        assert len(worker.ask("block", steps=5)[1]["took"]) == 5
