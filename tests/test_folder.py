"""A new folder of files: whole or not at all, and never in the place of anything."""

import os
import stat
import subprocess
import sys

import pytest

from edgernn.errors import FileError
from edgernn.files import folder

FILES = {"a.txt": b"a", "deep/er/b.bin": bytes(1000)}

KILLED = """
import os, signal, sys
from edgernn.files import folder
folder.sync = lambda path: os.kill(os.getpid(), signal.SIGKILL)
folder.create(sys.argv[1], {"a.txt": b"a", "b/c.txt": b"c"})
"""


def content(path):
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_a_folder_has_exactly_its_files_and_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        folder.create(tmp_path / "new", FILES)
    finally:
        os.umask(before)
    assert content(tmp_path / "new") == FILES
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "new", *(tmp_path / "new").rglob("*"))]
    assert {*modes} == {0o750, 0o640}
    assert os.listdir(tmp_path) == ["new"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "new").mkdir()
    folder.create(f"{tmp_path}/new/", FILES)
    assert content(tmp_path / "new") == FILES


OCCUPIED = {
    "a file": lambda path: path.write_text("mine"),
    "a folder": lambda path: (path.mkdir(), (path / "mine").write_text("mine")),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


@pytest.mark.parametrize("kind", OCCUPIED)
def test_nothing_is_replaced(kind, tmp_path):
    OCCUPIED[kind](tmp_path / "new")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileError, match="exists and is no empty folder; nothing is replaced"):
        folder.create(tmp_path / "new", FILES)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_one_above_it_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be created: No such file or directory; check the path"):
        folder.create(tmp_path / "no" / "new", FILES)


def test_a_failure_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(FileError, match="cannot be created"):
        folder.create(tmp_path / "new", {"a": b"", "a/b": b""})  # a file cannot be a folder too
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "new"], check=False)
    assert done.returncode < 0
    assert not (tmp_path / "new").exists()
    folder.create(tmp_path / "other", FILES)
    assert os.listdir(tmp_path) == ["other"]
