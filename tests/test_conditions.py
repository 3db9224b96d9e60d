"""Conditions: read from files that the test writes, and the conditions for which there is no verdict."""

import os
from dataclasses import replace

import pytest

from edgernn.budget.binomial import FAIL, PASS
from edgernn.device import isa
from edgernn.device.board import load, names
from edgernn.latency.conditions import PI, MachineState, fingerprint, machine, machine_state
from edgernn.latency.fitness import REASONS, Evidence, is_unaffected, notes, unfit_reasons

STEADY = MachineState(
    governors=("performance",),
    mhz=(1500,),
    temperatures={},
    throttled=0,
    thermal_throttles=0,
    quota_throttles=0,
    load=0.1,
    major_faults=7,
)
FIT = Evidence((STEADY, STEADY, STEADY), settled=True, faults=0, jitter_us=100.0, deadline_us=10_000.0)


@pytest.fixture
def root(tmp_path):
    """The files of a machine."""
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


def test_the_machine_state_is_read_from_the_files(root):
    cores = len(os.sched_getaffinity(0))
    assert machine_state(root) == MachineState(
        governors=("ondemand",),
        mhz=(1500,) * cores,
        temperatures={"thermal_zone0 cpu-thermal": 48.312, "thermal_zone1": 51.0},
        throttled=0x50005,
        thermal_throttles=2 * cores,
        quota_throttles=3,
        load=0.25,
        major_faults=42,
    )
    here = machine(root)
    assert (here.cpu, here.kernel, here.clock_source) == ("Some Core @ 1 GHz", "6.12.1-v8", "arch_sys_counter")
    assert here.timer_ns > 0


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_a_governor_that_says_nothing_is_unknown_and_certifies_nothing(root, text):
    path = root / f"sys/devices/system/cpu/cpu{max(os.sched_getaffinity(0))}/cpufreq/scaling_governor"
    path.unlink() if text is None else path.write_text(text)
    now = machine_state(root)
    assert now.governors is None
    evidence = replace(FIT, machine_states=(STEADY, replace(STEADY, governors=now.governors), STEADY))
    assert not unfit_reasons(evidence)
    assert "the governor cannot be read" in notes(evidence)[0]
    certificate = replace(evidence, certificate=True)
    assert list(unfit_reasons(certificate)) == ["governor unread"]
    assert "give --any-governor" in unfit_reasons(certificate)["governor unread"]
    accepted = replace(certificate, any_governor=True)
    assert not unfit_reasons(accepted)
    assert notes(accepted) == ["the governor cannot be read; the clock is assumed steady because of --any-governor"]


def test_where_nothing_can_be_read_nothing_is_known(tmp_path):
    assert machine_state(tmp_path) == MachineState(None, None, {}, None, None, None, None, None)
    assert (machine(tmp_path).cpu, machine(tmp_path).kernel) == (None, None)


def test_files_that_hold_something_else_are_as_none(root):
    for path in [*root.glob("sys/**/*"), *root.glob("proc/**/*")]:
        if path.is_file() and path.name != "scaling_governor":
            path.write_text("\x00nonsense")
    assert machine_state(root) == MachineState(("ondemand",), None, {}, None, None, None, None, None)


def test_a_raspberry_pi_is_asked_by_its_command_where_no_file_says_it(tmp_path, monkeypatch):
    command = tmp_path / "vcgencmd"
    command.write_text("#!/bin/sh\n[ $1 = get_throttled ] && echo throttled=0x20002\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert machine_state().throttled == 0x20002


def at(**changed):
    return replace(STEADY, **changed)


@pytest.mark.parametrize(
    ("name", "evidence", "message"),
    [
        ("throttled", {"machine_states": (STEADY, at(throttled=0x4), STEADY)}, "throttled (bits 0x4)"),
        ("throttled", {"machine_states": (STEADY, STEADY, at(throttled=0x40000))}, "throttled (bits 0x40000)"),
        (
            "throttled",
            {"machine_states": (STEADY, at(thermal_throttles=1), at(thermal_throttles=1))},
            "throttled because of heat",
        ),
        (
            "throttled",
            {"machine_states": (at(quota_throttles=4), at(quota_throttles=4), at(quota_throttles=5))},
            "its CPU quota was used up",
        ),
        (
            "governor changed",
            {"machine_states": (STEADY, at(governors=("powersave",)), STEADY)},
            "performance then powersave",
        ),
        ("governor unread", {"machine_states": (STEADY, at(governors=None)), "certificate": True}, "--any-governor"),
        ("major faults", {"faults": 3}, "3 major faults"),
        ("release jitter", {"jitter_us": 1000.1}, "1 % of the steps started more than 1000 us late"),
        ("warm-up", {"settled": False}, "the warm-up did not settle"),
    ],
)
def test_an_unfit_machine_has_a_reason(name, evidence, message):
    reasons = unfit_reasons(replace(FIT, **evidence))
    assert list(reasons) == [name]
    assert message in reasons[name]


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"jitter_us": None},  # back to back
        {"jitter_us": 1000.0},  # exactly a tenth of the deadline
        {"faults": None},
        {"machine_states": (at(throttled=0x50000),) * 3},  # before the measurement
        {"machine_states": (at(thermal_throttles=7, quota_throttles=5),) * 3},
        {"machine_states": (at(throttled=None, thermal_throttles=None, quota_throttles=None, load=None),) * 2},
    ],
)
def test_a_fit_machine_has_none(evidence):
    assert unfit_reasons(replace(FIT, **evidence)) == {}


def test_conditions_worth_knowing_are_notes():
    lines = notes(replace(FIT, machine_states=(at(throttled=0x50000, load=3.0),) * 2, faults=None))
    assert len(lines) == 3
    assert lines[0] == "major faults cannot be read"
    assert "since boot, but not during" in lines[1]
    assert "a load of 3" in lines[2]
    assert notes(FIT) == []


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("certificate", [False, True])
def test_a_verdict_is_unaffected_only_by_what_cannot_cause_it(reason, certificate):
    """A different clock or machine may change every step; a delay makes some late; a late start only adds time."""
    delays = {"major faults", "release jitter", "warm-up"}
    base = replace(FIT, certificate=certificate)
    some, late, long = (
        replace(base, late_share=0.5),
        replace(base, late_share=0.96),
        replace(base, late_share=0.96, slow_share=0.96),
    )
    assert is_unaffected(base, PASS, [reason]) == (reason == "release jitter" and not certificate)
    assert not is_unaffected(some, FAIL, [reason])
    assert is_unaffected(late, FAIL, [reason]) == (reason == "governor unread")
    assert is_unaffected(long, FAIL, [reason]) == (reason in delays | {"governor unread"})
    assert not is_unaffected(long, FAIL, [reason, "throttled"])
    assert not is_unaffected(long, PASS, ["major faults"])
    assert is_unaffected(some, FAIL, [])
    assert is_unaffected(base, PASS, [])


@pytest.mark.parametrize("name", names())
def test_the_budget_of_a_board_is_evaluated_on_such_a_board_only(name):
    board = load(name)
    reasons = unfit_reasons(replace(FIT, device=board))
    elsewhere = name != "this" and board.level is not None and isa.missing(board.level) != ""
    assert ("elsewhere" in reasons) == elsewhere
    assert not elsewhere or f"this machine is not '{name}'" in reasons["elsewhere"]


def test_a_fingerprint_is_equal_only_where_device_governor_versions_and_threads_are(root):
    here, now = machine(root), machine_state(root)
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
