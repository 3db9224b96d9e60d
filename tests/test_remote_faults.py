"""Everything that goes wrong between two machines: a plain line of error here, and nothing left there."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import edgernn
import loopback
from edge import called, edge
from edgernn.errors import RemoteError, UsageError
from edgernn.remote import connection, job, run, ssh
from packages import package
from zoo import keyword_spotter

pytestmark = pytest.mark.skipif(bool(loopback.MISSING), reason=f"not installed: {', '.join(loopback.MISSING)}")

PATIENCE_S = 120
"""How long something may take until a test says that it never happens."""

ENDLESS = ("bench", "kws.rnn", "--steps", "100000000")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with loopback.serving(tmp_path_factory.mktemp("machine")) as server:
        yield server


@pytest.fixture(autouse=True)
def place(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{machine.folder}/bin:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    edgernn.save(keyword_spotter(), "kws.rnn")


def until(condition):
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never happens"
        time.sleep(0.05)


def refused(name, *arguments):
    """The message of the error of a verb there, whose exit code is 2."""
    code, out, complaint = called(*(arguments or ("bench", "kws.rnn")), "--on", name)
    assert (code, out) == (2, ""), complaint
    assert complaint.count("\n") == 1, complaint
    return complaint


# Before anything runs there


def test_a_host_key_that_is_not_known_is_refused(machine):
    top = machine.add("unknown")
    machine.configure("unknown", known="nothing-known", first=True)
    complaint = refused("unknown")
    assert "its host key is not known here" in complaint
    assert not (machine.folder / "nothing-known").exists()  # and never accepted
    assert machine.log().count("Accepted publickey") == 0 or loopback.nothing_left(top)


def test_a_host_key_that_changed_is_refused(machine):
    loopback.keygen(machine.folder / "another-host")
    kind, key, *_ = (machine.folder / "another-host.pub").read_text().split()
    line = f"[127.0.0.1]:{machine.port} {kind} {key}\n"
    (machine.folder / "changed").write_text(line)
    machine.add("impostor")
    machine.configure("impostor", known="changed", first=True)
    complaint = refused("impostor")
    assert "its host key is not the one that is known for it" in complaint
    assert (machine.folder / "changed").read_text() == line


def test_a_login_that_is_refused_says_that_a_key_is_needed(machine):
    loopback.keygen(machine.folder / "stranger")
    machine.configure("stranger")
    complaint = refused("stranger")
    assert "it refuses the login" in complaint
    assert "ssh-copy-id" in complaint


def test_nobody_listens(machine):
    loopback.keygen(machine.folder / "closed")
    machine.configure("closed", port=1)
    assert "no SSH server listens there" in refused("closed")


def test_a_host_without_an_address():
    assert "there is no host of this name" in refused("nowhere.invalid")


def test_a_host_that_no_pattern_knows_is_an_error_with_what_ssh_printed(machine):
    loopback.keygen(machine.folder / "odd")
    machine.configure("odd", more="  ProxyCommand sh -c 'exit 3'")
    complaint = refused("odd")
    assert "'odd' was not reached: ssh: " in complaint
    assert "try `ssh odd`" in complaint


def test_a_machine_without_the_client(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no ssh on this machine" in refused("anything")


@pytest.mark.parametrize("target", ["", "-oProxyCommand=touch", "-G", "a b", "a\n", "\x00"])
def test_a_name_that_is_no_machine_never_reaches_the_client(target):
    with pytest.raises(UsageError, match="is no machine for --on"):
        ssh.command(target)
    edge("bench", "kws.rnn", f"--on={target}", code=2)
    assert not Path("x").exists()


def test_a_page_is_refused_before_a_connection():
    assert "--html draws plots" in refused("nowhere.invalid", "check", "kws.rnn", "--html", "page.html")
    complaint = refused("nowhere.invalid", "check", "kws.rnn", "--period", "1ms", "--junit", "no/where.xml")
    assert "cannot be written" in complaint


# What the machine lacks


@pytest.mark.parametrize("version", ["3.8.10", ""])
def test_an_old_python_or_none(version, machine, tmp_path):
    (tmp_path / "sh").symlink_to("/bin/sh")
    if version:  # no old Python is at hand: this one only says that it is
        (tmp_path / "python3").write_text(f'#!/bin/sh\n[ "$1" = -V ] && echo Python {version}\nexit 1\n')
        (tmp_path / "python3").chmod(0o755)
    top = machine.add(f"old{version}", {"PATH": str(tmp_path)})
    complaint = refused(f"old{version}")
    assert "has no Python 3.11 or later" in complaint
    assert (f"python3 is Python {version}" if version else "no Python at all") in complaint
    assert loopback.nothing_left(top)


@contextmanager
def small_disk(top, size):
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", top], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", top], check=True)


@pytest.mark.parametrize(("size", "step"), [("256k", "copying"), ("1500k", "installing")])
def test_a_full_disk(size, step, machine, monkeypatch):
    top = machine.add(f"full-{step}")
    steps = []
    with small_disk(top, size):
        full = job.Job(("bench", "kws.rnn"), {"kws.rnn": Path("kws.rnn").read_bytes()})
        with pytest.raises(RemoteError, match="No space left on device") as caught:
            run.run(f"full-{step}", full, 0, steps.append)
        assert loopback.nothing_left(top)
    assert steps[-1] == step
    assert "nothing is left there" in str(caught.value)


def test_a_folder_that_cannot_be_written(machine):
    machine.add("no-folder", {"TMPDIR": "/nowhere/at/all"})
    assert "No such file or directory" in refused("no-folder")


# Connections that end


@contextmanager
def running(machine, name, code="from edgernn.cli import main; main()", command=loopback.ORIGINAL):
    """A verb that does not end, in a process here, once it steps there; yields the process and the folder there."""
    top = machine.add(name, command=command)
    call = [sys.executable, "-c", code, *ENDLESS, "--on", name]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        until(lambda: process.poll() is not None or loopback.steps_in(top))
        assert process.poll() is None, process.communicate()
        yield process, top
    finally:
        with_group(process, signal.SIGKILL)
        process.communicate()


def with_group(process, number):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_here_ends_what_runs_there(number, machine):
    slowly = loopback.ORIGINAL.removeprefix("exec ") + '; sleep 1; touch "$TMPDIR/ended"'
    with running(machine, f"interrupted-{number}", command=slowly) as (process, top):
        process.send_signal(number)
        out, complaint = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, complaint.strip()) == (128 + number, "", "interrupted")
        assert [path.name for path in top.iterdir()] == ["ended"]  # already when the command here ends
        assert not loopback.running_in(top)


def test_a_client_that_is_killed_leaves_nothing_there(machine):
    with running(machine, "killed") as (process, top):
        process.kill()
        until(lambda: loopback.nothing_left(top))


def test_a_connection_that_is_cut_is_an_error_here_and_leaves_nothing_there(machine):
    with running(machine, "cut") as (process, top):
        sessions = machine.sessions()
        assert sessions
        for number in sessions:
            os.kill(number, signal.SIGKILL)
        out, complaint = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (2, "")
        assert "the connection to 'cut' was lost running" in complaint
        until(lambda: loopback.nothing_left(top))


def test_a_network_that_falls_silent_ends_what_runs_there(machine):
    """As with a cable that is pulled: nothing says that the connection has ended."""
    code = "from edgernn.cli import main; from edgernn.remote import job; job.SILENCE_S = 2.0; main()"
    with running(machine, "silent", code) as (process, top):
        for number in (*loopback.descendants(process.pid), process.pid):
            os.kill(number, signal.SIGSTOP)
        until(lambda: loopback.nothing_left(top))
        for number in (*loopback.descendants(process.pid), process.pid):
            os.kill(number, signal.SIGCONT)
        _, complaint = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
        assert "was lost running" in complaint


def test_a_long_silence_of_both_is_no_lost_connection(machine, monkeypatch):
    """The verb prints nothing for longer than the other machine waits for a byte."""
    top = machine.add("patient")
    monkeypatch.setattr(job, "SILENCE_S", 3.0)
    monkeypatch.setattr(connection, "BEAT_S", 0.2)
    call = ("check", "kws.rnn", "--period", "10ms", "--seconds", "5", "--json", "--on", "patient")
    assert json.loads(called(*call)[1])["evaluation"]["steps"] == 500
    assert loopback.nothing_left(top)


def test_a_program_that_is_killed_there_is_swept_by_the_next(machine):
    with running(machine, "swept") as (process, top):
        (board,) = [
            number
            for number in loopback.descendants(machine.process.pid)
            if b"os.read(0" in Path(f"/proc/{number}/cmdline").read_bytes()
            and Path(f"/proc/{number}/comm").read_text().startswith("python")
        ]
        os.kill(board, signal.SIGKILL)
        _, complaint = process.communicate(timeout=PATIENCE_S)
        assert "was lost running" in complaint
        until(lambda: not loopback.running_in(top))
        assert list(top.iterdir())
        Path("kws.edge").write_bytes(package())
        edge("verify", "kws.edge", "--on", "swept")
        assert loopback.nothing_left(top)


def test_what_another_run_holds_is_not_swept(machine):
    with running(machine, "shared") as (process, top):
        before = set(top.iterdir())
        Path("kws.edge").write_bytes(package())
        edge("verify", "kws.edge", "--on", "shared")
        assert set(top.iterdir()) == before
        assert process.poll() is None


@pytest.mark.parametrize("doing", ["connecting", "running"])
def test_a_step_that_takes_too_long(doing, machine, monkeypatch):
    top = machine.add(f"slow-{doing}", command="exec sleep 60" if doing == "connecting" else loopback.ORIGINAL)
    monkeypatch.setattr(run, "LIMITS_S", {**run.LIMITS_S, doing: 1.0})
    complaint = refused(f"slow-{doing}", *ENDLESS)
    assert f"took more than 1 s {doing}" in complaint
    assert loopback.nothing_left(top)
