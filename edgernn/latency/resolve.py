"""The terms of a budget: what is stated, else what a use of a device asks, else the model's own period."""

from math import isclose

from edgernn.budget.verdict import Budget
from edgernn.device.board import Device
from edgernn.device.rates import RATES, StepRate, every
from edgernn.errors import UsageError

USUAL = "audio"  # of a device, where neither a use nor a period is known


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
    """The budget that is meant.

    Args:
        device: whose uses count; those that every device has, unless given.
        use: the name of one.
        period_us, deadline_us, percentile, confidence: as Budget has them; each counts more than the use.
        own_period_us: of the model, where it says one.

    Raises:
        UsageError: there is no such use, no period is known, a period and a use are stated, or the budget cannot be.
    """
    if rate is not None and period_us is not None:
        raise UsageError(f"a period and the use '{rate}', which has its own, cannot both be meant; state one")
    meant = every(period_us) if period_us is not None else _rate(device, rate, own_period_us)
    return Budget(
        meant.period_us,
        meant.deadline_us if deadline_us is None else deadline_us,
        meant.percentile if percentile is None else percentile,
        confidence,
    )


def _rate(device: Device | None, name: str | None, own_period_us: float | None) -> StepRate:
    """The use by its name; else the device's use of the model's period, or that period alone; else the usual one."""
    if name is not None:
        return (device or Device("this", "")).rate(name)
    if own_period_us is not None:
        rates = device.rates.values() if device else ()
        return next(
            (rate for rate in rates if isclose(rate.period_us, own_period_us, rel_tol=1e-6)), every(own_period_us)
        )
    if device is not None:
        return device.rate(USUAL)
    raise UsageError(
        "the model does not say how often a frame comes; state a period such as 10ms, or a use: "
        f"there are {', '.join(RATES)}"
    )
