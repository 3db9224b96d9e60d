"""A study: trials shared by several workers, their results, and the best of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from edgernn.errors import UsageError
from edgernn.train.data.fingerprint import Fingerprint, check_same
from edgernn.train.search.objectives import Direction, Figures, Limits
from edgernn.train.search.storage import Storage
from edgernn.train.search.workers import DEATHS, NUMBER, REASON, current_attempt, is_abandoned

BEGUN, DATA, FIGURES = "begun", "data", "figures"
STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "infeasible",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
"""A state of Optuna -> the state of a trial."""


@dataclass(frozen=True)
class TrialResult:
    """The result of one trial.

    Attributes:
        number: the number, from 0.
        state: "done", "infeasible" (a limit is exceeded, so it was not trained), "failed" or "running".
        settings: the settings by "section.key".
        values: the value of each objective by name; empty unless it is done.
        figures: the fields of `Figures`; empty before they are known.
        reason: why it failed.
    """

    number: int
    state: str
    settings: Mapping[str, Any]
    values: Mapping[str, float]
    figures: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class Summary:
    """The results of a study.

    Attributes:
        name: the name of the study.
        objectives: name -> "maximize" or "minimize".
        trials: the trials in order of their numbers.
        best: the number of the best trial, or the numbers of the Pareto front with several objectives.
    """

    name: str
    objectives: Mapping[str, str]
    trials: tuple[TrialResult, ...]
    best: tuple[int, ...]


def join_study(
    storage: Storage, name: str, directions: Sequence[Direction], agreed: Mapping[str, Any], data: Fingerprint
) -> optuna.Study:
    """Join the study of this name, or create it.

    Args:
        storage: the storage.
        name: the name of the study.
        directions: "maximize" or "minimize", for each objective.
        agreed: the options that must be equal for all workers, as JSON.
        data: the fingerprint of the data.

    Raises:
        UsageError: The study began with other options or other data; with the difference.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, directions=[*directions], load_if_exists=True, pruner=NopPruner()
    )
    if BEGUN not in study.user_attrs:
        study.set_user_attr(BEGUN, {**agreed, DATA: data.document})
    before = study.user_attrs[BEGUN]
    for key, value in agreed.items():
        if before.get(key) != value:
            was, now = (" ".join(str(each).split()) for each in (before.get(key), value))
            change = "" if max(len(was), len(now)) > 60 else f" ({was}, now {now})"
            raise UsageError(
                f"the study '{name}' began with another {key}{change}; use the options that it began with, or another "
                "name and folder"
            )
    then = Fingerprint.of(before.get(DATA), f"the stored data of study '{name}'")
    check_same(then, data, f"the study '{name}'", "use another name and folder")
    return study


def trial_result(number: int, attempts: list[FrozenTrial], objectives: Sequence[str]) -> TrialResult | None:
    """The result of a trial; None if it has not begun."""
    attempt = current_attempt(attempts)
    if attempt is None and is_abandoned(attempts):
        last = attempts[-1]
        reason = f"{DEATHS} workers died during it"
        return TrialResult(number, "failed", last.params, {}, last.user_attrs.get(FIGURES, {}), reason)
    if attempt is None or attempt.state not in STATES:
        return None
    values = dict(zip(objectives, attempt.values, strict=True)) if attempt.state == TrialState.COMPLETE else {}
    attributes = attempt.user_attrs
    return TrialResult(
        number, STATES[attempt.state], attempt.params, values, attributes.get(FIGURES, {}), attributes.get(REASON, "")
    )


def best_trials(study: optuna.Study) -> tuple[int, ...]:
    """The number of the best trial (the first of equals); with several objectives, all nondominated trials."""
    numbers = sorted(each.user_attrs[NUMBER] for each in study.best_trials)
    return tuple(numbers if len(study.directions) > 1 else numbers[:1])


def record_figures(trial: optuna.Trial, figures: Figures, excess: Mapping[str, float]) -> None:
    """Store the figures of a trial, and the excess over each limit as constraints for Optuna's samplers."""
    trial.set_user_attr(FIGURES, asdict(figures))
    for name, value in excess.items():
        trial.set_constraint(name, value)


def nearest(trials: Sequence[TrialResult], limits: Limits, board: str) -> str:
    """Why there is no best trial: the trial with the smallest excess, or the first error."""
    missed = [each for each in trials if each.state == "infeasible"]
    if not missed:
        return f"none of {len(trials)} trials finished; trial {trials[0].number}: {trials[0].reason}"
    closest = min(missed, key=lambda each: sum(max(0, part) for part in _excess(each, limits).values()))
    settings = ", ".join(f"{key}={value}" for key, value in closest.settings.items())
    over = ", ".join(
        f"{name} {closest.figures[name]:.4g} of at most {getattr(limits, name):.4g}"
        for name, part in _excess(closest, limits).items()
        if part > 0
    )
    return (
        f"none of {len(trials)} trials is within the limits on '{board}'; the closest is trial {closest.number} "
        f"({settings}): {over}; raise the limit, or search smaller networks"
    )


def _excess(trial: TrialResult, limits: Limits) -> dict[str, float]:
    return limits.excess(Figures(**trial.figures))
