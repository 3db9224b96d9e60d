"""`edgernn certify`: a check long enough that its figures may be published."""

from typing import Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.budget import REPORTS, budget_options, plan_check, run_check


@click.command(no_args_is_help=True)
@budget_options
@shared.seconds(600.0)
@click.option(
    "--processes", type=click.IntRange(1), default=5, show_default=True, help="Share the time among fresh processes."
)
@click.option("--any-governor", is_flag=True, help="Accept a governor that cannot be read: the clock is steady.")
def certify(artifact: str, seconds: float, processes: int, as_json: bool, **options: Any) -> None:
    """Check a latency budget with publishable figures (10 min).

    ARTIFACT runs as in `edgernn check`, but in several fresh processes and long enough that its p99 and p99.9 may be
    published. The output of a shorter run, or of one back to back, states that it may not. The governor of the clock
    must be known, or --any-governor given. There is no verdict where other work delayed the start of steps.
    """
    reports = {name: options.pop(name) for name in REPORTS}
    plan = plan_check(artifact, seconds, processes, certificate=True, **options)
    run_check(plan, "certify", as_json=as_json, **reports)
