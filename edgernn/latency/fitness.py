"""Whether the machine was fit to be measured on: the reasons for which there is no verdict.

What is not known is no reason: the verdict is of the machine as it was found, and says so. What is known to be wrong is
one, unless the verdict cannot come from it:

- Steps that began late make every response longer, and the responses count it. So a PASS stands all the same; a
  certificate is refused even then, for others will read its percentiles as those of the artifact.
- Pages from the disk, steps that began late and a warm-up that did not settle delay some steps, and those behind them.
  They do not make nearly every step take longer than the deadline by itself, so such a FAIL stands.
- Another clock than usual (throttled, another governor), and another machine, may change every step: nothing stands.
- A certificate wants to know the governor, or to be told that it is steady. Where nearly every answer was late, it is a
  FAIL although the governor is not known.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgernn.budget.binomial import FAIL, PASS
from edgernn.device import isa
from edgernn.device.board import THIS, Device
from edgernn.latency.conditions import Moment

NOW = 0b1111  # bits of a Raspberry Pi: too low a voltage, a clock that is capped, throttled, too warm
SINCE_BOOT = NOW << 16
JITTER = 0.1  # of the deadline, at its 99th percentile
NEARLY_EVERY = 0.95  # of all steps


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
        certificate: whether the figures are to be published.
        any_governor: whether a certificate accepts a governor that cannot be read, for it is known to be steady.
        late, long: the part of all steps that answered after the deadline, and that took longer by themselves.
    """

    moments: Sequence[Moment]
    settled: bool
    faults: int | None
    jitter_us: float | None
    deadline_us: float
    device: Device | None = None
    certificate: bool = False
    any_governor: bool = False
    late: float = 0.0
    long: float = 0.0

    @property
    def governor_unknown(self) -> bool:
        """Whether the governor could not be read at one moment or more, and nobody vouches for it."""
        return not self.any_governor and any(each.governors is None for each in self.moments)


def unfit(said: Evidence) -> dict[str, str]:
    """The reasons for no verdict, by their names in REASONS; none when the machine was fit."""
    found = {name: reason(said) for name, reason in REASONS.items()}
    return {name: why for name, why in found.items() if why}


STANDS: Mapping[str, str] = MappingProxyType(
    {
        PASS: "the responses count it, and the PASS stands",
        FAIL: "nearly every step was too late all the same, and the FAIL stands",
    }
)
"""A verdict -> why it stands in spite of a reason, in words."""


def stands(said: Evidence, verdict: str, reasons: Collection[str]) -> bool:
    """Whether what the steps say stands in spite of these reasons, for it cannot come from any of them.

    Args:
        said: the evidence.
        verdict: PASS or FAIL, of the steps alone.
        reasons: names in REASONS.
    """
    harmless: set[str] = set()
    if verdict == PASS and not said.certificate:
        harmless |= {"release jitter"}
    if verdict == FAIL and said.late >= NEARLY_EVERY:
        harmless |= {"governor unread"}
    if verdict == FAIL and said.long >= NEARLY_EVERY:
        harmless |= {"governor unread", "major faults", "release jitter", "warm-up"}
    return set(reasons) <= harmless


def remarks(said: Evidence) -> list[str]:
    """What could not be looked at, and what is no reason but worth knowing."""
    last = said.moments[-1]
    told = []
    if said.governor_unknown:
        told.append("the governor cannot be read: whether the clock was steady is not known")
    elif any(each.governors is None for each in said.moments):
        told.append("the governor cannot be read: the clock is steady by --any-governor alone")
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
    lacks = isa.missing(board.level)
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
    if not said.certificate or not said.governor_unknown:
        return ""
    return (
        "the governor cannot be read, so the clock may have been anything, and a certificate must know it; where it is "
        "known to be steady, say so by --any-governor"
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
