"""`edgernn probe`: the board profile of this machine."""

import json

import click

from edgernn.commands.options import shared


@click.command(no_args_is_help=True)
@shared.out("FILE.toml", required=True)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@shared.as_json
def probe(out: str, force: bool, as_json: bool) -> None:
    """Write a board profile of this machine.

    The profile is for --board FILE.toml on another machine; name it after this one. It holds the processor, its
    instruction set, caches, governor and memory, the system, and the installed runtimes. The memory bandwidth is
    measured, so let nothing else run. A figure that cannot be read is listed as unknown.
    """
    from pathlib import Path

    from edgernn.device.board import THIS, load
    from edgernn.device.profile import dump_profile
    from edgernn.device.survey import survey
    from edgernn.errors import UsageError
    from edgernn.files import atomic

    path = Path(out)
    if path.suffix != ".toml" or path.stem == THIS:
        raise UsageError(f"'{out}' cannot be a profile; give a name such as 'my-board.toml'")
    if path.exists() and not force:
        raise UsageError(f"'{out}' exists; choose another name, or give --force to replace it")
    atomic.write(path, dump_profile(survey()))
    board = load(path)
    unknown = [name for name in ("level", "clock_mhz", "l1d_kib", "governor") if getattr(board, name) is None]
    if as_json:
        figures = {"title": board.title, "mb_per_s": board.mb_per_s, "formats": board.formats, "unknown": unknown}
        click.echo(json.dumps({"file": out, **figures}, indent=2))
        return
    click.echo(f"{out}: {board.title}, {board.mb_per_s:,} MB/s; runs {' '.join(board.formats)}")
    if unknown:
        click.echo(f"unknown: {', '.join(unknown)}")
