"""A comparison of cells on one recipe: each is trained with several seeds, and its cost is measured."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.array import Array
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
from edgernn.train.data.fingerprint import FILE, Fingerprint, check_file, dumps, fingerprint
from edgernn.train.data.sequences import Data
from edgernn.train.environment import environment
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.models import TRAINABLE_CELLS
from edgernn.train.recipe import Recipe, load, to_toml

CELLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: (f"model.cell={name}", 'model.bidirectional=""') for name in TRAINABLE_CELLS}
    | {f"bi{name}": (f"model.cell={name}", "model.bidirectional=concat") for name in TRAINABLE_CELLS}
)
"""A name in a comparison -> its settings of the recipe; "bi" is for concatenated directions."""

SEED = "training.seed"
OWN = ("model.cell", "model.bidirectional")
"""The settings that a comparison controls."""

RESULT, PAGE = "compare.json", "compare.html"


def parse_cells(cells: str) -> tuple[str, ...]:
    """Parse a comma-separated list of cells.

    Raises:
        UsageError: A name is not one of CELLS or occurs twice, or there is no name.
    """
    names = tuple(name.strip() for name in cells.split(","))
    for name in names:
        if name not in CELLS:
            raise UsageError(f"there is no cell '{name}' to compare; {misspelt(name, CELLS)}")
        if names.count(name) > 1:
            raise UsageError(f"the cell '{name}' occurs twice; name each cell once")
    return names


def recipes(name: str, cells: Sequence[str], seeds: int, settings: Sequence[str] = ()) -> dict[tuple[str, int], Recipe]:
    """The recipe of each cell with each seed, beginning at the seed of the recipe.

    Raises:
        UsageError: A setting is controlled by the comparison, or is invalid.
    """
    for setting in settings:
        key = setting.partition("=")[0].strip()
        if key in OWN:
            raise UsageError(f"'{setting}' cannot be set: a comparison controls {' and '.join(OWN)}; use --cells")
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
    accelerator: Accelerator | None = None,
    on_progress: Callable[[str], object] = lambda _: None,
) -> Comparison:
    """Train every cell with every seed in OUT/CELL-SEED, and write compare.json and the page.

    A comparison can be resumed: finished trainings of the same recipe are reused, and an unfinished one continues.

    Args:
        each: the recipes, from `recipes`.
        path: the data.
        out: the folder; it is created if it does not exist.
        board: the board that steps are predicted for, as in `edgernn.device.board.load`.
        accelerator: where the trainings run.
        on_progress: called with a line for each finished training.

    Raises:
        UsageError: The board does not exist, or the folder has a comparison on other data.
        EdgernnError: See `run.train`.
    """
    where, first = boards.load(board), next(iter(each.values()))
    atomic.make_folder(out)
    data = run.read(first, path)
    begun = _begin(out, each, os.path.realpath(path), fingerprint(data), where.name)
    metrics = {}
    for (cell, seed), recipe in each.items():
        metrics[cell, seed] = _trained(recipe, data, out / f"{cell}-{seed}", cell, accelerator)
        figures = metrics[cell, seed]["metrics"].items()
        on_progress(f"{cell}, seed {seed}: " + ", ".join(f"{name} {figure:g}" for name, figure in figures))
    models = {cell: untrained(each[cell, begun.seeds[0]], data) for cell, _ in each}
    comparison = _comparison(begun, metrics, models, max(data.test.frames, key=len), where)
    atomic.write_all({f"{out / RESULT}": as_json(comparison), f"{out / PAGE}": page(comparison).encode()})
    return comparison


def _begin(out: Path, each: Mapping[tuple[str, int], Recipe], path: str, data: Fingerprint, board: str) -> Comparison:
    """Write the comparison without rows, so that a later one on other data is refused."""
    one = next(iter(each.values()))
    seeds = tuple(dict.fromkeys(seed for _, seed in each))
    begun = Comparison(one.name, one.title, path, seeds, "", board, "", "", (), environment())
    if (out / RESULT).exists():
        before = _read_json(out / RESULT, "data")
        check_file(out / FILE, data, f"the comparison in '{out}', on '{before['data']}',", "choose another --out")
    atomic.write_all({f"{out / FILE}": dumps(data), f"{out / RESULT}": as_json(begun)})
    return begun


def _trained(recipe: Recipe, data: Data, folder: Path, cell: str, accelerator: Accelerator | None) -> dict[str, Any]:
    """The content of metrics.json, after a training unless one with the same recipe is finished."""
    toml, metrics = folder / "recipe.toml", folder / "metrics.json"
    same = toml.exists() and atomic.read(toml) == to_toml(recipe).encode()
    if not same or not metrics.exists():
        try:
            run.train_on(data, recipe, folder, accelerator=accelerator, resume=same)
        except TrainingError as error:
            seed = recipe.training.seed
            raise TrainingError(f"cell '{cell}' with seed {seed}: {error}; or leave it out of --cells") from error
    return _read_json(metrics, "metrics", "cpu_s")


def _comparison(
    begun: Comparison,
    trained: Mapping[tuple[str, int], Mapping[str, Any]],
    models: Mapping[str, Model],
    window: Array,
    board: boards.Device,
) -> Comparison:
    """Add the rows. The cost of a step does not depend on the weights, so untrained models are timed."""
    metric = next(iter(next(iter(trained.values()))["metrics"]))
    predicted = {cell: estimate_frame(graphs(model), board) for cell, model in models.items()}
    timed, unmeasured = _timed(models, window)
    rows = tuple(
        row(
            cell,
            isinstance(model, Graph),
            metric,
            [trained[cell, seed] for seed in begun.seeds],
            predicted[cell],
            timed.get(cell),
        )
        for cell, model in models.items()
    )
    unknown = next((each.unknown for each in predicted.values() if each.unknown), "")
    return replace(begun, metric=metric, unknown=unknown, unmeasured=unmeasured, rows=rows)


def _timed(models: Mapping[str, Model], window: Array) -> tuple[dict[str, Timed], str]:
    """The timed steps on this machine; or none and the reason, since the metrics are useful without them."""
    try:
        return time_interleaved({cell: contender(model, window) for cell, model in models.items()}), ""
    except CompilerError as error:
        return {}, str(error)


def _read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON file of an earlier comparison or training."""
    try:
        document: dict[str, Any] = bounded_json.loads(atomic.read(path), finite=False)
        missing = [key for key in keys if key not in document]
    except (ValueError, TypeError) as error:
        raise FileError(f"'{path}' is not JSON: {error}; delete it to repeat its training") from error
    if missing:
        raise FileError(f"'{path}' has no '{missing[0]}'; delete it to repeat its training")
    return document
