"""`edgernn anomalies`: a series through a model that foretells it, and alarms where it is far off."""

import json

import click


@click.command(no_args_is_help=True)
@click.argument("model")
@click.option("--data", "path", required=True, metavar="FILE", help="The series: .csv or .parquet, with times.")
@click.option("--windows", metavar="FILE", help="What is known, as NAB's combined_windows.json.")
@click.option("--value", default="value", show_default=True, metavar="COLUMN")
@click.option("--time", default="timestamp", show_default=True, metavar="COLUMN")
@click.option("--test-share", default=0.2, show_default=True, help="The end that chooses no threshold.")
@click.option("--a-week", default=1.0, show_default=True, help="False alarms that the rest may have in a week.")
@click.option("--rest-hours", default=24.0, show_default=True, help="After an alarm there is none for so long.")
@click.option("--zone", default="", metavar="NAME", help="Of times without a UTC offset, such as Europe/Berlin.")
@click.option("--resample", default="", metavar="DURATION", help="Means over such intervals, as 10min; as in training.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def anomalies(
    model: str,
    path: str,
    windows: str | None,
    value: str,
    time: str,
    test_share: float,
    a_week: float,
    rest_hours: float,
    zone: str,
    resample: str,
    as_json: bool,
) -> None:
    """Stream a series through MODEL and print when its forecasts were unusually far off.

    MODEL foretells the next value, as the recipe machine-temperature trains it, in any format. The score of a step is
    the anomaly likelihood, from 0 to 1; the threshold is the lowest that keeps to the false alarms a week in the part
    before the test part. Weeks and hours are those of the timestamps; after a gap the model begins anew.
    """
    from edgernn.runtime.program import open as open_program
    from edgernn.train.evaluate.anomalies import Rule, detect_anomalies
    from edgernn.train.evaluate.known import known_windows

    program = open_program(model)
    known = known_windows(windows, path) if windows else []
    rule = Rule(false_alarms_per_week=a_week, rest_hours=rest_hours)
    columns = {"value": value, "time": time}
    found = detect_anomalies(
        program, path, known, rule=rule, test_share=test_share, zone=zone, resample=resample, **columns
    )
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1))
        return
    for alarm in found.alarms:
        inside = "  in a known window" if alarm.known else ""
        click.echo(f"{alarm.time}  {alarm.score:.6f}  {alarm.part}{inside}")
    for note in found.notes:
        click.echo(note)
    click.echo(f"threshold {found.threshold:.6f}, of {a_week:g} false alarms a week in the training part")
    for name, part in found.parts.items():
        leads = ", ".join(f"{hours:+.1f}" for hours in part.lead_hours)
        click.echo(
            f"{name}: {part.weeks:.1f} weeks, {part.detected} of {part.windows} windows detected, "
            f"{part.false_alarms} false alarms, {part.false_alarms_per_week:.2f} per week"
            + (f", hours before the middle of a window: {leads}" if leads else "")
        )
