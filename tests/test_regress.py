"""Slower or not: on blocks with synthetic times, and in processes whose replies are compared."""

import json
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

import edgernn
from edge import called
from edgernn.budget.binomial import NO_VERDICT
from edgernn.errors import UsageError
from edgernn.latency import regress as module
from edgernn.latency.ab import ABResult, ABTest, text
from edgernn.latency.regress import (
    BLOCK_US,
    EXIT_CODES,
    LEAST_STEPS,
    OK,
    ORDER,
    PAIRS_PER_PROCESS,
    REGRESSED,
    TOLERANCES,
    interval,
    regress,
)
from zoo import GRAPHS, keyword_spotter


class Machine:
    """Steps of 150 us, with noise per step and block, an offset per process, and a common drift."""

    def __init__(self, seed=0, drift=0.0, noise=0.03, layout=0.01, **slower):
        self.random = np.random.default_rng(seed)
        self.slower, self.drift, self.noise, self.layout = slower, drift, noise, layout
        self.order, self.opened, self.pace, self.sizes = [], 0, 1.0, []

    @contextmanager
    def ab(self):
        self.opened += 1
        layout = {name: np.exp(self.layout * self.random.standard_normal()) for name in ORDER}
        yield {name: lambda steps, name=name: self.block(name, steps, layout[name]) for name in ORDER}

    def block(self, name, steps, layout):
        self.order.append(name)
        self.sizes.append(steps)
        self.pace *= 1 + self.drift
        block = self.pace * layout * np.exp(self.noise * self.random.standard_normal())
        each = np.exp(0.2 * np.abs(self.random.standard_normal(steps)))
        return (150_000 * self.slower.get(name, 1.0) * block * each).astype(np.int64)


def compared(**how):
    return regress(Machine(**how).ab)


@pytest.mark.parametrize(
    ("how", "verdict", "at_least"),
    [
        ({}, REGRESSED, 0),
        ({"drift": 0.01}, REGRESSED, 0),
        ({"candidate": 1.10}, REGRESSED, 38),
        ({"candidate": 1.10, "drift": 0.003}, REGRESSED, 38),
        ({"candidate": 0.8}, OK, 38),
    ],
)
def test_of_40_runs_what_is_slower_is_flagged_and_what_is_not_never(how, verdict, at_least):
    verdicts = [compared(seed=seed, **how).verdict for seed in range(40)]
    assert verdicts.count(verdict) >= at_least
    if not at_least:
        assert verdict not in verdicts


def test_drift_would_flag_what_did_not_take_turns():
    machine = Machine(drift=0.01, noise=0.001, layout=0.0)
    with machine.ab() as blocks:
        base, candidate = ([np.median(blocks[name](200)) for _ in range(20)] for name in ("base", "candidate"))
    assert np.median(np.log(np.array(candidate) / base)) > np.log(1.05)
    assert compared(drift=0.01, noise=0.001, layout=0.0).verdict == OK


def test_pairs_stand_abba_and_every_runner_is_started_again():
    machine = Machine()
    comparison = regress(machine.ab)
    order = machine.order[2:]  # the first two determine the number of steps per block
    rounds = [tuple(order[k : k + 3]) for k in range(0, len(order), 3)]
    assert len(rounds) == comparison.pairs
    assert all(a == b[::-1] for a, b in pairwise(rounds[:PAIRS_PER_PROCESS]))
    assert machine.opened == comparison.pairs / PAIRS_PER_PROCESS
    assert set(machine.sizes[2:]) == {comparison.steps}
    assert comparison.steps >= LEAST_STEPS


@pytest.mark.parametrize("slow", ["base", "candidate"])
def test_a_block_of_the_slower_is_as_long_as_a_block_should_be(slow):
    """Otherwise a block could take fifty times as long, with as many steps as the faster one runs in that time."""
    paces = dict.fromkeys(ORDER, 0.002) | {slow: 0.1} | ({"repeat": 0.1} if slow == "base" else {})
    machine = Machine(noise=0.0, layout=0.0, **paces)
    comparison = regress(machine.ab)
    slower = next(each.base_us if slow == "base" else each.candidate_us for each in comparison.metrics)
    assert comparison.steps * slower == pytest.approx(BLOCK_US, rel=0.1)


def test_a_base_that_is_slower_than_itself_gives_no_verdict_however_slow_the_candidate_is():
    for repeat in (1.2, 1 / 1.2):
        comparison = compared(candidate=1.5, repeat=repeat)
        assert (comparison.verdict, comparison.pairs) == (NO_VERDICT, 80)
        assert "the machine is unfit for the median: the base against itself is" in comparison.reason


