"""The keys of a recipe with their types, defaults and meanings, read from the sources: nothing is imported for it.

A key is a field of a dataclass, or an option of a reader. Its meaning is the text in the docstring beside it.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.errors import UsageError
from edgernn.files.spelling import closest
from edgernn.train import catalog
from edgernn.train.data import PAIR_READERS, READERS

FOLDER = Path(__file__).parent
MODEL, DATA, BEFORE = "model", "data", "before"

SECTIONS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        MODEL: (("network/models.py", "Shape"),),
        "training": (("loop/task.py", "Training"), ("loop/batches.py", "Batching")),
        "augment": (("data/augment.py", "Augmentation"),),
        "model.pairs": (("translation/network.py", "PairShape"),),
    }
)
"""A section of a recipe -> the dataclasses whose fields are its keys; "model.READER" where a reader has its own."""

LAYERS = "network/before_options.py"
"""The module of the layers that the key `before` of [model] names, and of the table of their options."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "int": "whole number",
        "float": "number",
        "str": "text",
        "bool": "true or false",
        "Column": "column by name or number",
        "BeforeLayer": "layer",
        "Mapping": "table",
    }
)
"""A type in the sources -> its name in TOML's terms."""


@dataclass(frozen=True)
class Key:
    """One key of a section.

    Attributes:
        name: the key.
        kind: the type of its value, in words.
        default: its default as TOML writes it, "none" without one, or "" for a key that a recipe must have.
        text: its meaning.
    """

    name: str
    kind: str
    default: str
    text: str


@dataclass(frozen=True)
class Section:
    """A table of keys.

    Attributes:
        name: "model", "training" or "augment"; "data.READER" for the options of a reader, and "model.before.CELL" for
            those of a layer before the recurrent ones.
        summary: what it describes, in a sentence.
        keys: its keys in their order.
    """

    name: str
    summary: str
    keys: tuple[Key, ...]


@cache
def sections() -> Mapping[str, Section]:
    """All sections, by name."""
    every = [
        *(_dataclasses(name, places) for name, places in SECTIONS.items()),
        *(
            Section(f"{MODEL}.{BEFORE}.{cell}", _summary(_top(LAYERS, options)), tuple(_fields(LAYERS, options)))
            for cell, options in _layers().items()
        ),
        *(_options(f"{DATA}.{reader}", module) for reader, module in {**READERS, **PAIR_READERS}.items()),
    ]
    return MappingProxyType({each.name: each for each in every})


def find(text: str) -> list[Section]:
    """The sections that a text names, or those with the key that it names, with nothing but this key.

    Args:
        text: the name of a section, such as "training" or "data.wav"; "section.key", such as "data.window"; or a key.

    Raises:
        UsageError: There is no such section or key.
    """
    every = sections()
    if inside := [each for name, each in every.items() if name == text or name.startswith(f"{text}.")]:
        return inside
    where, _, name = text.rpartition(".")
    matches = [
        Section(each.name, each.summary, tuple(key for key in each.keys if key.name == name))
        for each in every.values()
        if each.name == where or each.name.startswith(f"{where}.") or not where
    ]
    if not (matches := [each for each in matches if each.keys]):
        names = [f"{each.name}.{key.name}" for each in every.values() for key in each.keys]
        near = closest(text, [*every, *names]) or closest(
            text, [*catalog.names(), *(name.rpartition(".")[2] for name in names)]
        )
        raise UsageError(
            f"there is no recipe, section or key '{text}'; {f'did you mean {near!r}? ' if near else ''}sections are "
            f"{', '.join(SECTIONS)} and {DATA}.READER with the readers {', '.join((*READERS, *PAIR_READERS))}"
        )
    return matches


def _dataclasses(name: str, places: tuple[tuple[str, str], ...]) -> Section:
    keys = tuple(key for path, cls in places for key in _fields(path, cls))
    return Section(name, _summary(_top(*places[0])), keys)


