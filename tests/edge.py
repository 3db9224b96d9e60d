"""The command, run in this process."""

from click.testing import CliRunner

from edgernn.cli import call, cli

PRINTED = {0, 3}
"""Exit codes with a result; 3 says that there is no verdict."""


def called(*arguments: object, lines: str = "") -> tuple[int, str, str]:
    """Return the exit code, standard output and standard error; `lines` is standard input."""
    with CliRunner().isolation(lines) as (out, err, _):
        code = call(cli, [str(argument) for argument in arguments], "edgernn")
        return code, out.getvalue().decode(), err.getvalue().decode()


def edge(*arguments: object, code: int = 0, lines: str = "") -> str:
    """Return standard output, or standard error after an error; the exit code must be this one."""
    actual, printed, complaint = called(*arguments, lines=lines)
    assert actual == code, (actual, printed, complaint)
    return printed if code in PRINTED else complaint
