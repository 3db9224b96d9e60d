"""`edgernn check`: does an artifact keep its deadline on this machine."""

from typing import Any

import click

from edgernn.commands.options.budget import WRITES, budgeted, planned, tell


@click.command(no_args_is_help=True)
@budgeted
@click.option("--seconds", type=float, default=30.0, show_default=True, help="How long.")
def check(artifact: str, seconds: float, as_json: bool, **said: Any) -> None:
    """Hold ARTIFACT to a latency budget on this machine, for half a minute.

    Frames come as they would: a late step delays the next, and both count. The budget is a --period, or a --use of a
    --device, or the model's own period. The exit code is 0 for a pass, 1 for a fail, and 3 where there is no verdict:
    too few steps, or a machine that was not fit to be measured on. Where the governor of the clock cannot be read, as
    in virtual machines, the verdict is of this machine as it was found. What is published is measured by `edgernn
    certify`.
    """
    written = {name: said.pop(name) for name in WRITES}
    tell(planned(artifact, seconds, 1, **said), "check", as_json=as_json, **written)
