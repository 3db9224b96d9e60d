"""The command `edgernn`: mounts the verbs, and turns errors into exit codes.

0 is success; 1 a check that failed; 2 a wrong use, option or file; 3 no verdict; 130 and 143 an end by SIGINT (Ctrl-C)
and SIGTERM.
"""

import platform
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import click

from edgernn.commands import VERBS
from edgernn.errors import EdgernnError, ParityError, PrecisionWarning
from edgernn.process import interrupt
from edgernn.version import VERSION

_shown = warnings.showwarning

EXPORTERS = ("onnx", "torch")  # packages that export and training need, listed after those of the runtimes


def _versions(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from edgernn.device.runtimes import packages

        click.echo(f"edgernn {VERSION}")
        click.echo(f"  Python {platform.python_version()} on {platform.system()} {platform.machine()}")
        for package in (*packages(), *EXPORTERS):
            click.echo(f"  {package} {_installed(package)}")
        context.exit()


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_versions,
    help="Versions of all that is installed.",
)
def cli() -> None:
    """Compact recurrent networks, from PyTorch to a streaming step on small devices."""


for _verb in VERBS:
    cli.add_command(_verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code; end quietly when the reader of a pipe is gone."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(call(cli, arguments, "edgernn"))


def _told(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """A warning of edgernn as a line, without the place in its code; any other as Python shows it."""
    if issubclass(category, PrecisionWarning):
        click.echo(f"Warning: {message}", err=True)
    else:
        _shown(message, category, *place, **more)


def call(command: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    """Run one command: its exit code, every error told in a line."""
    try:
        with interrupt.prompt(), warnings.catch_warnings():
            warnings.simplefilter("always", PrecisionWarning)
            warnings.showwarning = _told
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