def _fields(path: str, name: str) -> Iterator[Key]:
    """The fields of a dataclass that a recipe may set: those whose default is written as a literal."""
    node = _top(path, name)
    texts = _descriptions(node, "Attributes")
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and _is_literal(each.value):
            text = _with_choices(texts[each.target.id], path)
            yield Key(each.target.id, _kind(each.annotation), _literal(each.value), text)


def _options(name: str, module: str) -> Section:
    """What a reader reads, and its options."""
    path = f"{module.removeprefix('edgernn.train.').replace('.', '/')}.py"
    node = _top(path, "read")
    assert isinstance(node, ast.FunctionDef)
    texts = _descriptions(node, "Args")
    keys = tuple(
        Key(argument.arg, _kind(argument.annotation), _literal(default), _with_choices(texts[argument.arg], path))
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    )
    return Section(name, _summary(node), keys)


@cache
def _body(path: str) -> list[ast.stmt]:
    return ast.parse((FOLDER / path).read_text(encoding="utf-8")).body


def _top(path: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    """A class or function at the top of a module."""
    found = (node for node in _body(path) if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name)
    return next(found)


def _summary(node: ast.ClassDef | ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")


def _descriptions(node: ast.ClassDef | ast.FunctionDef, section: str) -> dict[str, str]:
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


def _with_choices(text: str, path: str) -> str:
    """A text that says "one of TABLE", with the names in that table, of this module or of one beside it."""

    def names(match: re.Match[str]) -> str:
        module = str(Path(path).with_name(f"{match[1]}.py")) if match[1] else path
        return f"one of {', '.join(f'`{ast.literal_eval(entry)}`' for entry in _entries(module, match[2]))}"

    return re.sub(r"one of (?:(\w+)\.)?([A-Z_]{2,})", names, text)


def _entries(path: str, name: str) -> list[ast.expr]:
    """The keys of a table at the top of a module, or the elements of a tuple."""
    value = next(
        node.value
        for node in _body(path)
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in ast.unparse(node).partition("=")[0]
    )
    assert value is not None
    table = next(node for node in ast.walk(value) if isinstance(node, ast.Dict | ast.Tuple))
    entries = table.keys if isinstance(table, ast.Dict) else table.elts
    return [entry for entry in entries if entry is not None]


def _layers() -> dict[str, str]:
    """The name of a layer in `before` -> the class of its options."""
    values = {ast.unparse(node.target): node.value for node in _body(LAYERS) if isinstance(node, ast.AnnAssign)}
    value = values[BEFORE.upper()]
    assert value is not None
    table = next(node for node in ast.walk(value) if isinstance(node, ast.Dict))
    return {
        ast.literal_eval(key): ast.unparse(options)
        for key, options in zip(table.keys, table.values, strict=True)
        if key is not None
    }


def _kind(annotation: ast.expr | None) -> str:
    """A type in words: `int | Sequence[int]` is "whole number, or list: whole number"."""
    if isinstance(annotation, ast.BinOp):
        sides = (annotation.left, annotation.right)
        return ", or ".join(_kind(each) for each in sides if ast.unparse(each) != "None")
    if isinstance(annotation, ast.Subscript):
        outer, inner = ast.unparse(annotation.value), annotation.slice
        first = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
        pairs = outer == "Mapping" or isinstance(first, ast.Subscript)
        return KINDS["Mapping"] if pairs else f"list: {_kind(first)}"
    name = "" if annotation is None else ast.unparse(annotation)
    return KINDS[name]


def _is_literal(value: ast.expr | None) -> bool:
    return not isinstance(value, ast.Call)


def _literal(value: ast.expr | None) -> str:
    """A default as TOML writes it."""
    if value is None:
        return ""
    default: Any = ast.literal_eval(value)
    return "none" if default is None else json.dumps(default)  # TOML has no other form for these


def plain(text: str) -> str:
    """A text without the marks of code."""
    return text.replace("`", "")
