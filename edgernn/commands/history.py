"""`edgernn history`: the latency of a model at each commit."""

import json

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH


@click.command(no_args_is_help=True)
@click.argument("history", metavar="FILE", type=PATH)
@shared.html
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Print this many runs.")
@shared.as_json
def history(history: str, html: str | None, last: int, as_json: bool) -> None:
    """Show how latency changed from commit to commit.

    FILE is written by `edgernn check --history FILE`, by certify, and by the pytest plugin. Each line is a run: its
    commit, artifact, verdict, times, instructions and machine. A plot never joins runs of different machines. With
    --json all runs are printed.
    """
    from dataclasses import asdict
    from pathlib import Path

    from edgernn.errors import FileError
    from edgernn.extras import needed
    from edgernn.files import atomic
    from edgernn.latency.history import load, table

    entries = load(history)
    if not entries:
        raise FileError(f"'{history}' holds no run; `edgernn check --history FILE` writes one")
    if html is not None:
        with needed("--html"):
            from edgernn.pages.history import page
        atomic.write(html, page(entries, Path(history).name).encode())
    click.echo(json.dumps([asdict(entry) for entry in entries], indent=2) if as_json else table(entries[-last:]))
