"""`edgernn generate`: text from a model of text, symbol by symbol."""

import json
from itertools import chain

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH


@click.command(no_args_is_help=True)
@click.argument("artifact", type=PATH)
@click.option("--prompt", required=True, metavar="TEXT", help="Continue this text.")
@click.option("--length", default=200, show_default=True, help="Draw this many characters, or tokens.")
@click.option(
    "--temperature", default=0.7, show_default=True, help="Divide the scores by this; 0 draws the most likely."
)
@shared.seed
@shared.as_json
def generate(artifact: str, prompt: str, length: int, temperature: float, seed: int, as_json: bool) -> None:
    """Continue a text with a model of text.

    ARTIFACT, in any format, scores the next symbol: the recipe shakespeare trains such a model. Each symbol is printed
    when it is drawn; with --json, all of them at the end.
    """
    from edgernn.postprocess.text import generate as draw, separator, text_symbols
    from edgernn.process import interrupt
    from edgernn.runtime.program import open as open_program

    program = open_program(artifact)
    symbols = text_symbols(program.manifest, artifact)
    gap = separator(symbols)
    drawn = draw(program.stream(), symbols, prompt.split() if gap else prompt, length, temperature, seed)
    if as_json:
        click.echo(json.dumps({"prompt": prompt, "text": gap.join(drawn), "backend": program.backend}))
        return
    first = next(drawn, "")
    for part in chain([first], (f"{gap}{symbol}" for symbol in drawn)):
        interrupt.check()
        click.echo(part, nl=False)  # and flushed
    click.echo()
