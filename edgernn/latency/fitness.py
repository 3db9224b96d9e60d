"""Fitness of the machine for a measurement: the reasons for which there is no verdict.

An unknown condition is not a reason: the verdict is then valid for the present state of the machine, and is marked so.
A condition that is known to be bad is a reason, unless the verdict cannot be its effect:

- Steps that started late make every response longer, and the responses include the delay. So a PASS is not affected.
  A certificate is refused even then, because its percentiles will be taken for those of the artifact.
- Page faults, steps that started late and a warm-up that did not settle delay some steps, and those behind them. They
  do not make nearly every step exceed the deadline by itself, so such a FAIL is not affected.
- A different clock (throttling, another governor) or another machine may affect every step: no verdict is given.
- A certificate requires a known governor, or the statement that the clock is steady. If nearly every response was late,
  the FAIL does not depend on the governor.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgernn.budget.binomial import FAIL, PASS
from edgernn.device import isa
from edgernn.device.board import THIS, Device
from edgernn.latency.conditions import MachineState

NOW = 0b1111  # bits of a Raspberry Pi: under-voltage, frequency capped, throttled, soft temperature limit
SINCE_BOOT = NOW << 16
JITTER = 0.1  # of the deadline, at the 99th percentile
NEARLY_EVERY = 0.95  # of all steps


@dataclass(frozen=True)
class Evidence:
    """The conditions of a measurement.

    Attributes:
        machine_states: before, during and after each run, in order; at least two.
        settled: whether every warm-up settled.
        faults: major page faults of the measured processes during the runs; None if they cannot be read.
        jitter_us: release jitter at its 99th percentile; None if steps ran back to back.
        deadline_us: of the budget.
        device: the device that the budget is for.
        certificate: whether the figures are to be published.
        any_governor: whether a certificate accepts an unreadable governor, because the clock is known to be steady.
        late_share, slow_share: share of the steps whose response, and whose service time, exceeded the deadline.
    """

    machine_states: Sequence[MachineState]
    settled: bool
    faults: int | None
    jitter_us: float | None
    deadline_us: float
    device: Device | None = None
    certificate: bool = False
    any_governor: bool = False
    late_share: float = 0.0
    slow_share: float = 0.0

    @property
    def governor_unknown(self) -> bool:
        """Whether the governor could not be read at some moment, and --any-governor was not given."""
        return not self.any_governor and any(each.governors is None for each in self.machine_states)


def unfit_reasons(evidence: Evidence) -> dict[str, str]:
    """The reasons for no verdict, by their names in REASONS; empty if the machine was fit."""
    reasons = {name: reason(evidence) for name, reason in REASONS.items()}
    return {name: reason for name, reason in reasons.items() if reason}


UNAFFECTED: Mapping[str, str] = MappingProxyType(
    {
        PASS: "the responses include it, so it does not affect the PASS",
        FAIL: "nearly every step was too late regardless, so it does not affect the FAIL",
    }
)
"""A verdict -> why a reason does not affect it."""


def is_unaffected(evidence: Evidence, verdict: str, reasons: Collection[str]) -> bool:
    """Whether the verdict on the steps cannot be an effect of any of these reasons.

    Args:
        evidence: the conditions.
        verdict: PASS or FAIL, of the steps alone.
        reasons: names in REASONS.
    """
    harmless: set[str] = set()
    if verdict == PASS and not evidence.certificate:
        harmless |= {"release jitter"}
    if verdict == FAIL and evidence.late_share >= NEARLY_EVERY:
        harmless |= {"governor unread"}
    if verdict == FAIL and evidence.slow_share >= NEARLY_EVERY:
        harmless |= {"governor unread", "major faults", "release jitter", "warm-up"}
    return set(reasons) <= harmless


def notes(evidence: Evidence) -> list[str]:
    """Conditions that could not be read, and conditions that are worth knowing but are not reasons."""
    last = evidence.machine_states[-1]
    lines = []
    if evidence.governor_unknown:
        lines.append("the governor cannot be read, so it is unknown whether the clock was steady")
    elif any(each.governors is None for each in evidence.machine_states):
        lines.append("the governor cannot be read; the clock is assumed steady because of --any-governor")
    if last.throttled is None and last.thermal_throttles is None:
        lines.append("throttling of the processor cannot be read")
    if evidence.faults is None:
        lines.append("major faults cannot be read")
    if last.throttled is not None and last.throttled & SINCE_BOOT and not _throttled(evidence):
        lines.append(f"throttled since boot, but not during the measurement (bits {last.throttled:#x})")
    if last.load is not None and last.load > 1.5:
        lines.append(f"other programs were running: a load of {last.load:g}")
    return lines


def _elsewhere(evidence: Evidence) -> str:
    board = evidence.device
    if board is None or board.name == THIS or board.level is None:
        return ""
    missing = isa.missing(board.level)
    return (
        f"this machine is not '{board.name}', which needs {missing}: measure there, or give a budget without a device"
        if missing
        else ""
    )


def _throttled(evidence: Evidence) -> str:
    states = evidence.machine_states
    bits = [each.throttled for each in states if each.throttled is not None]
    new = bits[-1] & ~bits[0] & SINCE_BOOT if bits else 0
    seen = next((each for each in bits if each & NOW), new)
    if seen:
        return f"throttled (bits {seen:#x}): check cooling and power supply"
    if _increased([each.thermal_throttles for each in states]):
        return "the processor was throttled because of heat: check its cooling"
    if _increased([each.quota_throttles for each in states]):
        return "the process was throttled because its CPU quota was used up: raise the quota"
    return ""


def _increased(counts: Sequence[int | None]) -> bool:
    known = [each for each in counts if each is not None]
    return bool(known) and known[-1] > known[0]


def _governor(evidence: Evidence) -> str:
    seen = dict.fromkeys(each.governors for each in evidence.machine_states if each.governors is not None)
    if len(seen) > 1:
        return f"the governor changed: {' then '.join(', '.join(each) for each in seen)}"
    return ""


def _unread(evidence: Evidence) -> str:
    if not evidence.certificate or not evidence.governor_unknown:
        return ""
    return (
        "the governor cannot be read, and a certificate requires it because the clock may vary; if the clock is known "
        "to be steady, give --any-governor"
    )


def _faults(evidence: Evidence) -> str:
    return (
        f"{evidence.faults} major faults: pages were read from disk; free memory, and measure again"
        if evidence.faults
        else ""
    )


def _jitter(evidence: Evidence) -> str:
    if evidence.jitter_us is None or evidence.jitter_us <= JITTER * evidence.deadline_us:
        return ""
    return (
        f"1 % of the steps started more than {evidence.jitter_us:.0f} us late, over a tenth of the deadline: other "
        "programs interfere"
    )


def _settled(evidence: Evidence) -> str:
    return "" if evidence.settled else "the warm-up did not settle: the speed of the machine varies"


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
"""Name of a reason for no verdict -> its text, "" if it does not apply."""
