"""Whether the machine was fit to be measured on: the reasons for which there is no verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgernn import cpu
from edgernn.device import THIS, Device
from edgernn.latency.conditions import Moment

NOW = 0b1111  # bits of a Raspberry Pi: too low a voltage, a clock that is capped, throttled, too warm
SINCE_BOOT = NOW << 16
JITTER = 0.1  # of the deadline, at its 99th percentile


@dataclass(frozen=True)
class Evidence:
    """What is known of a measurement, beside its steps.

    Attributes:
        moments: before, during and after each of its runs, in order; two at least.
        settled: whether every warm-up did.
        faults: major faults of the measured processes while they were measured; None where they cannot be read.
        jitter_us: release jitter at its 99th percentile; None where steps ran back to back.
        deadline_us: of the budget.
        device: whose budget it is.
        any_governor: whether a governor that cannot be read is accepted.
    """

    moments: Sequence[Moment]
    settled: bool
    faults: int | None
    jitter_us: float | None
    deadline_us: float
    device: Device | None = None
    any_governor: bool = False


def unfit(said: Evidence) -> dict[str, str]:
    """The reasons for no verdict, by their names in REASONS; none when the machine was fit."""
    found = {name: reason(said) for name, reason in REASONS.items()}
    return {name: why for name, why in found.items() if why}


def remarks(said: Evidence) -> list[str]:
    """What could not be looked at, and what is no reason but worth knowing."""
    last = said.moments[-1]
    told = []
    if any(each.governors is None for each in said.moments):
        told.append("the governor cannot be read: whether the clock was steady is not known")
    if last.throttled is None and last.slowed is None:
        told.append("nothing tells here whether the processor was throttled")
    if said.faults is None:
        told.append("major faults cannot be read")
    if last.throttled is not None and last.throttled & SINCE_BOOT and not _throttled(said):
        told.append(f"throttled since it booted, but not while it was measured (bits {last.throttled:#x})")
    if last.load is not None and last.load > 1.5:
        told.append(f"other work was there: a load of {last.load:g}")
    return told


def _elsewhere(said: Evidence) -> str:
    board = said.device
    if board is None or board.name == THIS or board.level is None:
        return ""
    lacks = cpu.missing(board.level)
    return (
        f"this is not '{board.name}', which needs {lacks}: measure there, or state the budget without a device"
        if lacks
        else ""
    )


def _throttled(said: Evidence) -> str:
    bits = [each.throttled for each in said.moments if each.throttled is not None]
    new = bits[-1] & ~bits[0] & SINCE_BOOT if bits else 0
    seen = next((each for each in bits if each & NOW), new)
    if seen:
        return f"throttled (bits {seen:#x}): cool it, and give it enough power"
    if _more([each.slowed for each in said.moments]):
        return "the processor slowed down for its heat: cool it"
    if _more([each.held for each in said.moments]):
        return "the process was held back, for its quota of processor time was spent: give it more"
    return ""


def _more(counts: Sequence[int | None]) -> bool:
    known = [each for each in counts if each is not None]
    return bool(known) and known[-1] > known[0]


def _governor(said: Evidence) -> str:
    seen = dict.fromkeys(each.governors for each in said.moments if each.governors is not None)
    if len(seen) > 1:
        return f"the governor changed: {' then '.join(', '.join(each) for each in seen)}"
    return ""


def _unread(said: Evidence) -> str:
    if said.any_governor or all(each.governors is not None for each in said.moments):
        return ""
    return (
        "the governor cannot be read, so the clock may have been anything; where it is known to be steady, "
        "--any-governor, or any_governor=True in a test, judges all the same"
    )


def _faults(said: Evidence) -> str:
    return (
        f"{said.faults} major faults: pages came from the disk; free memory, and measure again" if said.faults else ""
    )


def _jitter(said: Evidence) -> str:
    if said.jitter_us is None or said.jitter_us <= JITTER * said.deadline_us:
        return ""
    return (
        f"1 % of the steps began more than {said.jitter_us:.0f} us after they could, over a tenth of the deadline: "
        "other work is in the way"
    )


def _settled(said: Evidence) -> str:
    return "" if said.settled else "the warm-up did not settle: the machine is not steady"


REASONS: Mapping[str, Callable[[Evidence], str]] = MappingProxyType(
    {
        "elsewhere": _elsewhere,
        "throttled": _throttled,
        "governor changed": _governor,
        "governor unread": _unread,
        "major faults": _faults,
        "release jitter": _jitter,
        "warm-up": _settled,
    }
)
"""What there is no verdict for -> the reason in words, "" when it is none."""
