"""Fine-tuning: a model that was made smaller is trained further, and stays as small as it is."""

import os
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from edgernn.artifact import rnn
from edgernn.files import temporary
from edgernn.model.graph import Graph
from edgernn.passes.agreement import agreement
from edgernn.passes.keep import check_keep
from edgernn.passes.patterns import Pattern
from edgernn.passes.prepare import Calibration, calibrate_and_quantize, prepare
from edgernn.passes.prune_weights import prune_weights
from edgernn.passes.pruning import Pruning, shrink
from edgernn.passes.rounding import rounded
from edgernn.process import interrupt
from edgernn.train import run
from edgernn.train.compress.importance import taylor
from edgernn.train.compress.restore import restore
from edgernn.train.compress.zeros import Zeros
from edgernn.train.convert import to_graph
from edgernn.train.data.fingerprint import fingerprint
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data
from edgernn.train.data.trainable import to_calibrate, trainable_subgraph
from edgernn.train.evaluate.metrics import METRICS, answers, evaluate
from edgernn.train.loop.distillation import Lesson, Teacher
from edgernn.train.loop.trainer import Place, fit, make, quiet
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network
from edgernn.train.recipe import Recipe, written


@interrupt.deferred()
def finetune(
    graph: Graph,
    recipe: Recipe,
    data: Data,
    *,
    pattern: Pattern | None = None,
    keep: Collection[str] = (),
    gradual: bool = True,
    scheme: str = "",
    lesson: Lesson | None = None,
    out: Path | None = None,
    place: Place | None = None,
) -> Graph:
    """Train a model further as its recipe says, from the weights that it has.

    Args:
        graph: a model of the recipe in float, perhaps with fewer units, or its matrices factored.
        recipe: what it was trained with; its [training] is that of the fine-tuning.
        data: what it was trained on.
        pattern: zeros to put into its matrices and to hold there.
        keep: layers without, which stay float too.
        gradual: whether the zeros come little by little, or all at once.
        scheme: what it is quantized in afterwards, so that it is trained as what it will be (`GraphNetwork`), without
            dropout and with the ranges that it has, or else those of the training part; "" to train it as float.
        lesson: a teacher that it learns from beside the truth.
        out: a folder for its checkpoint; one that is there already is gone on from. None for no folder that stays.
        place: what it runs on.

    Returns:
        In float; for a static scheme with the ranges that it was trained with.

    Raises:
        UsageError: a model or teacher that is not of this recipe and data, or a folder of another fine-tuning.
        GraphError: a pattern that its matrices cannot have, before any training.
        CalibrationError: a training part that no ranges can be learnt from.
        TrainingError: the loss is no number.
        KeyboardInterrupt: it was interrupted.
    """
    said = _said(graph, recipe, lesson, zeros=pattern, keep=sorted(keep), gradual=gradual, scheme=scheme)
    network: Network | GraphNetwork = restore(graph, recipe, data)
    zeros = [] if pattern is None else [Zeros(graph, pattern, keep, gradual=gradual)]
    teacher = None if lesson is None else Teacher(lesson, data)
    kept, validation = run.divided(recipe, data)
    if scheme:
        check_keep(graph, keep)
        graph = prepare(graph, scheme, Calibration(to_calibrate(kept)))
        inner = trainable_subgraph(graph, data)
        network = GraphNetwork(
            inner, network.shape, scheme, [layer.name for layer in inner.layers if layer.name in keep]
        )
    torch.manual_seed(recipe.training.seed)
    task = run.set_to(network.train(), recipe, kept, validation, teacher)
    with temporary.directory() as spare, quiet():
        trainer, _, _ = make(recipe.training, out or spare, place or Place(), zeros)
        fit(trainer, task, None if out is None else run.begin(said, fingerprint(kept, validation), out, resume=True))
    network.cpu().eval()
    return graph.with_tensors(network.tensors()) if isinstance(network, GraphNetwork) else to_graph(network, data)


