"""README tells the truth: its code runs, its figures are those of the benchmark, and it stays short."""

import re
import subprocess
import sys

import document
from document import ROOT

README = (ROOT / "README.md").read_text()
LINES, CODE_LINES, PEERS = 100, 15, 5


def test_readme_is_short():
    assert len(README.splitlines()) <= LINES


def test_the_quickstart_runs(tmp_path):
    document.run(ROOT / "README.md", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"kws.so", "kws_stream.py"}


def test_the_quickstart_has_fifteen_lines():
    (block,) = [block for block in document.blocks(ROOT / "README.md") if block.language == "python"]
    assert len([line for line in block.text.splitlines() if line]) <= CODE_LINES


def test_one_table_has_a_row_for_each_of_what_people_use():
    table = README.partition("<!-- figures: begin -->")[2].partition("<!-- figures: end -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + PEERS
    assert "frames were not paced" in table


def test_the_figures_are_those_of_the_benchmark():
    run = subprocess.run(
        [sys.executable, ROOT / "bench/readme.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_named_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"`make (\w+)", README)
    assert {"demo", "test", "docs"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
