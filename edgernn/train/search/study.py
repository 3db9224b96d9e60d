"""A study: trials that many workers share, what came of each, and which are best."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from edgernn.errors import UsageError
from edgernn.train.data.fingerprint import Fingerprint, same
from edgernn.train.search.objectives import Direction, Figures, Limits
from edgernn.train.search.storage import Storage
from edgernn.train.search.workers import DEATHS, NUMBER, REASON, given_up, standing

BEGUN, DATA, FIGURES = "begun", "data", "figures"
STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "infeasible",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
"""What a trial is called in each state of Optuna's."""


@dataclass(frozen=True)
class Outcome:
    """What came of one trial.

    Attributes:
        number: from 0 on.
        state: "done", "infeasible" (a limit is passed, so it was not trained), "failed" or "running".
        settings: by "section.key".
        values: of each objective, by name; nothing unless it is done.
        figures: what its network takes on the board, with `Figures`' names; nothing before they are known.
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
    """What came of a study.

    Attributes:
        name: of the study.
        objectives: name -> "maximize" or "minimize".
        trials: in the order of their numbers.
        best: the number of the best trial, or those of the Pareto front when there are several objectives.
    """

    name: str
    objectives: Mapping[str, str]
    trials: tuple[Outcome, ...]
    best: tuple[int, ...]


def join(
    storage: Storage, name: str, directions: Sequence[Direction], said: Mapping[str, Any], data: Fingerprint
) -> optuna.Study:
    """The study of this name, begun when it is not there.

    Args:
        storage: where it is kept.
        name: of the study.
        directions: "maximize" or "minimize", for each objective.
        said: all that its workers must agree on, in words of JSON.
        data: of what trials are trained on and judged by.

    Raises:
        UsageError: it was begun with something else, or with other data; with the difference.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, directions=[*directions], load_if_exists=True, pruner=NopPruner()
    )
    if BEGUN not in study.user_attrs:
        study.set_user_attr(BEGUN, {**said, DATA: data.document})
    begun = study.user_attrs[BEGUN]
    for key, value in said.items():
        if begun.get(key) != value:
            was, now = (" ".join(str(each).split()) for each in (begun.get(key), value))
            progress = "" if max(len(was), len(now)) > 60 else f" ({was}, and now {now})"
            raise UsageError(
                f"study '{name}' was begun with another {key}{progress}; repeat what it was begun with, or give this "
                "search another name and folder"
            )
    then = Fingerprint.of(begun.get(DATA), f"what study '{name}' was begun with")
    same(then, data, f"study '{name}'", "give this search another name and folder")
    return study


def outcome(number: int, attempts: list[FrozenTrial], objectives: Sequence[str]) -> Outcome | None:
    """What came of a trial; None when no one has begun it."""
    found = standing(attempts)
    if found is None and given_up(attempts):
        last = attempts[-1]
        reason = f"{DEATHS} workers died at it"
        return Outcome(number, "failed", last.params, {}, last.user_attrs.get(FIGURES, {}), reason)
    if found is None or found.state not in STATES:
        return None
    values = dict(zip(objectives, found.values, strict=True)) if found.state == TrialState.COMPLETE else {}
    said = found.user_attrs
    return Outcome(number, STATES[found.state], found.params, values, said.get(FIGURES, {}), said.get(REASON, ""))


def best(study: optuna.Study) -> tuple[int, ...]:
    """The number of the best trial, the first of equals; of several objectives, all that no other trial dominates."""
    numbers = sorted(each.user_attrs[NUMBER] for each in study.best_trials)
    return tuple(numbers if len(study.directions) > 1 else numbers[:1])


def note(trial: optuna.Trial, figures: Figures, excess: Mapping[str, float]) -> None:
    """Keep the figures with a trial, and by how much each limit is passed, as Optuna's samplers understand it."""
    trial.set_user_attr(FIGURES, asdict(figures))
    for name, value in excess.items():
        trial.set_constraint(name, value)


def nearest(trials: Sequence[Outcome], limits: Limits, board: str) -> str:
    """Why no trial is the best: the one that passes its limits least, or what went wrong."""
    missed = [each for each in trials if each.state == "infeasible"]
    if not missed:
        return f"none of {len(trials)} trials came to an end; trial {trials[0].number}: {trials[0].reason}"
    closest = min(missed, key=lambda each: sum(max(0, part) for part in _excess(each, limits).values()))
    settings = ", ".join(f"{key}={value}" for key, value in closest.settings.items())
    over = ", ".join(
        f"{name} {closest.figures[name]:.4g} of at most {getattr(limits, name):.4g}"
        for name, part in _excess(closest, limits).items()
        if part > 0
    )
    return (
        f"none of {len(trials)} trials fits '{board}'; the nearest is trial {closest.number} ({settings}): {over}; "
        "raise the limit, or search smaller networks"
    )


def _excess(trial: Outcome, limits: Limits) -> dict[str, float]:
    return limits.excess(Figures(**trial.figures))
