"""`edgernn certify`: the long form of a check, whose figures may be published."""

from typing import Any

import click

from edgernn.commands.options.budget import WRITES, budgeted, planned, tell


@click.command(no_args_is_help=True)
@budgeted
@click.option("--seconds", type=float, default=600.0, show_default=True, help="In all; less is no certificate.")
@click.option("--processes", type=click.IntRange(1), default=5, show_default=True, help="Fresh, sharing the time.")
@click.option("--any-governor", is_flag=True, help="Where it cannot be read: the clock is known to be steady.")
def certify(artifact: str, seconds: float, processes: int, as_json: bool, **said: Any) -> None:
    """Hold ARTIFACT to a latency budget for ten minutes, in fresh processes one after the other.

    As `edgernn check`, but long enough that its p99 and p99.9 may be published. A shorter run, or one back to back,
    says that it may not. The governor of the clock must be known, or --any-governor given; and there is no verdict
    where other work made steps begin late.
    """
    written = {name: said.pop(name) for name in WRITES}
    plan = planned(artifact, seconds, processes, certificate=True, **said)
    tell(plan, "certify", as_json=as_json, **written)
