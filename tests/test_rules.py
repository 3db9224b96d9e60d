"""The rules of imports: each of these lines, put into a copy of the sources, must be refused."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MUTANTS = {
    "torch in passes": ("edgernn/passes/quantize.py", "import torch"),
    "torch in the estimate": ("edgernn/latency/estimate.py", "import torch"),
    "torch in tune": ("edgernn/tune/choice.py", "import torch"),
    "torch in pages": ("edgernn/pages/page.py", "import torch"),
    "onnx in C": ("export/edgernn_export/targets/c/kernels.py", "import onnx"),
    "one target in another": ("export/edgernn_export/targets/c/pack.py", "import edgernn_export.targets.onnx.sums"),
    "the schema of TFLite in ONNX": ("export/edgernn_export/targets/onnx/sums.py", "import ai_edge_litert"),
    "click in the runtime": ("edgernn/runtime/guard.py", "import click"),
    "matplotlib in latency": ("edgernn/latency/report.py", "import matplotlib"),
    "a circle in train": ("edgernn/train/data/split.py", "import edgernn.train.run"),
    "a lower floor in a higher one": ("edgernn/files/arrays.py", "import edgernn.runtime.program"),
    "one cell in another": ("edgernn/cells/gru.py", "import edgernn.cells.lstm"),
    "one verb in another": ("edgernn/commands/info.py", "import edgernn.commands.bench"),
}
"""What is wrong -> the file, and the line that is put at its end."""


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """What the linter says of a copy with every mutant in it."""
    copy = tmp_path_factory.mktemp("mutants")
    for folder in ("edgernn", "export"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, line in MUTANTS.values():
        with (copy / file).open("a") as source:
            source.write(f"{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    path = os.pathsep.join([str(copy), str(copy / "export")])
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


def module(file):
    return file.removeprefix("export/").removesuffix(".py").replace("/", ".")


@pytest.mark.parametrize("name", MUTANTS)
def test_an_import_against_the_rules_is_refused(name, refused):
    file, line = MUTANTS[name]
    number = len((ROOT / file).read_text().splitlines()) + 1
    expected = re.escape(f"{module(file)} -> {line.removeprefix('import ')} (l.{number})")
    assert re.search(expected, refused), refused


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def f(x, *, said=1): ...", "said"),
        ("f = lambda made: made", "made"),
        ("class C:\n    kept: int", "kept"),
        ("class C:\n    found = 1", "found"),
        ("def found(x): ...\nmade = 1", ""),
    ],
)
def test_a_parameter_or_field_that_does_not_say_what_it_holds_is_refused(code, name, tmp_path):
    (tmp_path / "m.py").write_text(code)
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/names.py", tmp_path / "m.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, f"'{name}'" in done.stdout) == (int(bool(name)), bool(name)), done
