"""A search for the settings of a recipe. A trial whose predicted cost exceeds a limit is not trained."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from edgernn.device.board import THIS, Device, load
from edgernn.errors import TrainingError, UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.latency import estimate
from edgernn.process import interrupt
from edgernn.train import convert, run
from edgernn.train.data.fingerprint import fingerprint
from edgernn.train.data.sequences import Data
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.recipe import Recipe, to_toml, with_settings
from edgernn.train.search import methods, objectives as aims
from edgernn.train.search.objectives import METRIC, Figures, Limits
from edgernn.train.search.storage import open_storage
from edgernn.train.search.study import (
    Summary,
    TrialResult,
    best_trials,
    join_study,
    nearest,
    record_figures,
    trial_result,
)
from edgernn.train.search.workers import REASON, STOPPED, Workers, is_open, is_over

TRIALS = 20
VALIDATION = 0.2  # part of the training part, if the recipe has no validation part
POLL_S = 0.5  # the interval of polling other workers
OnTrial = Callable[[TrialResult], None]


@dataclass(frozen=True)
class Work:
    """The common options of all trials of a search.

    Attributes:
        recipe: the recipe, with its search space.
        path: the path of the data.
        data: the data, read with the options of the recipe.
        out: the folder of this worker.
        method: one of methods.METHODS.
        objectives: some of objectives.OBJECTIVES.
        limits: the limits of the cost of a step.
        board: the board of the cost.
        seed: the seed of the method.
        accelerator: where trials are trained.
    """

    recipe: Recipe
    path: str | os.PathLike[str]
    data: Data
    out: Path
    method: str
    objectives: tuple[str, ...]
    limits: Limits
    board: Device
    seed: int
    accelerator: Accelerator

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """The points of a grid in order; empty for other methods."""
        return methods.grid(self.recipe.space, self.seed) if self.method == methods.GRID else []

    @property
    def agreed(self) -> dict[str, Any]:
        """The options that must be equal for all workers of the study."""
        here = f" ({self.board.core}, {self.board.level})" if self.board.name == THIS else ""
        return {
            "recipe": to_toml(self.recipe),
            "method": self.method,
            "objectives": list(self.objectives),
            "limits": asdict(self.limits),
            "device": self.board.name + here,
            "seed": self.seed,
        }

    def figures(self, recipe: Recipe, data: Data) -> Figures:
        """The cost of the network of a recipe on the board, without training.

        Raises:
            UnsupportedError: A required figure is unknown.
        """
        figures = aims.figures(estimate.estimate_frame(convert.graphs(convert.untrained(recipe, data)), self.board))
        aims.check_known(figures, self.objectives, self.limits)
        return figures

    def attempt(self, trial: optuna.Trial, number: int) -> None:
        """Draw the settings, check the cost, train the network if it is within the limits, and report to the study."""
        state, values = TrialState.FAIL, None
        try:
            values = self._values(trial, number, with_settings(self.recipe, methods.draw(trial, self.recipe.space)))
            state = TrialState.COMPLETE if values else TrialState.PRUNED
        except (TrainingError, UnsupportedError) as error:
            trial.set_user_attr(REASON, str(error))
        except BaseException:  # also an interruption: the next worker begins here
            trial.set_user_attr(STOPPED, True)
            raise
        finally:
            trial.study.tell(trial, values, state, skip_if_finished=True)

    def _values(self, trial: optuna.Trial, number: int, recipe: Recipe) -> list[float] | None:
        """The values of the objectives; None if a limit is exceeded."""
        same = recipe.options == self.recipe.options
        data = self.data if same else run.read(recipe, self.path)
        figures = self.figures(recipe, data)
        excess = self.limits.excess(figures)
        record_figures(trial, figures, excess)
        if any(part > 0 for part in excess.values()):
            return None
        folder = self.out / f"trial-{number}"
        begun = folder / "recipe.toml"
        resume = begun.exists() and atomic.read(begun) == to_toml(recipe).encode()
        result = run.train_on(data, recipe, folder, accelerator=self.accelerator, resume=resume)
        score = aims.metric(data.kind, result.validation)
        return [aims.value(name, figures, score) for name in self.objectives]


@interrupt.deferred()
def search(
    recipe: Recipe,
    path: str | os.PathLike[str],
    out: Path,
    *,
    trials: int | None = None,
    method: str = "tpe",
    objectives: Sequence[str] = (METRIC,),
    limits: Limits = Limits(),  # noqa: B008  frozen
    device: str | os.PathLike[str] = THIS,
    storage: str | None = None,
    name: str | None = None,
    seed: int = 0,
    accelerator: Accelerator | None = None,
    on_trial: OnTrial | None = None,
) -> Summary:
    """Run trials of a study, together with other workers, until a number of them is finished.

    Each trial is trained in OUT/trial-N and evaluated on a validation part: that of the recipe, or VALIDATION of the
    training part. The test part is not used. Another call with the same arguments, after an interruption or in
    parallel, continues the same study.

    Args:
        recipe: the recipe, with a search space.
        path: the data, for the reader of the recipe.
        out: the folder of this worker.
        trials: the number of trials of the study; by default every point of a grid, or TRIALS.
        method: one of methods.METHODS.
        objectives: one or several of objectives.OBJECTIVES.
        limits: the limits of the cost of a step on the board.
        device: the board, as in `edgernn.device.board.load`.
        storage: the URL of a database; by default a journal in `out`.
        name: the name of the study; by default that of the recipe.
        seed: the seed of the method.
        accelerator: where trials are trained.
        on_trial: called with each trial that this worker has finished.

    Raises:
        UsageError: A name does not exist, the space is empty, the study began with other options or data, or no trial
            is within the limits.
        UnsupportedError: The latency is required and cannot be predicted.
        StorageError: The database cannot be reached.
        EdgernnError: The data or the recipe is invalid.
    """
    methods.check(method, recipe.space)
    aims.check(objectives)
    board = load(device)
    data = run.read(recipe, path)
    hardware, validated = accelerator or Accelerator(), _with_validation(recipe)
    work = Work(validated, path, data, out, method, tuple(objectives), limits, board, seed, hardware)
    work.figures(work.recipe, data)  # reports an unknown figure before any training
    total = min(trials or len(work.points), len(work.points)) if work.points else trials or TRIALS
    directions = aims.directions(objectives, data.kind)
    atomic.make_folder(out)
    with open_storage(storage, out) as backend:
        study = join_study(backend, name or recipe.name, [*directions.values()], work.agreed, fingerprint(data))
        workers = Workers(study, backend, out)
        while not _run_free_trials(work, workers, total, on_trial):
            interrupt.sleep(POLL_S)
        ended = (trial_result(number, each, [*directions]) for number, each in sorted(workers.attempts().items()))
        results = tuple(each for each in ended if each is not None)
        summary = Summary(study.study_name, directions, results, best_trials(study))
    if not summary.best:
        raise UsageError(nearest(results, limits, board.name))
    return summary


def _with_validation(recipe: Recipe) -> Recipe:
    """The recipe with a validation part."""
    if recipe.training.validation:
        return recipe
    values = dict(recipe.values) | {"training": {**recipe.values["training"], "validation": VALIDATION}}
    return replace(recipe, training=replace(recipe.training, validation=VALIDATION), values=values)


def _run_free_trials(work: Work, workers: Workers, total: int, on_trial: OnTrial | None) -> bool:
    """Run each free trial in order; return whether all trials are finished."""
    workers.fail_stale()
    attempts = workers.attempts()
    for number in (each for each in range(total) if is_open(attempts.get(each, []))):
        interrupt.check()
        workers.study.sampler = methods.sampler(work.method, work.seed, number)
        with workers.take(number, work.points[number] if work.points else {}) as trial:
            if trial is None:
                continue
            with suppress(UpdateFinishedTrialError):  # this worker was considered dead, and its trial began anew
                work.attempt(trial, number)
        result = trial_result(number, workers.attempts()[number], [*aims.directions(work.objectives, work.data.kind)])
        if on_trial is not None and result is not None:
            on_trial(result)
    attempts = workers.attempts()
    return all(is_over(attempts.get(number, [])) for number in range(total))
