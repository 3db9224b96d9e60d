"""Resolving a budget: explicit values, then a named rate of a board, then the period of the model."""

from math import isclose

from edgernn.budget.verdict import Budget
from edgernn.device.board import Device
from edgernn.device.rates import RATES, StepRate, every
from edgernn.errors import UsageError

DEFAULT_RATE = "audio"  # of a board, if neither a rate nor a period is known


def resolve_budget(
    *,
    device: Device | None = None,
    rate: str | None = None,
    period_us: float | None = None,
    deadline_us: float | None = None,
    percentile: float | None = None,
    confidence: float = 0.95,
    own_period_us: float | None = None,
) -> Budget:
    """Resolve a budget.

    Args:
        device: the board whose rates are known by name; by default the rates that every board has.
        rate: the name of a rate, such as audio.
        period_us, deadline_us, percentile, confidence: as in Budget; each overrides the rate.
        own_period_us: the frame period of the model, if it states one.

    Raises:
        UsageError: the rate is unknown, no period is known, both a period and a rate are given, or the budget is
            invalid.
    """
    if rate is not None and period_us is not None:
        raise UsageError(f"a period and the rate '{rate}', which has its own period, exclude each other; give one")
    resolved = every(period_us) if period_us is not None else _rate(device, rate, own_period_us)
    return Budget(
        resolved.period_us,
        resolved.deadline_us if deadline_us is None else deadline_us,
        resolved.percentile if percentile is None else percentile,
        confidence,
    )


def _rate(device: Device | None, name: str | None, own_period_us: float | None) -> StepRate:
    """The rate by its name; else the board's rate with the model's period, or that period; else the default rate."""
    if name is not None:
        return (device or Device("this", "")).rate(name)
    if own_period_us is not None:
        rates = device.rates.values() if device else ()
        return next(
            (rate for rate in rates if isclose(rate.period_us, own_period_us, rel_tol=1e-6)), every(own_period_us)
        )
    if device is not None:
        return device.rate(DEFAULT_RATE)
    raise UsageError(
        "the model does not state its frame period; give a period such as 10ms, or a rate: "
        f"there are {', '.join(RATES)}"
    )
