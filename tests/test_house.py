"""The house: what may be imported, how long a module may be, and what packages may hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings

import edgernn
from edgernn import cells
from edgernn.errors import EdgernnError
from zoo import begin, keyword_spotter, t

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("edgernn/**/*.py"), *ROOT.glob("export/**/*.py")])
HEAVY = (
    "torch",
    "onnx",
    "onnxruntime",
    "ai_edge_litert",
    "tflite_runtime",
    "safetensors",
    "scipy",
    "flatbuffers",
    "cryptography",
    "lightning",
    "optuna",
    "sqlalchemy",
)

MODULE_LINES, FUNCTION_LINES = 300, 40


def python(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_is_short_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= MODULE_LINES
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < FUNCTION_LINES, node.name
        assert not (isinstance(node, ast.ImportFrom) and node.level), "no relative imports"


@pytest.mark.parametrize("word", ["utils", "helpers", "manager", "base", "common", "misc"])
def test_no_package_has_a_name_without_meaning(word):
    assert not [path for path in SOURCES if word in path.stem.split("_")]


def test_an_init_holds_names_or_a_table():
    for path in SOURCES:
        if path.name == "__init__.py":
            made = [
                node.name
                for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.FunctionDef | ast.ClassDef)
            ]
            assert made in ([], ["__dir__"]), path


def test_importing_edgernn_loads_neither_numpy_nor_a_runtime():
    code = "import sys, edgernn; print([m for m in sys.modules if m.partition('.')[0] in {'numpy', 'click', *sys.argv[1:]}])"
    assert python(code, *HEAVY) == "[]\n"


def test_importing_the_exporter_loads_nothing_heavy():
    code = "import sys, edgernn_export; print([m for m in sys.modules if m.partition('.')[0] in sys.argv[1:]])"
    assert python(code, "numpy", *HEAVY) == "[]\n"


def test_help_needs_nothing_heavy():
    code = """
import sys
from edgernn.cli import cli, call
assert call(cli, ["--help"], "edgernn") == 0
for verb in cli.commands:
    assert call(cli, [verb, "--help"], "edgernn") == 0
print([m for m in sys.modules if m.partition('.')[0] in sys.argv[1:]])
"""
    assert python(code, "numpy", *HEAVY).splitlines()[-1] == "[]"


def test_a_model_steps_where_everything_heavy_is_blocked(tmp_path):
    edgernn.save(keyword_spotter(), tmp_path / "m.rnn")
    code = """
import sys
for package in sys.argv[2:]:
    sys.modules[package] = None
import numpy, edgernn
print(edgernn.open(sys.argv[1]).stream().step(numpy.zeros(10, "float32")).shape)
"""
    assert python(code, str(tmp_path / "m.rnn"), "click", *HEAVY) == "(4,)\n"


def test_every_cell_has_its_line():
    files = {path.stem for path in (ROOT / "edgernn/cells").glob("*.py")} - {"__init__"}
    assert files == {getattr(cells, cell).__module__.rpartition(".")[2] for cell in cells.__all__}


ARITHMETIC = {"Maximum", "Quotient", "Slice"}  # operations of numpy by name


def test_every_cell_cites_its_formula():
    for cell in cells.__all__:
        docstring = getattr(cells, cell).__doc__
        assert cell in ARITHMETIC or re.search(r"arXiv|19\d\d|20\d\d|scikit-learn", docstring), cell


def test_every_error_has_one_root():
    tree = ast.parse((ROOT / "edgernn/errors.py").read_text())
    made = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    from edgernn import errors

    assert all(issubclass(getattr(errors, each), EdgernnError | Warning) for each in made)
    assert all(each in errors.__doc__ for each in made)


def test_a_suffix_stands_in_one_table_each():
    from edgernn.device.runtimes import RUNTIMES
    from edgernn_export.targets import TARGETS

    modules = {runtime.backend for runtime in RUNTIMES.values()}
    modules |= {
        module for target in TARGETS.values() for module in (target.module, target.window, target.replay) if module
    }
    for module in modules:
        path = module.replace(".", "/")
        assert [p for p in SOURCES if str(p).endswith(f"{path}.py")], module


def test_a_test_draws_by_its_name_and_is_not_judged_by_its_time(request):
    found = t(9).stored
    begin(crc32(request.node.nodeid.encode()))
    np.testing.assert_array_equal(found, t(9).stored)
    assert settings.default.deadline is None
