"""The command `edgernn`: mounts the verbs in groups, and turns errors into exit codes.

0 is success; 1 a check that failed; 2 a wrong use, option or file; 3 no verdict; 130 and 143 an end by SIGINT (Ctrl-C)
and SIGTERM.
"""

import platform
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from edgernn.commands import GROUPS
from edgernn.commands.progress import CLEAR
from edgernn.errors import EdgernnError, ParityError, PrecisionWarning
from edgernn.process import interrupt
from edgernn.version import VERSION

_show_warning = warnings.showwarning

EXPORTERS = ("onnx", "torch")
"""Packages of exporting and training, whose versions --version prints after those of the runtimes."""

EPILOG = """\
Shell completion: add the line for your shell to its start-up file.

\b
  bash  eval "$(_EDGERNN_COMPLETE=bash_source edgernn)"
  zsh   eval "$(_EDGERNN_COMPLETE=zsh_source edgernn)"
  fish  _EDGERNN_COMPLETE=fish_source edgernn | source
"""


class Sections(click.Group):
    """A group whose help lists its commands in the sections of GROUPS."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each entry of GROUPS."""
        width = max(map(len, self.list_commands(ctx)))
        for name, commands in GROUPS.items():
            with formatter.section(name):
                limit = formatter.width - formatter.current_indent - width - 2  # two spaces between the columns
                formatter.write_dl([(f"{verb.name:{width}}", verb.get_short_help_str(limit)) for verb in commands])


def _versions(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from edgernn.device.runtimes import packages

        click.echo(f"edgernn {VERSION}")
        click.echo(f"  Python {platform.python_version()} on {platform.system()} {platform.machine()}")
        for package in (*packages(), *EXPORTERS):
            click.echo(f"  {package} {_installed(package)}")
        context.exit()


def _installed(package: str) -> str:
    from importlib import metadata  # a third of the time of --help, which does not need it

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@click.group(
    cls=Sections, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_versions,
    help="Show the versions of edgernn and of its runtimes.",
)
def cli() -> None:
    """Compact recurrent networks, from PyTorch to a streaming step on small devices."""


for _verbs in GROUPS.values():
    for _verb in _verbs:
        cli.add_command(_verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code; end quietly when the reader of a pipe has closed it."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(call(cli, arguments, "edgernn"))


def _print_warning(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
    """Print a warning of edgernn as a line, without its place in the code; show any other as Python does."""
    if issubclass(category, PrecisionWarning):
        click.echo(f"{CLEAR if sys.stderr.isatty() else ''}Warning: {message}", err=True)
    else:
        _show_warning(message, category, *place, **options)


def call(command: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    """Run one command, print any error in a line, and return the exit code."""
    try:
        with interrupt.prompt(), warnings.catch_warnings():
            warnings.simplefilter("always", PrecisionWarning)
            warnings.showwarning = _print_warning
            code = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except interrupt.Interrupted as error:
        click.echo("interrupted", err=True)
        return error.code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # a KeyboardInterrupt that no signal made
        click.echo("interrupted", err=True)
        return 130
    except EdgernnError as error:
        click.echo(f"Error: {error}", err=True)
        return 1 if isinstance(error, ParityError) else 2
    except OSError as error:
        click.echo(f"Error: {error.strerror or error}", err=True)
        return 2
    return code if isinstance(code, int) else 0
