"""What a check or a comparison came to, in the one form of which the reports for CI are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.latency import summary
from edgernn.latency.ab import Found, text
from edgernn.latency.check import Check
from edgernn.latency.regress import OK, REGRESSED

Rows = tuple[tuple[str, ...], ...]

PASSED: Mapping[str, bool | None] = {PASS: True, OK: True, FAIL: False, REGRESSED: False, NO_VERDICT: None}
"""A verdict -> whether it is one to pass; None where there is none."""


@dataclass(frozen=True)
class Result:
    """A verdict, and what belongs to it, in words.

    Attributes:
        command: check, certify or regress.
        name: of the artifact, or of both.
        asked: what was asked of it.
        verdict: as the command prints it.
        sentence: the same, with what it is of.
        why: reasons for a fail or for no verdict; none for a pass.
        remarks: what could not be looked at, or is worth knowing.
        head, rows: a table of figures.
        figures: others, by name.
        seconds: how long it took.
        text: all of it, as the command prints it.
    """

    command: str
    name: str
    asked: str
    verdict: str
    sentence: str
    why: tuple[str, ...]
    remarks: tuple[str, ...]
    head: tuple[str, ...]
    rows: Rows
    seconds: float
    text: str
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """None where there is no verdict."""
        return PASSED[self.verdict]


def of_check(found: Check, command: str, seconds: float) -> Result:
    """The result of `edgernn check` or `edgernn certify`."""
    head, rows = summary.table(found)
    return Result(
        command,
        Path(found.plan.artifact).name,
        summary.asked(found.plan.budget),
        found.verdict,
        summary.sentence(found),
        tuple(found.reasons.values()) or ((summary.failure(found),) if found.verdict == FAIL else ()),
        found.remarks,
        head,
        rows,
        seconds,
        summary.text(found),
        summary.figures(found),
    )


def of_comparison(found: Found, seconds: float) -> Result:
    """The result of `edgernn regress`."""
    said = found.regression
    rows = tuple(
        (
            each.metric,
            f"{each.base_us:,.2f}",
            f"{each.candidate_us:,.2f}",
            f"{each.slower:+.1%}",
            f"{each.low:+.1%} to {each.high:+.1%}",
            f"{each.again_low:+.1%} to {each.again_high:+.1%}",
        )
        for each in said.compared
    )
    slower = tuple(
        f"the {each.metric} is slower by {each.low:+.1%} to {each.high:+.1%}, and {each.tolerance:.0%} is borne"
        for each in said.compared
        if each.verdict == REGRESSED
    )
    borne = ", ".join(f"{each.tolerance:.0%} of the {each.metric}" for each in said.compared)
    return Result(
        "regress",
        f"{Path(found.ab.candidate).name} against {Path(found.ab.base).name}",
        f"slower by at most {borne}",
        said.verdict,
        said.verdict,
        tuple(each for each in said.reason.split("; ") if each) if said.verdict == NO_VERDICT else slower,
        found.remarks,
        ("us", "base", "candidate", "slower by", "95 %", "base against itself"),
        rows,
        seconds,
        text(found),
        {"pairs": f"{said.pairs} of blocks of {said.steps:,} steps, back to back"},
    )
