"""Pages that mkdocs makes from the code: the command, the recipes, the errors, and the texts beside the sources.

Home is README.md. Nothing heavy is imported: the command describes itself by click, the rest is read as syntax trees.
"""

import ast
import html
import inspect
import posixpath
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from edgernn.train import keys
from edgernn.train.data import PAIR_READERS, READERS

ROOT = Path(__file__).parent.parent

TEXTS = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changes.md",
    "devices/README.md": "reference/boards.md",
}
"""A text beside the sources -> its page."""

RECIPE_FILES = sorted((ROOT / "edgernn/train/recipes").glob("*.toml"))

LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {page: text_page(text, page) for text, page in TEXTS.items()}
    pages |= {"reference/cli.md": command_page(), "reference/recipes.md": recipes_page()}
    pages |= {"reference/errors.md": errors_page()}
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    return files


def text_page(text: str, page: str) -> str:
    """A text beside the sources with its links as they are in the site; a link to anything else is left out."""

    def moved(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(text), match[1]))
        target = TEXTS.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(target, posixpath.dirname(page) or ".")

    return LINK.sub(moved, (ROOT / text).read_text(encoding="utf-8"))


def escaped(text: str) -> str:
    """Text for a cell of a table; what stands in backticks is code already."""
    parts = text.replace("\n", " ").replace("|", "\\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))


# The command


def command_page() -> str:
    """Every verb with its arguments and options, as `--help` has them."""
    from edgernn.cli import EPILOG
    from edgernn.commands import GROUPS

    lines = ["# The command", "", inspect.cleandoc(EXIT_CODES), ""]
    for group, verbs in GROUPS.items():
        lines += [f"## {group}", "", *(line for verb in verbs for line in verb_section(verb))]
    head, _, completion = EPILOG.partition("\b\n")
    return "\n".join([*lines, "## Shell completion", "", head, "```sh", inspect.cleandoc(completion), "```", ""])


EXIT_CODES = """
    | exit code | meaning |
    |---|---|
    | 0 | success |
    | 1 | two computations of a model disagree, a budget is missed, or a step is slower |
    | 2 | a wrong use, option or file |
    | 3 | no verdict |
    | 130, 143 | ended by Ctrl-C or SIGTERM; what is finished is kept |
"""


def verb_section(verb: click.Command) -> Iterator[str]:
    """One verb: usage, help, and a table of its options."""
    with click.Context(verb, info_name=f"edgernn {verb.name}") as context:
        usage = " ".join([context.command_path, *verb.collect_usage_pieces(context)])
        options = [
            each for each in verb.get_params(context) if isinstance(each, click.Option) and "--help" not in each.opts
        ]
        records = [record for option in options if (record := option.get_help_record(context))]
    yield from (f"### edgernn {verb.name}", "", "```text", usage, "```", "")
    yield from (inspect.cleandoc(verb.help or "").replace("\b\n", ""), "")
    yield from ("| option | |", "|---|---|")
    for option, text in records:
        yield f"| <code>{html.escape(option).replace('|', '&#124;')}</code> | {escaped(text)} |"
    yield ""


# Recipes


def recipes_page() -> str:
    """The recipes that come with edgernn, the keys of each section, and the options of each reader."""
    lines = [
        inspect.cleandoc(RECIPES),
        "",
        "## Recipes that come with edgernn",
        "",
        "| name | what it trains |",
        "|---|---|",
    ]
    titles = {path.stem: tomllib.loads(path.read_text(encoding="utf-8"))["title"] for path in RECIPE_FILES}
    lines += [f"| `{name}` | {title} |" for name, title in titles.items()]
    tables = keys.sections()
    for section in keys.SECTIONS:
        name, _, reader = section.partition(".")
        only = f' with the reader "{reader}"' if reader else ""
        lines += ["", f"## [{name}]{only}", "", *key_table(tables[section].keys)]
        lines += before_section() if section == keys.MODEL else []
    lines += ["", "## [data]", "", "`reader` names one of the readers; the other keys are its options.", ""]
    for reader in (*READERS, *PAIR_READERS):
        options = tables[f"{keys.DATA}.{reader}"]
        lines += [f'### reader = "{reader}"', "", options.summary, "", *key_table(options.keys), ""]
    return "\n".join([*lines, inspect.cleandoc(SEARCH), ""])


RECIPES = """
    # Recipes

    A recipe is a TOML file: a `title`, the sections `[data]`, `[model]` and `[training]`, and where they are wanted
    `[augment]` and `[search]`. `edgernn train RECIPE` takes the name of one that comes with edgernn, or a path that
    ends in `.toml`; `--set section.key=value` replaces a value. A key that does not exist is refused with its line and
    a suggestion.
"""

LAYERS_BEFORE = """
    `before` is a list of layers in their order, each a table with its `cell` and the keys below, named like the fields
    of the cell; `[[model.before]]` is the same as tables of their own. The first reads a frame as one channel. What
    arrives at each is (channels, frequencies), as in the cells `Conv2d` and `Pool`.

    ```toml
    before = [
        { cell = "Conv2d", channels = 16, frames = 3, taps = 3, stride = 2, activation = "relu", norm = true },
        { cell = "Pool", size = 2 },
    ]
    ```
"""

SEARCH = """
    ## [search]

    What `edgernn search` varies. Keys are `"section.key"` in quotes; a value is a list of choices, or a range
    `{ low = 3e-3, high = 2e-2, log = true }` or `{ low = 16, high = 64, step = 16 }`.
"""


def before_section() -> Iterator[str]:
    """The layers that `before` names, with a table of their keys."""
    yield from ("", inspect.cleandoc(LAYERS_BEFORE))
    prefix = f"{keys.MODEL}.{keys.BEFORE}."
    for name, layer in keys.sections().items():
        if name.startswith(prefix):
            yield from ("", f'### cell = "{name.removeprefix(prefix)}"', "", layer.summary, "", *key_table(layer.keys))


def key_table(table: Sequence[keys.Key]) -> Iterator[str]:
    """A row for each key, with the default as TOML has it."""
    yield from ("| key | type | default | |", "|---|---|---|---|")
    for key in table:
        default = f"`{key.default}`" if key.default else "needed"
        yield f"| `{key.name}` | {key.kind} | {default} | {escaped(key.text)} |"


# Errors


def errors_page() -> str:
    """The tree of errors, and each with its docstring."""
    path = "edgernn/errors.py"
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    docstring = ast.get_docstring(tree) or ""
    head, _, drawn = docstring.partition("\n\n")
    lines = ["# Errors", "", head, "", "```text", drawn.partition("\n\n")[0], "```", "", drawn.partition("\n\n")[2], ""]
    lines += ["A message says what arrived, what was expected, and what to do.", ""]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            lines += [f"::: edgernn.{node.name}", ""]
    return "\n".join(lines)
