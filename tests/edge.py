"""The command, run in this process."""

from click.testing import CliRunner

from edgernn.cli import call, cli

PRINTED = {0, 3}
"""Exit codes with a result; 3 says that there is no verdict."""


def called(*arguments: object) -> tuple[int, str, str]:
    """The exit code, what it prints, and what it tells beside."""
    with CliRunner().isolation() as (out, err, _):
        code = call(cli, [str(argument) for argument in arguments], "edgernn")
        return code, out.getvalue().decode(), err.getvalue().decode()


def edge(*arguments: object, code: int = 0) -> str:
    """What it prints, or else what it complains of; it must leave with this code."""
    found, printed, complaint = called(*arguments)
    assert found == code, (found, printed, complaint)
    return printed if code in PRINTED else complaint
