"""`edgernn history`: what a model took at each commit."""

import json

import click


@click.command(no_args_is_help=True)
@click.argument("history", metavar="FILE")
@click.option("-o", "--output", metavar="PAGE.html", help="Write a page with drawings, which opens without a network.")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many runs to print.")
@click.option("--json", "as_json", is_flag=True, help="Print all runs as JSON.")
def history(history: str, output: str | None, last: int, as_json: bool) -> None:
    """Show the runs in FILE, which `edgernn check --history FILE` and the pytest plugin write.

    Every line of the file is a run, with its commit, artifact, verdict, times, instructions and machine. Runs of
    different machines are never joined in a drawing.
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
    if output is not None:
        with needed("--output"):
            from edgernn.pages.history import page
        atomic.write(output, page(entries, Path(history).name).encode())
    click.echo(json.dumps([asdict(each) for each in entries], indent=2) if as_json else table(entries[-last:]))
