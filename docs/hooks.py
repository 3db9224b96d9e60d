"""Pages that mkdocs makes from the code: the command, the recipes, the errors, and the texts beside the sources.

Home is README.md. Nothing heavy is imported: the command describes itself by click, the rest is read as syntax trees.
"""

import ast
import html
import inspect
import json
import posixpath
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent

TEXTS = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changes.md",
    "devices/README.md": "reference/boards.md",
}
"""A text beside the sources -> its page."""

SECTIONS = {
    "model": (("edgernn/train/network/models.py", "Shape"),),
    "training": (("edgernn/train/loop/task.py", "Training"), ("edgernn/train/loop/batches.py", "Batching")),
    "augment": (("edgernn/train/data/augment.py", "Augmentation"),),
}
"""A section of a recipe -> the dataclasses whose fields are its keys."""

BEFORE = "edgernn/train/network/before_options.py"
"""The module of the layers that the key `before` of [model] names, and of the table of their options."""

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
    sys.path.insert(0, str(ROOT))
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
    for section, classes in SECTIONS.items():
        lines += ["", f"## [{section}]", "", "| key | default | |", "|---|---|---|"]
        for path, name in classes:
            lines += keys(path, name)
        lines += before_section() if section == "model" else []
    lines += ["", "## [data]", "", "`reader` names one of the readers; the other keys are its options.", ""]
    for reader, path in readers().items():
        lines += [f'### reader = "{reader}"', "", *options(path), ""]
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


def tree_of(path: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    """A class or function at the top of a module."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return next(node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name)


def descriptions(node: ast.ClassDef | ast.FunctionDef, section: str) -> dict[str, str]:
    """Name -> text in a section of a docstring; a text for several names is that of each."""
    lines = (ast.get_docstring(node) or "").partition(f"{section}:\n")[2].partition("\n\n")[0].splitlines()
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if match := re.match(r"    (\w+(?:, \w+)*): (.*)", line):
            names = match[1].split(", ")
            texts |= dict.fromkeys(names, match[2])
        else:
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
    return texts


def before_section() -> Iterator[str]:
    """The layers that `before` names, with a table of their keys."""
    body = ast.parse((ROOT / BEFORE).read_text(encoding="utf-8")).body
    values = {ast.unparse(node.target): node.value for node in body if isinstance(node, ast.AnnAssign)}
    table = next(node for node in ast.walk(values["BEFORE"] or body[0]) if isinstance(node, ast.Dict))
    yield from ("", inspect.cleandoc(LAYERS_BEFORE))
    for key, options_of in zip(table.keys, table.values, strict=True):
        docstring = ast.get_docstring(tree_of(BEFORE, ast.unparse(options_of))) or ""
        yield from ("", f'### cell = "{ast.literal_eval(key or options_of)}"', "", docstring.partition("\n\n")[0], "")
        yield from ("| key | default | |", "|---|---|---|", *keys(BEFORE, ast.unparse(options_of)))


def keys(path: str, name: str) -> Iterator[str]:
    """A row for each field of a dataclass that a recipe may set."""
    node = tree_of(path, name)
    texts = descriptions(node, "Attributes")
    for each in node.body:
        if (
            isinstance(each, ast.AnnAssign)
            and isinstance(each.target, ast.Name)
            and not isinstance(each.value, ast.Call)
        ):
            yield row(each.target.id, each.value, with_choices(texts[each.target.id], path))


def with_choices(text: str, path: str) -> str:
    """A text that says "one of TABLE", with the names in that table, of this module or of one beside it."""

    def names(match: re.Match[str]) -> str:
        module = f"{posixpath.dirname(path)}/{match[1]}.py" if match[1] else path
        body = ast.parse((ROOT / module).read_text(encoding="utf-8")).body
        value = next(
            node.value
            for node in body
            if isinstance(node, ast.Assign | ast.AnnAssign) and match[2] in ast.unparse(node).partition("=")[0]
        )
        table = next(node for node in ast.walk(value or body[0]) if isinstance(node, ast.Dict | ast.Tuple))
        entries = table.keys if isinstance(table, ast.Dict) else table.elts
        return ", ".join(f"`{ast.literal_eval(entry)}`" for entry in entries if entry)

    return re.sub(r"one of (?:(\w+)\.)?([A-Z_]{2,})", names, text)


def readers() -> dict[str, str]:
    """Reader -> the path of its module, from the table of readers."""
    tree = ast.parse((ROOT / "edgernn/train/data/__init__.py").read_text(encoding="utf-8"))
    table = next(node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    return {name: f"{module.replace('.', '/')}.py" for name, module in ast.literal_eval(table).items()}


def options(path: str) -> Iterator[str]:
    """What a reader reads, and a row for each of its options."""
    node = tree_of(path, "read")
    assert isinstance(node, ast.FunctionDef)
    texts = descriptions(node, "Args")
    yield from ((ast.get_docstring(node) or "").partition("\n\n")[0], "", "| key | default | |", "|---|---|---|")
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        yield row(argument.arg, default, texts[argument.arg])


def row(name: str, default: ast.expr | None, text: str) -> str:
    """A row of a table of keys, with the default as TOML has it."""
    if default is None:
        return f"| `{name}` | needed | {escaped(text)} |"
    value = ast.literal_eval(default)
    shown = "none" if value is None else json.dumps(value)  # TOML has no other form for these
    return f"| `{name}` | `{shown}` | {escaped(text)} |"


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
