"""The recipes that come with edgernn: what each trains, and what data it needs. Nothing heavy is imported for it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Listed:
    """A recipe that comes with edgernn.

    Attributes:
        name: its name for `edgernn train`.
        title: what it trains.
        reader: the reader of its data, one of edgernn.train.data.READERS or PAIR_READERS.
    """

    name: str
    title: str
    reader: str


def path_of(name: str) -> Path:
    """The file of a recipe."""
    return FOLDER / f"{name}.toml"


def names() -> tuple[str, ...]:
    """The names of the recipes that come with edgernn."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def listed() -> tuple[Listed, ...]:
    """All recipes that come with edgernn."""
    return tuple(_listed(name) for name in names())


def _listed(name: str) -> Listed:
    values = tomllib.loads(path_of(name).read_text(encoding="utf-8"))
    return Listed(name, values["title"], values["data"]["reader"])
