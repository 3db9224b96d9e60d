"""The loss of a metric, in points."""

from math import inf

from edgernn.errors import UsageError


def metric_drop(before: float, after: float, better: str) -> float:
    """The loss of a metric in points: hundredths for a share; percent of the old value for an error.

    It is rounded to a millionth, so that a value equal to a bound is within the bound.

    Args:
        before, after: the old and the new value.
        better: "maximize" for a share such as the accuracy, "minimize" for an error.
    """
    if better == "maximize":
        return round(100 * (before - after), 6)
    if before == 0:
        return inf if after > 0 else 0.0
    return round(100 * (after - before) / before, 6)


def check_bound(bound: float) -> None:
    """Check a bound on `metric_drop`.

    Raises:
        UsageError: It is below 0 or not a number.
    """
    if not bound >= 0:
        raise UsageError(f"the allowed drop is {bound} points; expected a number of at least 0, such as 0.5")
