"""Cells compared on one recipe: each trained with several seeds, then held side by side with what it costs."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from edgernn.device import board as boards
from edgernn.errors import CompilerError, FileError, TrainingError, UsageError
from edgernn.files import atomic, bounded_json
from edgernn.files.spelling import misspelt
from edgernn.latency.estimate import estimate_frame
from edgernn.model.graph import Graph
from edgernn.process import interrupt
from edgernn.train import run
from edgernn.train.compare.table import Comparison, as_json, page, row
from edgernn.train.compare.timing import Timed, contender, time_interleaved
from edgernn.train.convert import Model, graphs, untrained
from edgernn.train.data.fingerprint import FILE, Fingerprint, check, dumps, fingerprint
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data
from edgernn.train.environment import environment
from edgernn.train.loop.trainer import Place
from edgernn.train.network.models import KINDS
from edgernn.train.recipe import Recipe, load, written

Array = NDArray[Any]

CELLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: (f"model.cell={name}", 'model.bidirectional=""') for name in KINDS}
    | {f"bi{name}": (f"model.cell={name}", "model.bidirectional=concat") for name in KINDS}
)
"""A name in a comparison -> what it sets in the recipe; "bi" is for both directions, side by side."""

SEED = "training.seed"
OWN = ("model.cell", "model.bidirectional")
"""What a comparison sets by itself."""

RESULT, PAGE = "compare.json", "compare.html"


def named(cells: str) -> tuple[str, ...]:
    """The cells in a list with commas.

    Raises:
        UsageError: a name that is none of CELLS, or is there twice; or no name.
    """
    names = tuple(name.strip() for name in cells.split(","))
    for name in names:
        if name not in CELLS:
            raise UsageError(f"there is no cell '{name}' to compare; {misspelt(name, CELLS)}")
        if names.count(name) > 1:
            raise UsageError(f"cell '{name}' arrived twice; name each once")
    return names


def recipes(name: str, cells: Sequence[str], seeds: int, settings: Sequence[str] = ()) -> dict[tuple[str, int], Recipe]:
    """The recipe of each cell with each seed, counted from the recipe's own.

    Raises:
        UsageError: a setting that a comparison makes by itself, or one that the recipe refuses.
    """
    for setting in settings:
        key = setting.partition("=")[0].strip()
        if key in OWN:
            raise UsageError(f"'{setting}' cannot be set: a comparison sets {' and '.join(OWN)}; use --cells")
    first = load(name, settings).training.seed
    return {
        (cell, seed): load(name, [*settings, *CELLS[cell], f"{SEED}={seed}"])
        for cell in cells
        for seed in range(first, first + seeds)
    }


@interrupt.deferred()
def compare(
    each: Mapping[tuple[str, int], Recipe],
    path: str | os.PathLike[str],
    out: Path,
    *,
    board: str = boards.THIS,
    place: Place | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Comparison:
    """Train what is not trained yet, into OUT/CELL-SEED, and write compare.json and the page.

    A comparison that was killed goes on: finished trainings of the same recipe are kept, one that was begun is resumed.

    Args:
        each: as `recipes` makes them.
        path: the data.
        out: the folder; made when it is not there.
        board: where a step is predicted, as edgernn.device.board.load takes it.
        place: what the cells are trained on.
        progress: hears of every training that is there.

    Raises:
        UsageError: there is no such board, or the folder holds a comparison on other data.
        EdgernnError: what a training raises.
    """
    where, first = boards.load(board), next(iter(each.values()))
    atomic.make_folder(out)
    data = read(first.reader, path, first.options)
    begun = _begun(out, each, os.path.realpath(path), fingerprint(data), where.name)
    found = {}
    for (cell, seed), recipe in each.items():
        found[cell, seed] = _trained(recipe, data, out / f"{cell}-{seed}", cell, place)
        figures = found[cell, seed]["metrics"].items()
        progress(f"{cell}, seed {seed}: " + ", ".join(f"{name} {figure:g}" for name, figure in figures))
    models = {cell: untrained(each[cell, begun.seeds[0]], data) for cell, _ in each}
    made = _held(begun, found, models, max(data.test.frames, key=len), where)
    atomic.write_all({f"{out / RESULT}": as_json(made), f"{out / PAGE}": page(made).encode()})
    return made


def _begun(out: Path, each: Mapping[tuple[str, int], Recipe], path: str, data: Fingerprint, board: str) -> Comparison:
    """The comparison without its rows, written down so that another one on other data is refused."""
    one = next(iter(each.values()))
    seeds = tuple(dict.fromkeys(seed for _, seed in each))
    begun = Comparison(one.name, one.title, path, seeds, "", board, "", "", (), environment())
    if (out / RESULT).exists():
        before = _said(out / RESULT, "data")
        check(out / FILE, data, f"the comparison in '{out}', on '{before['data']}',", "choose another --out")
    atomic.write_all({f"{out / FILE}": dumps(data), f"{out / RESULT}": as_json(begun)})
    return begun


def _trained(recipe: Recipe, data: Data, folder: Path, cell: str, place: Place | None) -> dict[str, Any]:
    """What metrics.json says of a training, which is run unless it is finished with this very recipe."""
    said, metrics = folder / "recipe.toml", folder / "metrics.json"
    same = said.exists() and atomic.read(said) == written(recipe).encode()
    if not same or not metrics.exists():
        try:
            run.train_on(data, recipe, folder, place=place, resume=same)
        except TrainingError as error:
            seed = recipe.training.seed
            raise TrainingError(f"cell '{cell}' with seed {seed}: {error}; or leave it out of --cells") from error
    return _said(metrics, "metrics", "cpu_s")


def _held(
    begun: Comparison,
    found: Mapping[tuple[str, int], Mapping[str, Any]],
    models: Mapping[str, Model],
    window: Array,
    board: boards.Device,
) -> Comparison:
    """With the rows, from what was trained: a step of every seed of a cell costs the same, and an untrained one too."""
    metric = next(iter(next(iter(found.values()))["metrics"]))
    predicted = {cell: estimate_frame(graphs(model), board) for cell, model in models.items()}
    timed, unmeasured = _timed(models, window)
    rows = tuple(
        row(
            cell,
            isinstance(model, Graph),
            metric,
            [found[cell, seed] for seed in begun.seeds],
            predicted[cell],
            timed.get(cell),
        )
        for cell, model in models.items()
    )
    unknown = next((each.unknown for each in predicted.values() if each.unknown), "")
    return replace(begun, metric=metric, unknown=unknown, unmeasured=unmeasured, rows=rows)


def _timed(models: Mapping[str, Model], window: Array) -> tuple[dict[str, Timed], str]:
    """The compiled steps here; or none, and why: what was trained is worth a table all the same."""
    try:
        return time_interleaved({cell: contender(model, window) for cell, model in models.items()}), ""
    except CompilerError as error:
        return {}, str(error)


def _said(path: Path, *keys: str) -> dict[str, Any]:
    """The JSON in a file that an earlier comparison or training wrote."""
    try:
        said: dict[str, Any] = bounded_json.loads(atomic.read(path), finite=False)
        missing = [key for key in keys if key not in said]
    except (ValueError, TypeError) as error:
        raise FileError(f"'{path}' is no JSON: {error}; take it away, and what it tells of is done again") from error
    if missing:
        raise FileError(f"'{path}' has no '{missing[0]}'; take it away, and what it tells of is done again")
    return said
