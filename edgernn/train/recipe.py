"""A recipe: the data, the network and the training of one model, as a TOML file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from edgernn.errors import UsageError
from edgernn.files import atomic, bounded_toml
from edgernn.files.document import Document, parse
from edgernn.files.spelling import misspelt
from edgernn.train import catalog, space
from edgernn.train.data import PAIR_READERS
from edgernn.train.data.augment import Augmentation
from edgernn.train.fields import EXPECTED, LIMIT, checked, field_types, fits, typed, within_limit
from edgernn.train.loop.batches import Batching
from edgernn.train.loop.task import Training
from edgernn.train.model_section import LISTS, MODEL, shape_of
from edgernn.train.network.models import Shape

SECTIONS = ("data", "model", "training")
AUGMENT, SEARCH = "augment", "search"
KNOWN = ("title", *SECTIONS, AUGMENT, SEARCH)

Bases = Mapping[str, tuple[Any, ...]]
"""A section -> the dataclass instances whose fields are its keys."""


@dataclass(frozen=True)
class Recipe:
    """The full configuration of a training, without the data.

    Attributes:
        name: the file name without its suffix.
        title: what the recipe trains, in a sentence.
        reader: one of edgernn.train.data.READERS.
        options: the options of the reader.
        shape: the shape of the network.
        training: the training options.
        augment: the augmentation of the training part.
        space: the settings that `edgernn search` varies.
        values: the content of the file, with all overrides.
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


def load(name: str | os.PathLike[str], settings: Sequence[str] = (), spaces: Sequence[str] = ()) -> Recipe:
    """Load a recipe by its name, or from a .toml file.

    Args:
        name: one of `catalog.names()`, or a path.
        settings: overrides of values in the file, such as "model.hidden=64".
        spaces: overrides of the section [search] or additions to it, such as "model.hidden=16,32,64".

    Raises:
        UsageError: The recipe or the key of a setting does not exist.
        FileError: The file cannot be read or is not a recipe; with the line.
    """
    stem, document, values = read_document(name, settings)
    for each in spaces:
        key, value = space.parse_option(each)
        values[SEARCH] = values.get(SEARCH, {}) | {key: value}
    return _recipe(stem, document, values)


