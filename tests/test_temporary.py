"""Temporary files: those of the living are let alone, those of the dead are removed, and nothing else is."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgernn.files import atomic, temporary

HELD = """
import os, signal, sys, tempfile
from pathlib import Path
from edgernn.files import temporary
tempfile.tempdir = sys.argv[2]
held = temporary.file(Path(sys.argv[1]))
with temporary.directory() as folder:
    (folder / "step.so").write_bytes(b"half")
    print(held[1], folder, sep="\\n", flush=True)
    sys.stdin.read()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def everything(place):
    return names(place), names(Path(tempfile.tempdir))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to write into, and another one that is the system's for what is temporary."""
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "out"


def use(place):
    atomic.write(place / "model.rnn", b"whole")
    with temporary.directory() as folder:
        (folder / "step.so").write_bytes(b"whole")


def test_what_a_killed_process_leaves_is_removed_by_the_next_and_what_a_living_one_has_is_not(place):
    owner = subprocess.Popen(
        [sys.executable, "-c", HELD, place, tempfile.tempdir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    file, folder = (Path(owner.stdout.readline().strip()).name for _ in range(2))
    use(place)
    assert everything(place) == ([file, "model.rnn"], [folder])
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert everything(place) == ([file, "model.rnn"], [folder])
    use(place)
    assert everything(place) == (["model.rnn"], [])


def test_what_this_process_has_is_let_alone(place):
    handle, name = temporary.file(place)
    with temporary.directory() as folder:
        use(place)
        assert everything(place) == ([Path(name).name, "model.rnn"], [folder.name])
    os.close(handle)
    use(place)
    assert everything(place) == (["model.rnn"], [])


FOREIGN = (
    ".edgernn-abc.tmp",
    ".edgernn-abcdefgh",
    "edgernn-abcdefgh.tmp",
    ".edgernn-ABCDEFGH.tmp",
    ".model.rnn.abcdefgh",
)


def test_only_files_of_this_name_and_of_this_user_are_removed(place, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_bytes(b"1")
    for name in FOREIGN:
        (place / name).write_bytes(b"2")
    (place / ".edgernn-link0000.tmp").symlink_to(elsewhere)
    os.mkfifo(place / ".edgernn-pipe0000.tmp")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    (place / ".edgernn-others00.tmp").write_bytes(b"3")
    before = names(place)
    use(place)
    assert names(place) == sorted([*before, "model.rnn"])
    assert names(elsewhere) == ["precious"]
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    use(place)
    assert ".edgernn-others00.tmp" not in names(place)
    assert (place / ".edgernn-link0000.tmp").is_symlink()


def test_a_file_that_a_sweep_met_before_it_was_locked_is_made_anew(place, monkeypatch):
    """The sweep of another process comes between the making of a file and its lock."""
    real, swept = fcntl.flock, []

    def late(handle, how):
        if not swept:
            swept.append(1)
            temporary.sweep(place)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    handle, name = temporary.file(place)
    assert os.path.samestat(os.fstat(handle), os.stat(name))
    os.close(handle)


@pytest.mark.slow
def test_what_was_killed_and_begun_again_is_what_was_never_killed(tmp_path):
    """Train, compress, tune, search and export, killed at moments by chance: weights and all; nothing else is left."""
    script = Path(__file__).with_name("strikes.py")
    call = [sys.executable, script, "kill", tmp_path, "2"]
    opened = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert set(opened) == {"train", "compress", "tune", "search", "export"}
    for each in opened.values():
        assert each["killed"] == 2
        assert each["wrong"] == []