def test_what_lies_on_the_tolerance_is_tried_with_more_pairs_and_left_open():
    comparison = compared(candidate=1.05, noise=0.05)
    assert (comparison.verdict, comparison.pairs) == (NO_VERDICT, 80)
    assert "80 pairs do not decide the median" in comparison.reason


def test_the_tail_alone_can_be_slower():
    class Tailed(Machine):
        def block(self, name, steps, layout):
            took = super().block(name, steps, layout)
            if name == "candidate":
                took[::12] *= 2
            return took

    comparison = regress(Tailed().ab)
    assert comparison.verdict == REGRESSED
    assert {each.metric: each.verdict for each in comparison.metrics} == {"median": OK, "p95": REGRESSED}


def test_slowdowns_within_the_tolerance_pass():
    assert regress(Machine(candidate=1.3).ab, {"median": 0.5, "p95": 0.6}).verdict == OK
    for tolerance in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="the tolerance of the p95 is"):
            regress(Machine().ab, {**TOLERANCES, "p95": tolerance})


@pytest.mark.parametrize("pairs", [20, 30, 40, 80])
def test_the_interval_is_scipys_of_the_sign_test(pairs):
    differences = np.random.default_rng(pairs).standard_normal(pairs)
    theirs = stats.quantile_test(differences, p=0.5).confidence_interval(0.95)
    assert interval(differences.tolist()) == (np.median(differences), theirs.low, theirs.high)


def test_few_differences_have_no_interval():
    assert interval([1.0, 2.0, 3.0]) == (2.0, -np.inf, np.inf)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edgernn.save(keyword_spotter(), "a.rnn")
    edgernn.save(keyword_spotter(24), "b.rnn")
    edgernn.save(keyword_spotter(16, 11), "wide.rnn")
    edgernn.save(GRAPHS["Embedding"], "symbols.rnn")
    for name, value in {"PAIRS": PAIRS_PER_PROCESS, "DOUBLINGS": 0, "BLOCK_US": 1.0}.items():
        monkeypatch.setattr(module, name, value)


def test_processes_take_turns_and_the_output_is_complete(folder):
    code, printed, _ = called("regress", "a.rnn", "b.rnn", "--json")
    output = json.loads(printed.replace("-Infinity", "0").replace("Infinity", "0"))
    assert (code, output["verdict"], output["pairs"], output["steps"]) == (
        3,
        NO_VERDICT,
        PAIRS_PER_PROCESS,
        LEAST_STEPS,
    )  # too few pairs for a verdict
    assert [each["metric"] for each in output["metrics"]] == ["median", "p95"]
    assert all(each["base_us"] > 0 < each["candidate_us"] for each in output["metrics"])
    sums = {name: output["runners"][name]["sha256"] for name in ORDER}
    assert sums == {name: edgernn.open("b.rnn" if name == "candidate" else "a.rnn").sha256 for name in ORDER}
    assert len(output["machine_states"]) == 2
    assert EXIT_CODES == {OK: 0, REGRESSED: 1, NO_VERDICT: 3}


def test_a_comparison_fits_a_screen_and_says_that_the_governor_is_not_known():
    runners = {name: {"backend": f"runtime of {name}", "machine": {"python": "3.11.7"}} for name in ORDER}
    result = ABResult(
        ABTest("a.rnn", "b.rnn"), regress(Machine(candidate=1.2).ab), runners, (), ("the governor cannot be read",)
    )
    lines = text(result).splitlines()
    assert lines[0] == "REGRESSED: 20 pairs of blocks of 200 steps, back to back"
    assert "candidate  b.rnn on runtime of candidate, Python 3.11.7" in lines
    assert lines[-1] == "the governor cannot be read"
    assert len(lines) < 24
    unfit = replace(result, comparison=regress(Machine(repeat=1.2).ab))
    assert text(unfit).splitlines()[1].startswith("  the machine is unfit for the median")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("a.rnn", "wide.rnn"),
            "'a.rnn' reads 10 numbers and 'wide.rnn' 11 numbers; compare artifacts with the same inputs",
        ),
        (("a.rnn", "symbols.rnn"), "'symbols.rnn' one of 9 symbols"),
        (("a.rnn", "gone.rnn"), "'gone.rnn' cannot be read"),
        (("a.rnn", "a.rnn", "--base-python", "/nowhere"), "'/nowhere' cannot be run"),
        (("a.rnn", "a.rnn", "--tolerance", "0"), "Invalid value for '--tolerance': 0.0 is not in the range x>0"),
    ],
)
def test_what_cannot_be_compared_is_refused(folder, options, message):
    code, _, complaint = called("regress", *options)
    assert code == 2
    assert message in complaint