def read_document(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> tuple[str, Document, dict[str, Any]]:
    """The name of a recipe, its file, and its values with overrides, of which only the sections were checked.

    Raises:
        UsageError: The recipe or the key of a setting does not exist.
        FileError: The file cannot be read or is not a recipe; with the line.
    """
    text = os.fspath(name)
    path = Path(text) if text.endswith(".toml") else catalog.path_of(text)
    if not text.endswith(".toml") and text not in catalog.names():
        raise UsageError(
            f"there is no recipe '{text}'; {misspelt(text, catalog.names())}, or a file that ends in .toml"
        )
    document = parse(atomic.read(path), str(path))
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in document.values.items()}
    document = replace(document, overridden=frozenset(_set(values, setting) for setting in settings))
    _check_sections(document, values)
    return path.stem, document, values


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, by "section.key", and without the section [search]."""
    document = parse(to_toml(recipe).encode(), f"{recipe.name}.toml")
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in recipe.values.items()}
    values.pop(SEARCH, None)
    for setting, value in settings.items():
        section, _, key = setting.partition(".")
        values.setdefault(section, {})[key] = value
    _check_sections(document, values)
    return _recipe(recipe.name, document, values)


def _check_sections(document: Document, values: Mapping[str, Any]) -> None:
    """Check the keys of a recipe, that each is a section, and that [data] has a reader."""
    for key in values:
        if key not in KNOWN:
            raise document.error(f"there is no '{key}' in a recipe; {misspelt(key, KNOWN)}", key)
    for key in ("title", *SECTIONS):
        if key not in values:
            raise document.error(f"'{key}' is missing; a recipe has title, {', '.join(SECTIONS)}", key)
    for key in values.keys() - {"title"}:
        if not isinstance(values[key], dict):
            raise document.error(f"'{key}' is {values[key]!r}; expected a section [{key}]", key)
    reading = values["data"]
    if not isinstance(reading.get("reader"), str):
        raise document.error('the section [data] has no reader; add one, such as reader = "wav"', "data")
    for key, value in reading.items():
        if not all(map(within_limit, value if isinstance(value, list) else [value])):
            raise document.error(f"'{key}' is {value!r}; expected numbers below {LIMIT}", key, "data")


def _recipe(name: str, document: Document, values: dict[str, Any]) -> Recipe:
    reading = dict(values["data"])
    if reading["reader"] in PAIR_READERS:
        raise UsageError(f"the recipe '{name}' trains a translator; `edgernn train` alone takes it")
    try:
        shape = shape_of(document, values["model"])
        options = training_of(document, values["training"])
        options.check(shape)
        augment = Augmentation(**checked(document, AUGMENT, values.get(AUGMENT, {}), Augmentation))
        bases = {"model": (shape,), "training": (options, options.batching), AUGMENT: (augment,)}
        domains = _space(document, values.get(SEARCH, {}), bases)
        title, reader = str(values["title"]), reading.pop("reader")
        return Recipe(name, title, reader, reading, shape, options, augment, domains, values)
    except UsageError as error:
        raise UsageError(f"'{document.path}': {error}") from error


def training_of(document: Document, section: Mapping[str, Any]) -> Training:
    """The options in the section [training].

    Raises:
        FileError: A key or a value is invalid; with its line.
        UsageError: The values do not fit each other.
    """
    training = dict(section)
    batching = {key: training.pop(key) for key in list(training) if key in field_types(Batching)}
    return Training(**checked(document, "training", training, Training), batching=Batching(**typed(document, batching)))


def _space(document: Document, section: Any, bases: Bases) -> space.Space:
    """The section [search]. Each value in it must be valid in its own section."""
    if not isinstance(section, dict):
        raise document.error(f"'{SEARCH}' is {section!r}; expected a section [{SEARCH}]", SEARCH)
    domains = {}
    for setting, value in section.items():
        try:
            domains[setting] = _domain(setting, value, bases)
        except UsageError as error:
            if document.values.get(SEARCH, {}).get(setting) != value:
                raise UsageError(f"the search space of '{setting}' is invalid: {error}") from error
            key = f"{setting}.{next(iter(value), '')}" if "." not in setting and isinstance(value, dict) else setting
            raise document.error(f"the search space of '{setting}' is invalid: {error}", key, SEARCH) from error
    return domains


def _domain(setting: str, value: Any, bases: Bases) -> space.Domain:
    section, _, key = setting.partition(".")
    if section not in ("data", *bases) or not key:
        raise UsageError(
            f'it is not a setting; write "section.key", in quotes, with one of the sections '
            f"{', '.join(('data', *bases))}"
        )
    if section == "data":  # only the reader knows its options
        return space.domain(value, None)
    known = {name: base for base in bases[section] for name in field_types(type(base)) if name != "batching"}
    if key not in known:
        raise UsageError(f"there is no '{key}' in [{section}]; {misspelt(key, known)}")
    if section == MODEL and key in LISTS:
        raise UsageError("a search varies single numbers and words; write a recipe for each choice")
    kind = field_types(type(known[key]))[key]
    domain = space.domain(value, kind)
    for end in domain.ends:
        if not fits(end, kind):
            raise UsageError(f"got {end!r}; expected {EXPECTED[kind]}")
        replace(known[key], **{key: end})
    return domain


def _set(values: dict[str, Any], setting: str) -> str:
    """Apply one override `section.key=value`; return its "section.key"."""
    target, equals, value = setting.partition("=")
    section, dot, key = target.partition(".")
    if not equals or not dot or section not in KNOWN[1:] or not key:
        raise UsageError(
            f"'{setting}' is not a setting; write section.key=value with one of the sections {', '.join(KNOWN[1:])}"
        )
    values.setdefault(section, {})[key] = bounded_toml.value(value)
    return target


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML, with all overrides. `load` reads the same values back."""
    return tomli_w.dumps({key: recipe.values[key] for key in KNOWN if key in recipe.values})
