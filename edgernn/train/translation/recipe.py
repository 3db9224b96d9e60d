"""A recipe of a translator: the pairs, the two networks and their training."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, get_type_hints

import tomli_w

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.files.typed import fits, named
from edgernn.train.fields import checked
from edgernn.train.loop.task import Training
from edgernn.train.model_section import MODEL
from edgernn.train.recipe import AUGMENT, SEARCH, read_document, training_of
from edgernn.train.translation import pairs
from edgernn.train.translation.network import PairShape


@dataclass(frozen=True)
class PairRecipe:
    """The full configuration of the training of a translator, without the data.

    Attributes:
        name: the file name without its suffix.
        title: what the recipe trains, in a sentence.
        options: the options of `pairs.read`.
        shape: the shape of the networks.
        training: the training options.
        values: the content of the file, with all overrides.
    """

    name: str
    title: str
    options: Mapping[str, Any]
    shape: PairShape
    training: Training
    values: Mapping[str, Any]

    def toml(self) -> str:
        """The recipe as TOML, with all overrides."""
        return tomli_w.dumps(self.values)


def load(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> PairRecipe:
    """Load the recipe of a translator by its name, or from a .toml file.

    Raises:
        UsageError: The recipe or the key of a setting does not exist, or the values do not fit each other.
        FileError: The file cannot be read or is not a recipe; with the line.
    """
    stem, document, values = read_document(name, settings)
    for section in (AUGMENT, SEARCH):
        if section in values:
            raise document.error(f"a recipe of a translator has no section [{section}]; remove it", section)
    options = {key: value for key, value in values["data"].items() if key != "reader"}
    try:
        _check_options(options)
        shape = PairShape(**checked(document, MODEL, values[MODEL], PairShape))
        training = training_of(document, values["training"])
    except UsageError as error:
        raise UsageError(f"'{document.path}': {error}") from error
    return PairRecipe(stem, str(values["title"]), options, shape, training, values)


def _check_options(options: Mapping[str, Any]) -> None:
    known, kinds = [*signature(pairs.read).parameters][1:], get_type_hints(pairs.read)
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"reader 'pairs' has no option '{name}'; {misspelt(name, known)}")
        if not fits(kinds[name], value):
            raise UsageError(f"reader 'pairs' has {name} = {value!r}; expected {named(kinds[name])}")
