"""`edgernn probe`: a profile of this machine, as those of the boards are."""

import click


@click.command(no_args_is_help=True)
@click.option("-o", "--output", required=True, metavar="FILE.toml", help="Where to write; give it the machine's name.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def probe(output: str, force: bool) -> None:
    """Write what this machine says of itself as a profile, for --device FILE.toml on another one.

    The processor, its instruction set, caches, governor and memory, the system and the runtimes that are installed.
    The bandwidth of the memory is measured, so let nothing else run. What cannot be read is said to be unknown.
    """
    from pathlib import Path

    from edgernn.device.board import THIS, load
    from edgernn.device.profile import dump_profile
    from edgernn.device.survey import survey
    from edgernn.errors import UsageError
    from edgernn.files import atomic

    path = Path(output)
    if path.suffix != ".toml" or path.stem == THIS:
        raise UsageError(f"'{output}' cannot be a profile; give a name such as 'my-board.toml'")
    if path.exists() and not force:
        raise UsageError(f"'{output}' is there; choose another name, or --force to write over it")
    atomic.write(path, dump_profile(survey()))
    found = load(path)
    unknown = [name for name in ("level", "clock_mhz", "l1d_kib", "governor") if getattr(found, name) is None]
    click.echo(f"{output}: {found.title}, {found.mb_per_s:,} MB/s; runs {' '.join(found.formats)}")
    if unknown:
        click.echo(f"unknown: {', '.join(unknown)}")
