"""A search for the settings of a recipe: trials that are trained, or known not to fit before they are."""

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
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data
from edgernn.train.loop.trainer import Place
from edgernn.train.recipe import Recipe, changed, written
from edgernn.train.search import methods, objectives as aims
from edgernn.train.search.objectives import METRIC, Figures, Limits
from edgernn.train.search.storage import opened
from edgernn.train.search.study import Outcome, Summary, best, join, nearest, note, outcome
from edgernn.train.search.workers import REASON, STOPPED, Workers, is_open, is_over

TRIALS = 20
VALIDATION = 0.2  # of the training part, where the recipe holds none out
POLL_S = 0.5  # between two looks at what the other workers do
Told = Callable[[Outcome], None]


@dataclass(frozen=True)
class Work:
    """What all trials of a search have in common.

    Attributes:
        recipe: what is trained, with its space.
        path: the data.
        data: the same, read with the recipe's own options.
        out: the folder of this worker.
        method: one of methods.METHODS.
        objectives: of objectives.OBJECTIVES.
        limits: of what one step may take on the board.
        board: that the figures are of.
        seed: of what the method draws.
        place: what trials are trained on.
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
    place: Place

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """Those of a grid, in their order; nothing for other methods."""
        return methods.grid(self.recipe.space, self.seed) if self.method == methods.GRID else []

    @property
    def agreed(self) -> dict[str, Any]:
        """What all workers of the study must have in common."""
        here = f" ({self.board.core}, {self.board.level})" if self.board.name == THIS else ""
        return {
            "recipe": written(self.recipe),
            "method": self.method,
            "objectives": list(self.objectives),
            "limits": asdict(self.limits),
            "device": self.board.name + here,
            "seed": self.seed,
        }

    def figures(self, recipe: Recipe, data: Data) -> Figures:
        """What the network of a recipe takes on the board; it need not be trained for that.

        Raises:
            UnsupportedError: a figure is asked for that cannot be known.
        """
        found = aims.figures(estimate.estimate_frame(convert.graphs(convert.untrained(recipe, data)), self.board))
        aims.known(found, self.objectives, self.limits)
        return found

    def attempt(self, trial: optuna.Trial, number: int) -> None:
        """Draw the settings, judge the network before it is trained, train it if it fits, and tell the study."""
        state, values = TrialState.FAIL, None
        try:
            values = self._values(trial, number, changed(self.recipe, methods.draw(trial, self.recipe.space)))
            state = TrialState.COMPLETE if values else TrialState.PRUNED
        except (TrainingError, UnsupportedError) as error:
            trial.set_user_attr(REASON, str(error))
        except BaseException:  # an interruption too: whoever comes next begins here
            trial.set_user_attr(STOPPED, True)
            raise
        finally:
            trial.study.tell(trial, values, state, skip_if_finished=True)

    def _values(self, trial: optuna.Trial, number: int, recipe: Recipe) -> list[float] | None:
        """The objectives; None when a limit is passed."""
        same = recipe.options == self.recipe.options
        data = self.data if same else read(recipe.reader, self.path, recipe.options)
        figures = self.figures(recipe, data)
        excess = self.limits.excess(figures)
        note(trial, figures, excess)
        if any(part > 0 for part in excess.values()):
            return None
        folder = self.out / f"trial-{number}"
        begun = folder / "recipe.toml"
        resume = begun.exists() and atomic.read(begun) == written(recipe).encode()
        result = run.train_on(data, recipe, folder, place=self.place, resume=resume)
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
    place: Place | None = None,
    progress: Told | None = None,
) -> Summary:
    """Try settings until so many trials of the study are over, together with all others who work at it.

    Each trial is trained into OUT/trial-N, and judged by a validation part: that of the recipe, or VALIDATION of the
    training part. The test part has no say. Whoever calls again with the same arguments, after an interruption or
    beside the others, goes on with the same study.

    Args:
        recipe: what to train, with a space.
        path: the data, as the recipe's reader takes it.
        out: the folder of this worker.
        trials: how many there are in the end; every point of a grid, or TRIALS, unless given.
        method: one of methods.METHODS.
        objectives: of objectives.OBJECTIVES, one or several.
        limits: of what one step may take on the board.
        device: the board, as `edgernn.device.board.load` takes it.
        storage: the URL of a database; a journal in `out` unless given.
        name: of the study; that of the recipe unless given.
        seed: of what the method draws.
        place: what trials are trained on.
        progress: called with each trial that this worker has brought to an end.

    Raises:
        UsageError: a name that there is not, nothing to search, a study begun otherwise or with other data, or no trial
            within the limits.
        UnsupportedError: a latency is asked for that cannot be predicted.
        StorageError: the database cannot be reached.
        EdgernnError: what the reader or the recipe refuses.
    """
    methods.check(method, recipe.space)
    aims.check(objectives)
    board = load(device)
    data = read(recipe.reader, path, recipe.options)
    work = Work(_evaluated(recipe), path, data, out, method, tuple(objectives), limits, board, seed, place or Place())
    work.figures(work.recipe, data)  # what cannot be known is told before anything is trained
    wanted = min(trials or len(work.points), len(work.points)) if work.points else trials or TRIALS
    ways = aims.ways(objectives, data.kind)
    atomic.make_folder(out)
    with opened(storage, out) as kept:
        study = join(kept, name or recipe.name, [*ways.values()], work.agreed, fingerprint(data))
        workers = Workers(study, kept, out)
        while not _turn(work, workers, wanted, progress):
            interrupt.sleep(POLL_S)
        ended = (outcome(number, each, [*ways]) for number, each in sorted(workers.attempts().items()))
        found = tuple(each for each in ended if each is not None)
        summary = Summary(study.study_name, ways, found, best(study))
    if not summary.best:
        raise UsageError(nearest(found, limits, board.name))
    return summary


def _evaluated(recipe: Recipe) -> Recipe:
    """The recipe with a validation part to choose by."""
    if recipe.training.validation:
        return recipe
    said = dict(recipe.values) | {"training": {**recipe.values["training"], "validation": VALIDATION}}
    return replace(recipe, training=replace(recipe.training, validation=VALIDATION), values=said)


def _turn(work: Work, workers: Workers, wanted: int, progress: Told | None) -> bool:
    """Do each trial that is free, in order; whether all are over."""
    workers.bury()
    attempts = workers.attempts()
    for number in (each for each in range(wanted) if is_open(attempts.get(each, []))):
        interrupt.check()
        workers.study.sampler = methods.sampler(work.method, work.seed, number)
        with workers.take(number, work.points[number] if work.points else {}) as trial:
            if trial is None:
                continue
            with suppress(UpdateFinishedTrialError):  # taken for dead meanwhile, and its trial begun anew
                work.attempt(trial, number)
        ended = outcome(number, workers.attempts()[number], [*aims.ways(work.objectives, work.data.kind)])
        if progress is not None and ended is not None:
            progress(ended)
    attempts = workers.attempts()
    return all(is_over(attempts.get(number, [])) for number in range(wanted))
