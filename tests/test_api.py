"""The public API: what is listed is there, is documented, is seen by type checkers, and fits on two screens."""

import ast
import dataclasses
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgernn
import edgernn_export

ROOT = Path(__file__).parent.parent
SCREEN_LINES = 48
PUBLIC = (edgernn, edgernn_export)
PACKAGES = pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)

PROGRAM = """
import numpy as np

import edgernn
from edgernn_export import export


def step(path: str) -> float:
    graph: edgernn.Graph = edgernn.load(path)
    export(edgernn.quantize(graph, "dynamic_wi8_afp32"), "small.so")
    stream = edgernn.open("small.so").stream(monitor=edgernn.Budget(10_000))
    try:
        return float(stream.step(np.zeros(graph.inputs, np.float32))[0])
    except edgernn.FrameError:
        return 0.0


reveal_type(edgernn.open("small.so"))
reveal_type(edgernn.load_device("this").cores)
edgernn.estimate("a path")
edgernn.cells.Grru
edgernn.nothing
"""


@PACKAGES
def test_every_listed_name_is_there_and_is_completed_in_a_shell(package):
    assert dir(package) == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'; there are"):
        package.nothing  # noqa: B018


@PACKAGES
def test_every_listed_name_has_a_docstring(package):
    assert not [
        name for name in package.__all__ if name != "__version__" and not inspect.getdoc(getattr(package, name))
    ]


def described(member, section):
    """The names in a section of a docstring, such as "Args"."""
    lines = (inspect.getdoc(member) or "").partition(f"{section}:\n")[2].partition("\n\n")[0].splitlines()
    return {
        name for line in lines if (match := re.match(r"    (\w+(?:, \w+)*): ", line)) for name in match[1].split(", ")
    }


@pytest.mark.parametrize("name", [f"{package.__name__}.{name}" for package in PUBLIC for name in package.__all__])
def test_a_docstring_describes_what_is_there(name):
    package, _, name = name.partition(".")
    member = getattr({each.__name__: each for each in PUBLIC}[package], name)
    fields = {each.name for each in dataclasses.fields(member)} if dataclasses.is_dataclass(member) else set()
    assert described(member, "Attributes") <= fields
    members = [member, *vars(member).values()] if inspect.isclass(member) else [member]
    for each in filter(callable, members):
        if described(each, "Args"):
            assert described(each, "Args") <= set(inspect.signature(each).parameters), each


@PACKAGES
def test_help_fits_two_screens(package):
    assert len(pydoc.render_doc(package, renderer=pydoc.plaintext).splitlines()) <= 2 * SCREEN_LINES


def test_help_names_all_that_is_public():
    text = pydoc.render_doc(edgernn, renderer=pydoc.plaintext)
    assert not [name for name in edgernn.__all__ if not re.search(rf"\b{name}\b", text) and name != "__version__"]


@PACKAGES
def test_a_type_checker_is_shown_what_is_listed(package):
    tree = ast.parse(Path(package.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    shown = {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert shown == set(package.__all__)


@pytest.mark.slow
def test_mypy_checks_a_program_that_uses_the_api(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "--cache-dir",
            tmp_path / "cache",
            "program.py",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"MYPYPATH": f"{ROOT}:{ROOT / 'export'}"},
    )
    lines = [line.partition(": ")[2] for line in run.stdout.splitlines() if line.startswith("program.py")]
    assert lines == [
        'note: Revealed type is "edgernn.runtime.program.Program"',
        'note: Revealed type is "int | None"',
        'error: Missing positional argument "device" in call to "estimate"  [call-arg]',
        'error: Argument 1 to "estimate" has incompatible type "str"; expected "Graph"  [arg-type]',
        'error: Module has no attribute "Grru"; maybe "Gru"?  [attr-defined]',
        'error: Module has no attribute "nothing"  [attr-defined]',
    ], run.stdout
