"""Running a page of documentation: its code blocks in order, in one folder, as a reader would."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgernn.cli import call, cli
from edgernn.model.cell import CELLS

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is, and its text."""

    language: str
    title: str
    text: str


def name(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    return [Block(*match) for match in FENCE.findall(page.read_text(encoding="utf-8")) if "--8<--" not in match[2]]


def commands(page):
    """Every command of edgernn on a page: those that run and those that are only shown."""
    lines = [line for block in blocks(page) if block.language in {"sh", "console"} for line in block.text.splitlines()]
    return [shlex.split(line.removeprefix("$ "))[1:] for line in lines if re.match(r"(\$ )?edgernn ", line)]


def run(page, folder):
    """Run the blocks of a page: `python` in one module, `sh` by the command; a block with a title is a file."""
    known = set(CELLS)
    module = type(sys)("document")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(sys.modules, "document", module)
        try:
            for block in blocks(page):
                if block.title:
                    (folder / block.title).write_text(block.text)
                elif block.language == "python":
                    exec(compile(block.text, page.name, "exec"), module.__dict__)
                elif block.language == "sh":
                    for line in block.text.splitlines():
                        program, *arguments = shlex.split(line)
                        assert program == "edgernn", f"{line}: a sh block runs; show other commands as console"
                        assert call(cli, arguments, "edgernn") == 0, line
        finally:
            for cell in set(CELLS) - known:
                del CELLS[cell]
