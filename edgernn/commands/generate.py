"""`edgernn generate`: text from a model of text, symbol by symbol."""

import json
from itertools import chain

import click


@click.command(no_args_is_help=True)
@click.argument("artifact")
@click.option("--prompt", required=True, metavar="TEXT", help="What the text goes on from.")
@click.option("--length", default=200, show_default=True, help="How many characters, or tokens, to draw.")
@click.option("--temperature", default=0.7, show_default=True, help="0 for the most likely; 1 as the model says.")
@click.option("--seed", default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, when all is drawn.")
def generate(artifact: str, prompt: str, length: int, temperature: float, seed: int, as_json: bool) -> None:
    """Go on with a text, one symbol at a time, by ARTIFACT: a model that scores the next symbol.

    Each symbol is printed as it is drawn. The model is one such as the recipe shakespeare trains, in any format.
    """
    from edgernn.postprocess.text import generate as generated, separator, text_symbols
    from edgernn.process import interrupt
    from edgernn.runtime.program import open as open_program

    program = open_program(artifact)
    symbols = text_symbols(program.manifest, artifact)
    gap = separator(symbols)
    said = prompt.split() if gap else prompt
    drawn = generated(program.stream(), symbols, said, length, temperature, seed)
    if as_json:
        click.echo(json.dumps({"prompt": prompt, "text": gap.join(drawn), "backend": program.backend}))
        return
    first = next(drawn, "")
    for part in chain([first], (f"{gap}{symbol}" for symbol in drawn)):
        interrupt.check()
        click.echo(part, nl=False)  # and flushed
    click.echo()
