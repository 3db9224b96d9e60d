"""`edgernn verify`: whether a package is what it says, on this machine."""

import json
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.remote import on_another_machine
from edgernn.commands.options.types import PATH

if TYPE_CHECKING:
    from edgernn.latency.check import CheckResult
    from edgernn.verification.verify import Verification

VERDICTS = {True: "PASS", False: "FAIL", None: "-"}


@click.command(no_args_is_help=True)
@click.argument("package", type=PATH)
@click.option(
    "--budget", metavar="DEVICE|TIME", help="Check a latency budget too: that of a device in the package, or a period."
)
@shared.seconds(30.0)
@shared.key(required=False)
@click.option("--min-version", metavar="VERSION", help="Refuse a package with an earlier version, such as 1.2.0.")
@shared.as_json
@on_another_machine
def verify(
    package: str, budget: str | None, seconds: float, key: str | None, min_version: str | None, as_json: bool
) -> None:
    """Verify a .edge package on this machine.

    PACKAGE is read once. Its hashes and its manifest are verified before any runtime sees a byte. Then the recorded
    frames run through every runtime that is here: each answer must be as near as the package states, a changed state
    must change the answers, and a reset must restore them. --budget measures the best artifact, as `edgernn check`
    does, of a package that passes all of this. With --key, or the variable EDGERNN_KEY, a package that this key did not
    sign is refused before all that. The exit code is 0 for a pass, 1 for a fail, 2 for a file that is damaged or
    refused, and 3 where the budget has no verdict.
    """
    from edgernn.verification.verify import verify as verified

    result = verified(package, key, min_version)
    checked = None if budget is None or not result.passed else _checked(package, result, budget, seconds)
    code = _code(result, checked)
    click.echo(json.dumps(_document(result, checked, code), indent=2) if as_json else _text(result, checked, code))
    click.get_current_context().exit(code)


def _checked(path: str, result: "Verification", text: str, seconds: float) -> "CheckResult":
    """Measure the best artifact of the package in a process of its own."""
    from edgernn.budget.verdict import Budget, microseconds
    from edgernn.errors import UsageError
    from edgernn.files.spelling import misspelt
    from edgernn.latency.check import CheckOptions, check

    budgets, frames = result.manifest.budgets, result.manifest.contract.frames_per_step
    if text in budgets:
        return check(CheckOptions(path, budgets[text], seconds))
    if not any(character.isdigit() for character in text) or text[0].isalpha():
        raise UsageError(
            f"the package has no budget for '{text}'; {misspelt(text, budgets)} give one, or a period: 10ms"
        )
    return check(CheckOptions(path, Budget(microseconds(text) * frames), seconds))


def _code(result: "Verification", checked: "CheckResult | None") -> int:
    from edgernn.latency.check import EXIT_CODES

    if not result.passed:
        return 1
    return 0 if checked is None else EXIT_CODES[checked.verdict]


def _text(result: "Verification", checked: "CheckResult | None", code: int) -> str:
    from edgernn.latency.summary import budget_text, qualified_verdict

    manifest = result.manifest
    lines = [f"{result.name}: {manifest.name} {manifest.model_version}, {', '.join(manifest.precisions)}"]
    width = max(len(each.subject) for each in result.findings)
    lines += [f"  {VERDICTS[f.passed]:4}  {f.name:9} {f.subject:{width}}  {f.text}" for f in result.findings]
    if checked is not None:
        lines.append(f"  {qualified_verdict(checked)}  budget  {budget_text(checked.options.budget)}")
        lines += [f"    {reason}" for reason in checked.reasons.values()]
    return "\n".join((*lines, {0: "PASS", 1: "FAIL", 3: "NO VERDICT"}[code]))


def _document(result: "Verification", checked: "CheckResult | None", code: int) -> dict[str, Any]:
    from dataclasses import asdict

    from edgernn.latency.summary import as_json

    return {
        "path": result.name,
        "name": result.manifest.name,
        "model_version": result.manifest.model_version,
        "precisions": result.manifest.precisions,
        "sha256": result.sha256,
        "bytes": result.size,
        "passed": code == 0,
        "findings": [asdict(each) for each in result.findings],
        "budget": checked and as_json(checked),
    }
