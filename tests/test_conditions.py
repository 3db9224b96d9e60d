"""Conditions: read from files that the test writes; and for which of them there is no verdict."""

import os
from dataclasses import replace

import pytest

from edgernn.budget.binomial import FAIL, PASS
from edgernn.device import isa
from edgernn.device.board import load, names
from edgernn.latency.conditions import PI, Moment, fingerprint, machine, moment
from edgernn.latency.fitness import REASONS, Evidence, remarks, stands, unfit

STEADY = Moment(
    governors=("performance",), mhz=(1500,), degrees={}, throttled=0, slowed=0, held=0, load=0.1, major_faults=7
)
FIT = Evidence((STEADY, STEADY, STEADY), settled=True, faults=0, jitter_us=100.0, deadline_us=10_000.0)


@pytest.fixture
def root(tmp_path):
    """A machine in files."""
    files = {
        "proc/loadavg": "0.25 0.10 0.01 1/99 1234\n",
        "proc/self/stat": "12 (a name) with) S 1 2 3 4 5 6 700 8 42 9 10 0\n",
        "proc/cpuinfo": "processor : 0\nmodel name\t: Some Core @ 1 GHz\n",
        "proc/sys/kernel/osrelease": "6.12.1-v8\n",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "arch_sys_counter\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone1/temp": "51000\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 3\n",
        PI: "50005\n",
    }
    for k in os.sched_getaffinity(0):
        files[f"sys/devices/system/cpu/cpu{k}/cpufreq/scaling_governor"] = "ondemand\n"
        files[f"sys/devices/system/cpu/cpu{k}/cpufreq/scaling_cur_freq"] = "1500398\n"
        files[f"sys/devices/system/cpu/cpu{k}/thermal_throttle/core_throttle_count"] = "2\n"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_moment_is_what_the_files_say(root):
    cores = len(os.sched_getaffinity(0))
    assert moment(root) == Moment(
        governors=("ondemand",),
        mhz=(1500,) * cores,
        degrees={"thermal_zone0 cpu-thermal": 48.312, "thermal_zone1": 51.0},
        throttled=0x50005,
        slowed=2 * cores,
        held=3,
        load=0.25,
        major_faults=42,
    )
    said = machine(root)
    assert (said.cpu, said.kernel, said.clock_source) == ("Some Core @ 1 GHz", "6.12.1-v8", "arch_sys_counter")
    assert said.timer_ns > 0


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_a_governor_that_says_nothing_is_unknown_and_certifies_nothing(root, text):
    path = root / f"sys/devices/system/cpu/cpu{max(os.sched_getaffinity(0))}/cpufreq/scaling_governor"
    path.unlink() if text is None else path.write_text(text)
    now = moment(root)
    assert now.governors is None
    evidence = replace(FIT, moments=(STEADY, replace(STEADY, governors=now.governors), STEADY))
    assert not unfit(evidence)
    assert "the governor cannot be read" in remarks(evidence)[0]
    certificate = replace(evidence, certificate=True)
    assert list(unfit(certificate)) == ["governor unread"]
    assert "say so by --any-governor" in unfit(certificate)["governor unread"]
    told = replace(certificate, any_governor=True)
    assert not unfit(told)
    assert remarks(told) == ["the governor cannot be read: the clock is steady by --any-governor alone"]


def test_where_nothing_can_be_read_nothing_is_known(tmp_path):
    assert moment(tmp_path) == Moment(None, None, {}, None, None, None, None, None)
    assert (machine(tmp_path).cpu, machine(tmp_path).kernel) == (None, None)


def test_files_that_hold_something_else_are_as_none(root):
    for path in [*root.glob("sys/**/*"), *root.glob("proc/**/*")]:
        if path.is_file() and path.name != "scaling_governor":
            path.write_text("\x00nonsense")
    assert moment(root) == Moment(("ondemand",), None, {}, None, None, None, None, None)