def _said(graph: Graph, recipe: Recipe, lesson: Lesson | None, **options: Any) -> str:
    """The recipe, and in comments all else that decides what a fine-tuning comes to."""
    models = {"model": graph} | ({} if lesson is None else {"teacher": lesson.teacher})
    told = {name: sha256(rnn.dumps(each)).hexdigest() for name, each in models.items()} | options
    told |= {} if lesson is None else {"weight": lesson.weight, "temperature": lesson.temperature}
    return written(recipe) + "".join(f"# {name}: {value}\n" for name, value in told.items())


@interrupt.deferred()
def compressed(
    graph: Graph,
    recipe: Recipe,
    path: str | os.PathLike[str],
    asked: Pruning,
    scheme: str | None = None,
    *,
    keep: Collection[str] = (),
    by_gradient: bool = False,
    gradual: bool = True,
    aware: bool = False,
    lesson: Lesson | None = None,
    calibration: Calibration | None = None,
    out: Path | None = None,
    place: Place | None = None,
) -> tuple[Graph, dict[str, Any]]:
    """Prune a model, train what is left further, and quantize it.

    Args:
        graph: a model of the recipe in float.
        recipe: what it was trained with.
        path: the data, as the recipe's reader takes it.
        asked: what goes.
        scheme: to quantize in at last; None for none.
        keep: layers to leave as they are.
        by_gradient: whether units are chosen by `importance.taylor`, and not by magnitude.
        gradual: whether zeros come little by little.
        aware: whether it is trained as what it will be once quantized; where something goes, it is trained as float
            before, as long.
        lesson: a teacher that it learns from beside the truth.
        calibration: how ranges are learnt for a static scheme; from the training part, where it has no sequences.
        out: a folder for checkpoints, below which "float" and "aware" are gone on from when they are there.
        place: what it runs on.

    Returns:
        The model, and its metric on the test part: `name`, which way is `better`, and the values `before`, of the model
        `cut` and quantized without training, and `after` all of it; and how far that answers `alike` there (Agreement).

    Raises:
        EdgernnError: as the reader, the passes and `finetune` say.
    """
    data = read(recipe.reader, path, recipe.options)
    for begun in () if out is None else (out / "float", out / "aware"):
        run.same_data(recipe, data, begun)  # before the model is held against figures of this data
    scores = taylor(graph, recipe, data) if by_gradient and asked.units else None
    small = shrink(graph, asked, keep=keep, importance=scores)
    thin = small if asked.pattern is None else prune_weights(small, asked.pattern, keep=keep)
    further = partial(finetune, recipe=recipe, data=data, pattern=asked.pattern, keep=keep, lesson=lesson, place=place)
    learnt = calibration or Calibration()
    learnt = learnt if learnt.sequences else replace(learnt, sequences=to_calibrate(data))
    made = {
        "before": graph,
        "cut": calibrate_and_quantize(thin, scheme, learnt, keep=keep),
    }  # now, so that what cannot be is told
    tuned = small if aware and asked == Pruning() else further(small, gradual=gradual, out=out and out / "float")
    if aware and scheme:
        known = prepare(tuned, scheme, learnt, keep=keep)
        tuned = further(known, gradual=False, scheme=scheme, out=out and out / "aware")
        made["after"] = rounded(tuned, scheme, keep=keep)  # as it was trained: what is scaled now was not
    else:
        made["after"] = calibrate_and_quantize(tuned, scheme, learnt, keep=keep)
    worth = {when: evaluate(answers(each), data, data.test).metrics for when, each in made.items()}
    name = next(iter(worth["before"]))
    values: dict[str, Any] = {when: metrics[name] for when, metrics in worth.items()}
    values["alike"] = agreement(graph, made["after"], data.test.frames)
    return made["after"], {"name": name, "better": METRICS[data.kind][1], **values}
