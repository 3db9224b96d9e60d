"""A recipe: the data, the network and the training of one model, as a TOML file that is read strictly."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from edgernn.errors import EdgernnError, UsageError
from edgernn.files import atomic, bounded_toml
from edgernn.files.document import Document, parse
from edgernn.files.spelling import misspelt
from edgernn.train import space
from edgernn.train.data.augment import Augmentation
from edgernn.train.loop.batches import Batching
from edgernn.train.loop.task import Training
from edgernn.train.network.models import Shape

FOLDER = Path(__file__).parent / "recipes"
SECTIONS = ("data", "model", "training")
AUGMENT, SEARCH = "augment", "search"
KNOWN = ("title", *SECTIONS, AUGMENT, SEARCH)

LARGEST = 1 << 31

KINDS = {
    bool: "true or false",
    int: f"a whole number below {LARGEST}",
    float: f"a number below {LARGEST}",
    str: "text",
    tuple: f"a list of numbers below {LARGEST}",
}

Bases = Mapping[str, tuple[Any, ...]]
"""A section -> what its keys are fields of, as the recipe has it."""


@dataclass(frozen=True)
class Recipe:
    """Everything that a training is made of, but the data itself.

    Attributes:
        name: of the file, without its suffix.
        title: what it trains, in words.
        reader: one of edgernn.train.data.READERS.
        options: of the reader.
        shape: of the network.
        training: how it is trained.
        augment: how the training part is varied in every epoch.
        space: what `edgernn search` may vary.
        values: all of the above as in the file, with what was set on the way.
    """

    name: str
    title: str
    reader: str
    options: Mapping[str, Any]
    shape: Shape
    training: Training
    augment: Augmentation
    space: space.Space
    values: Mapping[str, Any]


def names() -> tuple[str, ...]:
    """The recipes that come with edgernn."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str | os.PathLike[str], settings: Sequence[str] = (), spaces: Sequence[str] = ()) -> Recipe:
    """A recipe by its name, or from a file that ends in .toml.

    Args:
        name: one of `names()`, or a path.
        settings: such as "model.hidden=64", which take the place of what the file says.
        spaces: such as "model.hidden=16,32,64", which take the place of what the section [search] says, or add to it.

    Raises:
        UsageError: there is no such recipe, or a setting that names nothing.
        FileError: the file cannot be read or is no recipe; the line is said.
    """
    given = os.fspath(name)
    path = Path(given) if given.endswith(".toml") else FOLDER / f"{given}.toml"
    if not given.endswith(".toml") and given not in names():
        raise UsageError(f"there is no recipe '{given}'; {misspelt(given, names())}, or a file that ends in .toml")
    document = parse(atomic.read(path), str(path))
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in document.values.items()}
    document = replace(document, overridden=frozenset(_set(values, setting) for setting in settings))
    for each in spaces:
        key, value = space.given(each)
        values[SEARCH] = values.get(SEARCH, {}) | {key: value}
    return _recipe(path.stem, document, values)


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, by "section.key", and nothing to search."""
    document = parse(written(recipe).encode(), f"{recipe.name}.toml")
    kept = {key: value for key, value in recipe.values.items() if key != SEARCH}
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in kept.items()}
    for place, value in settings.items():
        section, _, key = place.partition(".")
        values.setdefault(section, {})[key] = value
    return _recipe(recipe.name, document, values)


def _recipe(name: str, document: Document, values: dict[str, Any]) -> Recipe:
    for key in values:
        if key not in KNOWN:
            raise document.error(f"there is no '{key}' in a recipe; {misspelt(key, KNOWN)}", key)
    for key in ("title", *SECTIONS):
        if key not in values:
            raise document.error(f"'{key}' is missing; a recipe has title, {', '.join(SECTIONS)}", key)
    for key in values.keys() - {"title"}:
        if not isinstance(values[key], dict):
            raise document.error(f"'{key}' is {values[key]!r}; expected a section [{key}]", key)
    options = dict(values["data"])
    if not isinstance(options.get("reader"), str):
        raise document.error('the section [data] names no reader; write reader = "wav" or another', "data")
    for key, value in options.items():
        if not all(map(_sensible, value if isinstance(value, list) else [value])):
            raise document.error(f"'{key}' is {value!r}; expected numbers below {LARGEST}", key, "data")
    training = dict(values["training"])
    plan = {key: training.pop(key) for key in list(training) if key in _kinds(Batching)}
    try:
        shape = Shape(**_checked(document, "model", values["model"], Shape))
        how = Training(**_checked(document, "training", training, Training), plan=Batching(**_typed(document, plan)))
        how.check(shape)
        augment = Augmentation(**_checked(document, AUGMENT, values.get(AUGMENT, {}), Augmentation))
        bases = {"model": (shape,), "training": (how, how.plan), AUGMENT: (augment,)}
        varied = _space(document, values.get(SEARCH, {}), bases)
        return Recipe(name, str(values["title"]), options.pop("reader"), options, shape, how, augment, varied, values)
    except UsageError as error:
        raise UsageError(f"'{document.path}': {error}") from error


def _checked(document: Document, section: str, table: Mapping[str, Any], cls: type[Any]) -> dict[str, Any]:
    """The table of a section, whose keys are fields of a dataclass."""
    known = {name: kind for name, kind in _kinds(cls).items() if name != "plan"}
    for key, value in table.items():
        if key not in known:
            names = [*known, *(_kinds(Batching) if cls is Training else ())]
            raise document.error(f"there is no '{key}' in [{section}]; {misspelt(key, names)}", key, section)
        _check_kind(document, section, key, value, known[key])
    return dict(table)


def _typed(document: Document, plan: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in plan.items():
        _check_kind(document, "training", key, value, _kinds(Batching)[key])
    return dict(plan)


def _check_kind(document: Document, section: str, key: str, value: Any, kind: type[Any]) -> None:
    if not _fits(value, kind):
        raise document.error(f"'{key}' is {value!r}; expected {KINDS[kind]}", key, section)


def _fits(value: Any, kind: type[Any]) -> bool:
    if kind is tuple:
        return isinstance(value, list) and all(_fits(each, float) for each in value)
    return (type(value) is kind or (kind is float and type(value) is int)) and _sensible(value)


def _sensible(value: Any) -> bool:
    """Whether a number is finite, and no larger than any setting has sense; what is no number is."""
    return type(value) not in {int, float} or abs(value) < LARGEST


def _kinds(cls: type[Any]) -> dict[str, type[Any]]:
    return {each.name: type(each.default) for each in fields(cls)}


def _space(document: Document, section: Any, bases: Bases) -> space.Space:
    """The section [search], each of whose values would be right in its own section."""
    if not isinstance(section, dict):
        raise document.error(f"'{SEARCH}' is {section!r}; expected a section [{SEARCH}]", SEARCH)
    found = {}
    for place, value in section.items():
        try:
            found[place] = _domain(place, value, bases)
        except UsageError as error:
            if document.values.get(SEARCH, {}).get(place) != value:
                raise UsageError(f"'{place}' cannot be searched so: {error}") from error
            stands = f"{place}.{next(iter(value), '')}" if "." not in place and isinstance(value, dict) else place
            raise document.error(f"'{place}' cannot be searched so: {error}", stands, SEARCH) from error
    return found


def _domain(place: str, value: Any, bases: Bases) -> space.Domain:
    section, _, key = place.partition(".")
    if section not in ("data", *bases) or not key:
        raise UsageError(
            f'it is no setting; write "section.key", in quotes, with a section of {", ".join(("data", *bases))}'
        )
    if section == "data":  # what a reader takes, only the reader knows
        return space.domain(value, None)
    known = {name: base for base in bases[section] for name in _kinds(type(base)) if name != "plan"}
    if key not in known:
        raise UsageError(f"there is no '{key}' in [{section}]; {misspelt(key, known)}")
    kind = _kinds(type(known[key]))[key]
    found = space.domain(value, kind)
    for end in found.ends:
        if not _fits(end, kind):
            raise UsageError(f"{end!r} arrived; expected {KINDS[kind]}")
        replace(known[key], **{key: end})
    return found


def _set(values: dict[str, Any], setting: str) -> str:
    """Put one `section.key=value` in its place, and say which that is."""
    place, equals, value = setting.partition("=")
    section, dot, key = place.partition(".")
    if not equals or not dot or section not in KNOWN[1:] or not key:
        raise UsageError(f"'{setting}' sets nothing; write section.key=value with a section of {', '.join(KNOWN[1:])}")
    values.setdefault(section, {})[key] = bounded_toml.value(value)
    return place


def written(recipe: Recipe) -> str:
    """The recipe as TOML, with what was set on the way."""
    lines = [f"title = {_toml(recipe.title)}"]
    for section in (name for name in (*SECTIONS, AUGMENT) if name in recipe.values):
        lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in recipe.values[section].items())]
    if SEARCH in recipe.values:
        lines += [
            "",
            f"[{SEARCH}]",
            *(f"{_toml(key)} = {_toml(value)}" for key, value in recipe.values[SEARCH].items()),
        ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int | float):
        return repr(value)
    raise EdgernnError(f"a {type(value).__name__} cannot be written in a recipe")
