"""`edgernn anomalies`: alarms where a forecasting model is far off."""

import json

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import status


@click.command(no_args_is_help=True)
@click.argument("model", type=PATH)
@shared.data()
@click.option("--windows", type=PATH, metavar="FILE", help="Read known anomalies, as NAB's combined_windows.json.")
@click.option("--value", default="value", show_default=True, metavar="COLUMN", help="Column of the values.")
@click.option("--time", default="timestamp", show_default=True, metavar="COLUMN", help="Column of the timestamps.")
@click.option(
    "--test-share", default=0.2, show_default=True, help="Do not use this share, at the end, for the threshold."
)
@click.option("--alarms-per-week", default=1.0, show_default=True, help="Allow this many false alarms a week.")
@click.option("--quiet-hours", default=24.0, show_default=True, help="Raise no alarm for this long after an alarm.")
@click.option("--zone", default="", metavar="NAME", help="Time zone of times without a UTC offset: Europe/Berlin.")
@click.option(
    "--resample", default="", metavar="DURATION", help="Average over intervals such as 10min, as in training."
)
@shared.as_json
def anomalies(
    model: str,
    data: str,
    windows: str | None,
    value: str,
    time: str,
    test_share: float,
    alarms_per_week: float,
    quiet_hours: float,
    zone: str,
    resample: str,
    as_json: bool,
) -> None:
    """Raise alarms where the forecasts of a model are far off.

    MODEL is in any format, and forecasts the next value: the recipe machine-temperature trains such a model. The data
    are a .csv or .parquet file with times. The score of a step is the anomaly likelihood, from 0 to 1. The threshold is
    the lowest with at most --alarms-per-week in the part before the test part. Weeks and hours are those of the
    timestamps. After a gap the model begins anew.
    """
    from edgernn.runtime.program import open as open_program
    from edgernn.train.evaluate.anomalies import Rule, detect_anomalies
    from edgernn.train.evaluate.known import known_windows

    program = open_program(model)
    known = known_windows(windows, data) if windows else []
    rule = Rule(false_alarms_per_week=alarms_per_week, rest_hours=quiet_hours)
    columns = {"value": value, "time": time}
    with status("scoring"):
        alarms = detect_anomalies(
            program, data, known, rule=rule, test_share=test_share, zone=zone, resample=resample, **columns
        )
    if as_json:
        click.echo(json.dumps(alarms.to_dict(), indent=1))
        return
    for alarm in alarms.alarms:
        inside = "  in a known window" if alarm.known else ""
        click.echo(f"{alarm.time}  {alarm.score:.6f}  {alarm.part}{inside}")
    for note in alarms.notes:
        click.echo(note)
    click.echo(f"threshold {alarms.threshold:.6f}, for {alarms_per_week:g} false alarms a week in the training part")
    for name, part in alarms.parts.items():
        leads = ", ".join(f"{hours:+.1f}" for hours in part.lead_hours)
        click.echo(
            f"{name}: {part.weeks:.1f} weeks, {part.detected} of {part.windows} windows detected, "
            f"{part.false_alarms} false alarms, {part.false_alarms_per_week:.2f} per week"
            + (f", hours before the middle of a window: {leads}" if leads else "")
        )
