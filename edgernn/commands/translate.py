"""`edgernn translate`: texts through an encoder and a decoder."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH


@click.command(no_args_is_help=True)
@click.argument("package", type=PATH)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--beam",
    type=click.IntRange(1),
    metavar="N",
    show_default="that of the package",
    help="Follow N results at a time.",
)
@shared.key(required=False)
@shared.as_json
def translate(package: str, texts: tuple[str, ...], beam: int | None, key: str | None, as_json: bool) -> None:
    """Turn texts into others, such as dates into ISO 8601.

    PACKAGE is a .edge with an encoder and a decoder, as the recipes dates, number-words and english-german train it.
    Each TEXT gives a line. Without a TEXT, each line of standard input does, as soon as it arrives. Symbols that the
    model does not know are named on standard error.
    """
    from edgernn.postprocess.translation import open_translator
    from edgernn.process import interrupt

    translator = open_translator(package, key=key)
    lines: Iterable[str] = texts or _lines()
    for text in lines:
        interrupt.check()
        result = translator.translate(text, beam or 0)
        if as_json:
            click.echo(json.dumps({"source": text, **asdict(result)}, ensure_ascii=False))
            continue
        click.echo(result.text)
        if result.unknown:
            click.echo(f"Unknown to the model: {' '.join(result.unknown)}", err=True)
        if not result.complete:
            click.echo(f"Cut after {translator.translation.longest} symbols: {text}", err=True)


def _lines() -> Iterator[str]:
    """The lines of standard input that are not empty."""
    return (line.strip() for line in sys.stdin if line.strip())
