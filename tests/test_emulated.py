"""`make boards`: what it compares is compared, and what it lacks is told in one line. The boards themselves run there."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import goldens
from edgernn.device import board as boards, isa
from edgernn.model.tensor import SCHEMES
from emulated import __main__ as command, debian, processors, pythons, steps
from emulated.processors import BOARDS, PROCESSORS, MissingProgramError
from zoo import GRAPHS

ROOT = Path(__file__).parent.parent


def test_each_precision_stands_in_the_table():
    assert ("fp32", *SCHEMES) == steps.PRECISIONS
    assert {*steps.GRAPHS_OF, *steps.FLOATS} <= {*GRAPHS}
    assert {*goldens.AMPLIFYING} <= {*GRAPHS}


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_emulated_by_the_core_of_its_profile(name):
    board, profile = BOARDS[name], boards.load(BOARDS[name].device)
    assert board.processor.core.replace("-", "_") == profile.cpu == board.processor.cpu
    assert profile.level in isa.LEVELS
    assert all(profile.wheels[package] or board.bare for package in board.runtimes)


@pytest.mark.parametrize("precision", steps.PRECISIONS)
def test_every_case_promises_what_it_is_compared_by(precision):
    """Where inputs are rounded, states have the same bits in every case, and so have most answers."""
    promised = [case.manifest.same_bits for case in steps.cases(precision)]
    rounded = precision not in ("fp32", *goldens.FREE)
    assert len(promised) >= 10
    assert ("" in promised) != rounded
    assert (promised.count("all") > len(promised) // 2) == rounded


@pytest.fixture
def no_programs(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.usefixtures("no_programs")
def test_a_missing_emulator_is_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(MissingProgramError, match=r"^qemu-aarch64 is not installed: apt-get install qemu-user-static$"):
        processors.emulator(processors.A53)
    with pytest.raises(MissingProgramError, match=r"^apt-get is not installed: apt-get install apt$"):
        debian.tree(tmp_path, "arm64", ("python3.11",))
    monkeypatch.setattr(command, "_wheel", lambda: tmp_path / "w.whl")
    monkeypatch.setattr(sys, "argv", ["emulated"])
    assert command.main() == 2
    assert capsys.readouterr().err == "Error: qemu-aarch64 is not installed: apt-get install qemu-user-static\n"


def test_a_program_that_fails_leaves_no_folder_that_counts(tmp_path):
    def failing(place):
        (place / "half").touch()
        debian.ran([sys.executable, "-c", "import sys; sys.exit('no such package')"])

    with pytest.raises(debian.PreparationError, match="failed with code 1:\nno such package"):
        debian.cached(tmp_path, "x", 1, failing)
    place = debian.cached(tmp_path, "x", 1, lambda place: (place / "whole").touch())
    assert [path.name for path in place.iterdir()] == ["whole"]
    assert debian.cached(tmp_path, "x", 1, failing) == place
    debian.cached(tmp_path, "x", 2, lambda place: None)
    assert not place.exists()  # what is out of date does not pile up


NEEDED = [name for name in PROCESSORS if not shutil.which(f"qemu-{PROCESSORS[name].machine}-static")]


@pytest.mark.skipif("s390x, big-endian" in NEEDED, reason="qemu-s390x-static is not installed")
@pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed")
def test_a_big_endian_processor_has_the_same_bits_and_a_wrong_bit_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "CACHE", tmp_path)
    few = tuple(case for case in steps.cases("static_wi8_ai8") if case.manifest.same_bits == "all")[:2]
    monkeypatch.setattr(steps, "cases", lambda precision: few)
    row = steps.compared(PROCESSORS["s390x, big-endian"], "static_wi8_ai8")
    assert row["exact"] == row["results"] > 0
    name = next(iter(few[0].manifest.states))
    wrong = np.array(few[0].expected[name])
    wrong[-1, ..., -1] += few[0].manifest.quantization[name].scale
    monkeypatch.setattr(
        steps, "cases", lambda precision: (replace(few[0], expected={**few[0].expected, name: wrong}), few[1])
    )
    with pytest.raises(pythons.BoardError, match=rf"{name} is 1 off; expected 0"):
        steps.compared(PROCESSORS["s390x, big-endian"], "static_wi8_ai8")


def test_the_standalone_loader_is_checked_against_the_definition(tmp_path):
    """As a board without numpy does it; a wrong answer is seen."""
    name, folder = "stack_static_wi8_ai16", tmp_path
    graph = goldens.in_scheme("stack", "static_wi8_ai16")
    goldens.write(graph, folder / name, {".so": goldens.exported()})
    goldens.write_for_bare_python(folder, [name])
    check = [sys.executable, "-S", ROOT / "tests/device/bare.py", folder]
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(check, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.startswith("without numpy: 1 models match"), done.stderr
    golden = json.loads((folder / f"{name}.json").read_text())
    golden["expected"][3][0] += 0.01
    (folder / f"{name}.json").write_text(json.dumps(golden))
    done = subprocess.run(check, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert f"AssertionError: ('{name}', 0.01" in done.stderr or f"AssertionError: ('{name}', 0.00" in done.stderr
