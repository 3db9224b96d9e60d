"""A recipe: the data, the network and the training of one model, as a TOML file that is read strictly."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgernn import disk
from edgernn.errors import EdgernnError, UsageError
from edgernn.strict import Document, misspelt, parse
from edgernn.train.batches import Plan
from edgernn.train.data.augment import Augmentation
from edgernn.train.fit import Training
from edgernn.train.models import Shape

FOLDER = Path(__file__).parent / "recipes"
SECTIONS = ("data", "model", "training")
OPTIONAL = ("augment",)
KNOWN = ("title", *SECTIONS, *OPTIONAL)


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
        said: all of the above as in the file, with what was set on the way.
    """

    name: str
    title: str
    reader: str
    options: Mapping[str, Any]
    shape: Shape
    training: Training
    augment: Augmentation
    said: Mapping[str, Any]


def names() -> tuple[str, ...]:
    """The recipes that come with edgernn."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> Recipe:
    """A recipe by its name, or from a file that ends in .toml.

    Args:
        name: one of `names()`, or a path.
        settings: such as "model.hidden=64", which take the place of what the file says.

    Raises:
        UsageError: there is no such recipe, or a setting that names nothing.
        FileError: the file cannot be read or is no recipe; the line is said.
    """
    given = os.fspath(name)
    path = Path(given) if given.endswith(".toml") else FOLDER / f"{given}.toml"
    if not given.endswith(".toml") and given not in names():
        raise UsageError(f"there is no recipe '{given}'; {misspelt(given, names())}, or a file that ends in .toml")
    document = parse(disk.read(path), str(path))
    said = {key: dict(value) if isinstance(value, dict) else value for key, value in document.said.items()}
    for setting in settings:
        _set(said, setting)
    return _recipe(path.stem, document, said)


def _recipe(name: str, document: Document, said: dict[str, Any]) -> Recipe:
    for key in said:
        if key not in KNOWN:
            raise document.error(f"there is no '{key}' in a recipe; {misspelt(key, KNOWN)}", key)
    for key in ("title", *SECTIONS):
        if key not in said:
            raise document.error(f"'{key}' is missing; a recipe has title, {', '.join(SECTIONS)}", key)
    options = dict(said["data"])
    if not isinstance(options.get("reader"), str):
        raise document.error('the section [data] names no reader; write reader = "wav" or another', "data")
    training = dict(said["training"])
    plan = {key: training.pop(key) for key in list(training) if key in _kinds(Plan)}
    try:
        shape = Shape(**_checked(document, "model", said["model"], Shape))
        how = Training(**_checked(document, "training", training, Training), plan=Plan(**_typed(document, plan)))
        how.check(shape)
        augment = Augmentation(**_checked(document, "augment", said.get("augment", {}), Augmentation))
        return Recipe(name, str(said["title"]), options.pop("reader"), options, shape, how, augment, said)
    except UsageError as error:
        raise UsageError(f"'{document.path}': {error}") from error


def _checked(document: Document, section: str, table: Mapping[str, Any], cls: type[Any]) -> dict[str, Any]:
    """The table of a section, whose keys are fields of a dataclass."""
    known = {name: kind for name, kind in _kinds(cls).items() if name != "plan"}
    for key, value in table.items():
        if key not in known:
            names = [*known, *(_kinds(Plan) if cls is Training else ())]
            raise document.error(f"there is no '{key}' in [{section}]; {misspelt(key, names)}", key, section)
        _check_kind(document, section, key, value, known[key])
    return dict(table)


def _typed(document: Document, plan: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in plan.items():
        _check_kind(document, "training", key, value, _kinds(Plan)[key])
    return dict(plan)


def _check_kind(document: Document, section: str, key: str, value: Any, kind: type[Any]) -> None:
    fits = type(value) is kind or (kind is float and type(value) is int)
    if kind is tuple:
        fits = isinstance(value, list) and all(type(each) in (int, float) for each in value)
    if not fits:
        words = "list of numbers" if kind is tuple else kind.__name__
        raise document.error(f"'{key}' is {value!r}; expected a {words}", key, section)


def _kinds(cls: type[Any]) -> dict[str, type[Any]]:
    return {each.name: type(each.default) for each in fields(cls)}


def _set(said: dict[str, Any], setting: str) -> None:
    """Put one `section.key=value` in its place."""
    place, equals, value = setting.partition("=")
    section, dot, key = place.partition(".")
    if not equals or not dot or section not in KNOWN[1:] or not key:
        raise UsageError(f"'{setting}' sets nothing; write section.key=value with a section of {', '.join(KNOWN[1:])}")
    try:
        said.setdefault(section, {})[key] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        said[section][key] = value


def written(recipe: Recipe) -> str:
    """The recipe as TOML, with what was set on the way."""
    lines = [f"title = {_toml(recipe.title)}"]
    for section in (name for name in KNOWN[1:] if name in recipe.said):
        lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in recipe.said[section].items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int | float):
        return repr(value)
    raise EdgernnError(f"a {type(value).__name__} cannot be written in a recipe")
