"""`edgernn check`: whether an artifact meets its deadline on this machine."""

from typing import Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.budget import REPORTS, budget_options, plan_check, run_check
from edgernn.commands.options.remote import on_another_machine


@click.command(no_args_is_help=True)
@budget_options
@shared.seconds(30.0)
@on_another_machine
def check(artifact: str, seconds: float, as_json: bool, **options: Any) -> None:
    """Check a latency budget on this machine (30 s).

    Frames reach ARTIFACT at their period: a late step delays the next, and both count. The budget is a --period, a
    --rate of a --board, or the period that the model states. The exit code is 0 for a pass, 1 for a fail, and 3 for no
    verdict: too few steps, or a machine that is not fit for measuring. Where the governor of the clock cannot be read,
    as in virtual machines, the verdict holds for this machine as it was found. For figures to publish, use `edgernn
    certify`.
    """
    reports = {name: options.pop(name) for name in REPORTS}
    run_check(plan_check(artifact, seconds, 1, **options), "check", as_json=as_json, **reports)
