"""The documentation is true: its code runs, its commands exist, it uses public names alone, its links lead somewhere."""

import ast
import os
import re
import shutil
import subprocess
import sys
import warnings
from html.parser import HTMLParser

import pytest

import document
import edgernn
import edgernn_export
from document import PAGES, ROOT
from edgernn.cli import cli

RUN = [page for page in PAGES if any(block.language in {"python", "sh"} for block in document.blocks(page))]
SHOWN = [page for page in PAGES if document.commands(page)]
PACKAGES = {"edgernn": edgernn, "edgernn_export": edgernn_export}
TEXTS = [*PAGES, *(ROOT / path for path in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "devices/README.md"))]
FOLDERS = ("edgernn", "export", "tests", "bench", "docs")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUN if page.name != "README.md"], ids=document.name)
def test_the_code_of_a_page_runs(page, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras")  # of numpy, inside Keras
        document.run(page, tmp_path)


def test_a_program_in_c_compiles_and_runs(tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    page = ROOT / "docs/guides/microcontrollers.md"
    document.run(page, tmp_path)
    (line,) = re.findall(r"^    gcc (.*)$", page.read_text(), re.MULTILINE)
    subprocess.run([compiler, *line.split()], cwd=tmp_path, check=True)
    assert re.fullmatch(r"-?\d+ -?\d+ -?\d+\n", subprocess.check_output([tmp_path / "kws"], text=True))


@pytest.mark.parametrize("page", SHOWN, ids=document.name)
def test_every_command_of_a_page_exists_with_its_options(page):
    for verb, *arguments in document.commands(page):
        known = {option: each for each in cli.commands[verb].params for option in each.opts}
        for i, argument in enumerate(arguments):
            if argument.startswith("-") and argument != "-":
                assert argument in known, f"edgernn {verb} {argument}"
                choices = getattr(known[argument].type, "choices", None)
                assert not choices or arguments[i + 1] in choices, f"edgernn {verb} {argument} {arguments[i + 1]}"


@pytest.mark.parametrize("page", RUN, ids=document.name)
def test_a_page_uses_public_names_alone(page):
    for block in document.blocks(page):
        if block.language == "python":
            for package, attribute in used(ast.parse(block.text)):
                assert attribute in PACKAGES[package].__all__, f"{package}.{attribute}"


def used(tree):
    """Every name of our packages that a program takes: (package, name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgernn"):
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith(("edgernn.", "edgernn_export."))]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in PACKAGES:
            yield node.value.id, node.attr


def test_the_index_of_the_api_is_what_is_public():
    index = re.findall(r"^::: (\w+)\.(\w+)$", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE)
    assert len(index) == len(set(index))
    listed = {(package, name) for package, module in PACKAGES.items() for name in module.__all__}
    errors = {("edgernn", name) for name in edgernn.__all__ if name.endswith(("Error", "Warning"))}
    assert set(index) == listed - errors - {("edgernn", "__version__")}  # the errors have a page of their own


@pytest.mark.parametrize("text", TEXTS, ids=document.name)
def test_links_of_a_text_lead_to_a_file_and_a_heading(text):
    for link in LINK.findall(text.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (text.parent / path).resolve() if path else text
        if not target.exists() and text.is_relative_to(ROOT / "docs"):
            continue  # a page that is made from the code: the build holds it
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def headings(text):
    titles = re.findall(r"^#+ (.*)$", text.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation, built as `make docs` builds it."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    return folder


class Elements(HTMLParser):
    """The names on a page, where its links lead, and what a browser fetches for it."""

    def __init__(self, html):
        super().__init__()
        self.names, self.links, self.fetched = set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.names |= {known[key] for key in ("id", "name") if key in known}
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        self.fetched += [known[key] for key in ("src", "srcset", "data") if known.get(key)]
        if tag == "link" and known.get("rel") not in {"canonical", "prev", "next"}:
            self.fetched.append(known["href"])


@pytest.mark.slow
def test_every_link_of_the_site_leads_to_a_page_and_a_place(site):
    pages = {
        path: Elements(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"
    }
    assert len(pages) >= 19
    for path, page in pages.items():
        for link in page.links:
            if not link.startswith(("http://", "https://", "mailto:", "javascript:")):
                target, _, anchor = link.partition("#")
                destination = (path.parent / target).resolve() if target else path
                destination = destination / "index.html" if destination.is_dir() else destination
                assert destination in pages, (path.name, link)
                assert not anchor or anchor in pages[destination].names, (path.name, link)


@pytest.mark.slow
def test_the_site_needs_no_network(site):
    for path in site.rglob("*.html"):
        fetched = Elements(path.read_text(encoding="utf-8")).fetched
        assert not [each for each in fetched if each.startswith(("http", "//"))], path.name
    for path in site.rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//|@import", path.read_text(encoding="utf-8")), path.name


def test_the_example_is_what_the_exporter_writes(tmp_path):
    subprocess.run([sys.executable, ROOT / "export/examples/gru4.py", tmp_path], check=True)
    for name in ("gru4.c", "gru4.h"):
        same = (tmp_path / name).read_text() == (ROOT / "export/examples" / name).read_text()
        assert same, f"export/examples/{name} is not what the exporter writes: run export/examples/gru4.py"


@pytest.mark.parametrize("text", [text for text in TEXTS if text.name != "CHANGELOG.md"], ids=document.name)
def test_the_named_source_files_exist(text):
    sources = [f"/{path.relative_to(ROOT)}" for name in FOLDERS for path in (ROOT / name).rglob("*.*")]
    for path in re.findall(r"`([\w/.]+\.(?:py|cpp|svg))`", text.read_text(encoding="utf-8")):
        if "/" in path or not text.is_relative_to(ROOT / "docs"):  # a guide also names files that it writes
            assert any(source.endswith(f"/{path}") for source in sources), path
