"""The password of a secret key: typed on a terminal, else a line of standard input, as minisign reads it."""

import sys

import click

from edgernn.errors import UsageError


def password(*, new: bool = False) -> str:
    """Return the password of a key; a new one is asked for twice on a terminal, where it is not shown.

    Raises:
        UsageError: standard input is no terminal and has no line.
    """
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=new, err=True)
        return text
    line = sys.stdin.readline().removesuffix("\n")
    if not line:
        raise UsageError("no password arrived; type it in a terminal, or give it as a line of standard input")
    return line
