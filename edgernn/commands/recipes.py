"""`edgernn recipes`: the recipes that come with edgernn, and the keys of a recipe."""

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import complete_recipes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgernn.train.catalog import Listed
    from edgernn.train.keys import Key, Section

WIDTH = 100


@click.command()
@click.argument("key", required=False, shell_complete=complete_recipes)
@shared.as_json
def recipes(key: str | None, as_json: bool) -> None:
    """List the recipes, or explain a recipe or its keys.

    KEY is the name of a recipe, which is printed with a comment for every key; a section, such as training or data.wav;
    or a key, such as training.rate or hop. Each key has its type, its default and its meaning.
    """
    from edgernn.train import catalog, keys

    if key is None:
        every = catalog.listed()
        click.echo(json.dumps([asdict(each) for each in every], indent=2) if as_json else _list(every))
    elif key in catalog.names():
        click.echo(_recipe(key, as_json))
    else:
        matches = keys.find(key)
        click.echo(json.dumps([asdict(each) for each in matches], indent=2) if as_json else _sections(matches))


def _list(every: "Sequence[Listed]") -> str:
    from edgernn.train import keys
    from edgernn.train.data import PAIR_READERS, READERS

    width = max(len(each.name) for each in every)
    lines = [f"{'recipe':{width}}  data    what it trains"]
    lines += [f"{each.name:{width}}  {each.reader:6}  {each.title}" for each in every]
    lines += ["", "What a reader of data needs:"]
    for reader in (*READERS, *PAIR_READERS):
        lines += _wrapped(keys.plain(keys.sections()[f"{keys.DATA}.{reader}"].summary), f"  {reader:7} ")
    return "\n".join(
        [
            *lines,
            "",
            "edgernn recipes NAME                            a recipe, with a comment for every key",
            "edgernn recipes training                        the keys of a section; data.wav: those of a reader",
            "edgernn train --init my.toml --data my.csv      a first recipe for your data",
        ]
    )


def _recipe(name: str, as_json: bool) -> str:
    import tomllib

    from edgernn.train import catalog
    from edgernn.train.commented import commented

    values = tomllib.loads(catalog.path_of(name).read_text(encoding="utf-8"))
    return json.dumps(values, indent=2) if as_json else commented(values).rstrip()


def _sections(matches: "Sequence[Section]") -> str:
    from edgernn.train.keys import plain

    lines: list[str] = []
    for each in matches:
        lines += ["", *_wrapped(plain(each.summary), f"[{each.name}] ")]
        for key in each.keys:
            lines += [f"  {key.name} ({_value(key)})", *_wrapped(plain(key.text), "      ")]
    return "\n".join(lines[1:])


def _value(key: "Key") -> str:
    """The type of a value, and its default."""
    return f"{key.kind}, needed" if not key.default else f"{key.kind}, default {key.default}"


def _wrapped(text: str, start: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