def test_a_raspberry_pi_is_asked_by_its_command_where_no_file_says_it(tmp_path, monkeypatch):
    command = tmp_path / "vcgencmd"
    command.write_text("#!/bin/sh\n[ $1 = get_throttled ] && echo throttled=0x20002\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert moment().throttled == 0x20002


def at(**changed):
    return replace(STEADY, **changed)


@pytest.mark.parametrize(
    ("name", "evidence", "meant"),
    [
        ("throttled", {"moments": (STEADY, at(throttled=0x4), STEADY)}, "throttled (bits 0x4)"),
        ("throttled", {"moments": (STEADY, STEADY, at(throttled=0x40000))}, "throttled (bits 0x40000)"),
        ("throttled", {"moments": (STEADY, at(slowed=1), at(slowed=1))}, "slowed down for its heat"),
        ("throttled", {"moments": (at(held=4), at(held=4), at(held=5))}, "held back"),
        ("governor changed", {"moments": (STEADY, at(governors=("powersave",)), STEADY)}, "performance then powersave"),
        ("governor unread", {"moments": (STEADY, at(governors=None)), "certificate": True}, "--any-governor"),
        ("major faults", {"faults": 3}, "3 major faults"),
        ("release jitter", {"jitter_us": 1000.1}, "1 % of the steps began more than 1000 us after they could"),
        ("warm-up", {"settled": False}, "the warm-up did not settle"),
    ],
)
def test_an_unfit_machine_has_a_reason(name, evidence, meant):
    found = unfit(replace(FIT, **evidence))
    assert list(found) == [name]
    assert meant in found[name]


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"jitter_us": None},  # back to back
        {"jitter_us": 1000.0},  # a tenth of the deadline, and no more
        {"faults": None},
        {"moments": (at(throttled=0x50000),) * 3},  # before it was measured
        {"moments": (at(slowed=7, held=5),) * 3},
        {"moments": (at(throttled=None, slowed=None, held=None, load=None),) * 2},
    ],
)
def test_a_fit_machine_has_none(evidence):
    assert unfit(replace(FIT, **evidence)) == {}


def test_what_is_worth_knowing_is_said():
    told = remarks(replace(FIT, moments=(at(throttled=0x50000, load=3.0),) * 2, faults=None))
    assert len(told) == 3
    assert told[0] == "major faults cannot be read"
    assert "since it booted, but not while" in told[1]
    assert "a load of 3" in told[2]
    assert remarks(FIT) == []


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("certificate", [False, True])
def test_a_verdict_stands_only_against_what_it_cannot_come_from(reason, certificate):
    """Another clock or machine may change every step; a delay makes some late; a late begin only lengthens."""
    delays = {"major faults", "release jitter", "warm-up"}
    said = replace(FIT, certificate=certificate)
    some, late, long = replace(said, late=0.5), replace(said, late=0.96), replace(said, late=0.96, long=0.96)
    assert stands(said, PASS, [reason]) == (reason == "release jitter" and not certificate)
    assert not stands(some, FAIL, [reason])
    assert stands(late, FAIL, [reason]) == (reason == "governor unread")
    assert stands(long, FAIL, [reason]) == (reason in delays | {"governor unread"})
    assert not stands(long, FAIL, [reason, "throttled"])
    assert not stands(long, PASS, ["major faults"])
    assert stands(some, FAIL, [])
    assert stands(said, PASS, [])


@pytest.mark.parametrize("name", names())
def test_the_budget_of_a_board_is_judged_on_such_a_board_alone(name):
    board = load(name)
    found = unfit(replace(FIT, device=board))
    elsewhere = name != "this" and board.level is not None and isa.missing(board.level) != ""
    assert ("elsewhere" in found) == elsewhere
    assert not elsewhere or f"this is not '{name}'" in found["elsewhere"]


def test_a_fingerprint_is_equal_only_where_device_governor_versions_and_threads_are(root):
    here, now = machine(root), moment(root)
    one = fingerprint(here, now, "numpy 2", 1)
    assert one == fingerprint(replace(here, kernel="other"), replace(now, load=9.0, mhz=(1,)), "numpy 2", 1)
    for changed in (
        fingerprint(here, now, "numpy 3", 1),
        fingerprint(here, now, "numpy 2", 2),
        fingerprint(here, replace(now, governors=("powersave",)), "numpy 2", 1),
        fingerprint(replace(here, cpu="Another"), now, "numpy 2", 1),
        fingerprint(replace(here, python="3.14.0"), now, "numpy 2", 1),
        fingerprint(replace(here, packages={}), now, "numpy 2", 1),
    ):
        assert changed != one
