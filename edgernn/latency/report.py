"""The result of a check or an A/B comparison as text, in the form that the reports for CI are written from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.latency import summary
from edgernn.latency.ab import ABResult, blocks_text, text
from edgernn.latency.check import CheckResult
from edgernn.latency.regress import OK, REGRESSED

Rows = tuple[tuple[str, ...], ...]

PASSED: Mapping[str, bool | None] = {PASS: True, OK: True, FAIL: False, REGRESSED: False, NO_VERDICT: None}
"""Verdict -> whether the test passed; None if there is no verdict."""


@dataclass(frozen=True)
class Report:
    """A verdict and its figures, as text.

    Attributes:
        command: check, certify or regress.
        name: of the artifact, or of both.
        requirement: the budget or the tolerances.
        verdict: as the command prints it.
        qualified_verdict: the verdict, with the conditions that it is valid for.
        reasons: of a failure or of no verdict; empty for a pass.
        notes: conditions that could not be read, or are worth knowing.
        head, rows: a table of figures.
        seconds: duration of the command.
        text: the whole result, as the command prints it.
        figures: further figures, by name.
    """

    command: str
    name: str
    requirement: str
    verdict: str
    qualified_verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    head: tuple[str, ...]
    rows: Rows
    seconds: float
    text: str
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """None if there is no verdict."""
        return PASSED[self.verdict]


def report_check(result: CheckResult, command: str, seconds: float) -> Report:
    """The report of `edgernn check` or `edgernn certify`."""
    head, rows = summary.table(result)
    return Report(
        command,
        Path(result.options.artifact).name,
        summary.budget_text(result.options.budget),
        result.verdict,
        summary.qualified_verdict(result),
        tuple(result.reasons.values()) or ((summary.failure(result),) if result.verdict == FAIL else ()),
        result.notes,
        head,
        rows,
        seconds,
        summary.text(result),
        {"frames": summary.mode(result), **summary.figures(result)},
    )


def report_ab_test(result: ABResult, seconds: float) -> Report:
    """The report of `edgernn regress`."""
    comparison = result.comparison
    rows = tuple(
        (
            each.metric,
            f"{each.base_us:,.2f}",
            f"{each.candidate_us:,.2f}",
            f"{each.slower:+.1%}",
            f"{each.low:+.1%} to {each.high:+.1%}",
            f"{each.repeat_low:+.1%} to {each.repeat_high:+.1%}",
        )
        for each in comparison.metrics
    )
    slower = tuple(
        f"the {each.metric} is slower by {each.low:+.1%} to {each.high:+.1%}, and the tolerance is {each.tolerance:.0%}"
        for each in comparison.metrics
        if each.verdict == REGRESSED
    )
    undecided = tuple(each for each in comparison.reason.split("; ") if each)
    tolerances = ", ".join(f"{each.tolerance:.0%} in the {each.metric}" for each in comparison.metrics)
    return Report(
        "regress",
        f"{Path(result.test.candidate).name} against {Path(result.test.base).name}",
        f"slower by at most {tolerances}",
        comparison.verdict,
        comparison.verdict,
        undecided if comparison.verdict == NO_VERDICT else slower,
        result.notes,
        ("us", "base", "candidate", "slower by", "95 % interval", "base against itself"),
        rows,
        seconds,
        text(result),
        {"measured": blocks_text(comparison)},
    )
