"""README tells the truth: its code runs, its commands work, its figures are those of the benchmark."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edgernn.cli import call, cli
from edgernn.model.cell import CELLS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """The folder in which every Python block of README was run, in order."""
    folder = tmp_path_factory.mktemp("tour")
    code = "\n".join(blocks("python"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        module = type(sys)("tour")
        patch.setitem(sys.modules, "tour", module)
        try:
            exec(compile(code, "README.md", "exec"), module.__dict__)
        finally:
            CELLS.pop("MinimalGated", None)
    return folder


def test_the_tour_runs(toured):
    assert {path.name for path in toured.iterdir()} == {
        "kws.rnn",
        "kws.onnx",
        "kws.tflite",
        "kws.so",
        "kws_stream.py",
        "kws-int8.so",
        "kws_int8_stream.py",
        "kws-int8.tflite",
        "kws-whole.so",
        "kws_whole_stream.py",
        "board.so",
        "board_stream.py",
        "kws.c",
        "kws.h",
        "mgu.tflite",
    }


def test_the_commands_work(toured, monkeypatch, capsys):
    monkeypatch.chdir(toured)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("edgernn ")]
    assert len(commands) >= 3
    for command in commands:
        assert call(cli, shlex.split(command)[1:], "edgernn") == 0, command
    assert "kws.tflite" in capsys.readouterr().out


def test_the_figures_are_those_of_the_benchmark():
    done = subprocess.run(
        [sys.executable, ROOT / "bench/readme.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_named_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE)
    assert {"demo", "test", "bench"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
