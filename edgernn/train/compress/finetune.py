"""Fine-tuning: train a compressed model further, at the same size."""

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
from edgernn.passes.delta import has_thresholds
from edgernn.passes.keep import check_keep
from edgernn.passes.patterns import Pattern
from edgernn.passes.prepare import Calibration, calibrate_and_quantize, prepare
from edgernn.passes.prune_weights import prune_weights
from edgernn.passes.pruning import Pruning, shrink
from edgernn.passes.rounding import rounded
from edgernn.passes.thresholds import DeltaRequest
from edgernn.process import interrupt
from edgernn.train import run
from edgernn.train.compress.delta import gentle, with_thresholds, with_validation
from edgernn.train.compress.importance import taylor
from edgernn.train.compress.restore import restore
from edgernn.train.compress.zeros import Zeros
from edgernn.train.convert import to_graph
from edgernn.train.data.fingerprint import fingerprint
from edgernn.train.data.sequences import Data
from edgernn.train.data.trainable import to_calibrate, trainable_subgraph
from edgernn.train.evaluate.metrics import METRICS, answers, evaluate
from edgernn.train.loop.distillation import Distillation, Teacher
from edgernn.train.loop.trainer import Accelerator, fit, make_trainer, quiet
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network
from edgernn.train.recipe import Recipe, to_toml


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
    distillation: Distillation | None = None,
    out: Path | None = None,
    accelerator: Accelerator | None = None,
) -> Graph:
    """Train a model further with its recipe, from its current weights.

    Args:
        graph: a float model of the recipe; units may have been removed, and matrices factored.
        recipe: the recipe of its training; [training] is used for the fine-tuning.
        data: its training data.
        pattern: the pattern of zeros to put into its matrices and to keep there.
        keep: layers without zeros, which also stay in float.
        gradual: whether the zeros are added gradually, or all at once.
        scheme: the quantization scheme for quantization-aware training, without dropout and with the ranges of the
            graph, or else of the training part; "" for float.
        distillation: a teacher to learn from in addition to the targets.
        out: the folder of the checkpoint, which the training resumes from if it exists; None for a temporary folder.
        accelerator: where the training runs.

    Returns:
        The float model; for a static scheme with the ranges of its training.

    Raises:
        UsageError: The model or the teacher does not match recipe and data, or the folder has another fine-tuning.
        GraphError: The matrices cannot have the pattern; it is checked before the training.
        CalibrationError: The training part gives no ranges.
        TrainingError: The loss is not finite.
        KeyboardInterrupt: The training was interrupted.
    """
    description = _description(
        graph, recipe, distillation, zeros=pattern, keep=sorted(keep), gradual=gradual, scheme=scheme
    )
    network: Network | GraphNetwork = restore(graph, recipe, data)
    zeros = [] if pattern is None else [Zeros(graph, pattern, keep, gradual=gradual)]
    teacher = None if distillation is None else Teacher(distillation, data)
    training_data, validation = run.hold_out_validation(recipe, data)
    if scheme:
        check_keep(graph, keep)
        graph = prepare(graph, scheme, Calibration(to_calibrate(training_data, graph.frames_per_step)))
        inner = trainable_subgraph(graph, data)
        network = GraphNetwork(
            inner, network.shape, scheme, [layer.name for layer in inner.layers if layer.name in keep]
        )
    elif has_thresholds(graph):
        network = GraphNetwork(trainable_subgraph(graph, data), network.shape)
    torch.manual_seed(recipe.training.seed)
    task = run.make_task(network.train(), recipe, training_data, validation, teacher)
    with temporary.directory() as scratch, quiet():
        trainer, _, _ = make_trainer(recipe.training, out or scratch, accelerator or Accelerator(), zeros)
        inputs = fingerprint(training_data, validation)
        fit(trainer, task, None if out is None else run.prepare_folder(description, inputs, out, resume=True))
    network.cpu().eval()
    return graph.with_tensors(network.tensors()) if isinstance(network, GraphNetwork) else to_graph(network, data)


def _description(graph: Graph, recipe: Recipe, distillation: Distillation | None, **options: Any) -> str:
    """The recipe as TOML, with all other inputs of a fine-tuning in comments."""
    models = {"model": graph} | ({} if distillation is None else {"teacher": distillation.teacher})
    comments = {name: sha256(rnn.dumps(each)).hexdigest() for name, each in models.items()} | options
    comments |= {} if distillation is None else {"weight": distillation.weight, "temperature": distillation.temperature}
    return to_toml(recipe) + "".join(f"# {name}: {value}\n" for name, value in comments.items())


@interrupt.deferred()
def compressed(
    graph: Graph,
    recipe: Recipe,
    path: str | os.PathLike[str],
    pruning: Pruning,
    scheme: str | None = None,
    *,
    keep: Collection[str] = (),
    by_gradient: bool = False,
    gradual: bool = True,
    aware: bool = False,
    distillation: Distillation | None = None,
    calibration: Calibration | None = None,
    thresholds: DeltaRequest | None = None,
    out: Path | None = None,
    accelerator: Accelerator | None = None,
) -> tuple[Graph, dict[str, Any]]:
    """Prune a model, fine-tune it, give it thresholds for changes, and quantize it.

    Args:
        graph: a float model of the recipe.
        recipe: the recipe of its training.
        path: the data, for the reader of the recipe.
        pruning: what to prune.
        scheme: the scheme to quantize to at the end; None for none.
        keep: layers to leave unchanged.
        by_gradient: whether units are chosen by `importance.taylor` instead of magnitude.
        gradual: whether zeros are added gradually.
        aware: whether to use quantization-aware training; with pruning, it follows a float training of equal length.
        distillation: a teacher to learn from in addition to the targets.
        calibration: the calibration of a static scheme; without sequences, the training part is used.
        thresholds: for changes; with pruning, they are trained with after a float training of equal length.
        out: the folder of checkpoints; trainings in its subfolders "float", "delta" and "aware" are resumed.
        accelerator: where the training runs.

    Returns:
        The model, and its metric on the test part: the `name`, the direction (`better`), and the values `before`, after
        pruning and quantization without training (`cut`), and `after` training; `agreement` compares the outputs of the
        first and the last model on the test part.

    Raises:
        EdgernnError: See the reader, the passes and `finetune`.
    """
    recipe = recipe if thresholds is None else with_validation(recipe)
    data = run.read(recipe, path)
    for folder in () if out is None else (out / "float", out / "delta", out / "aware"):
        run.check_same_data(recipe, data, folder)  # before the model is compared with this data
    scores = taylor(graph, recipe, data) if by_gradient and pruning.units else None
    small = shrink(graph, pruning, keep=keep, importance=scores)
    sparse = small if pruning.pattern is None else prune_weights(small, pruning.pattern, keep=keep)
    tune = partial(finetune, recipe=recipe, data=data, pattern=pruning.pattern, keep=keep)
    further = partial(tune, distillation=distillation, accelerator=accelerator)
    learnt = calibration or Calibration()
    learnt = learnt if learnt.sequences else replace(learnt, sequences=to_calibrate(data, graph.frames_per_step))
    skip = partial(with_thresholds, recipe=recipe, data=data, keep=keep)
    cut = sparse if thresholds is None else skip(sparse, thresholds)
    models = {"before": graph}
    models["cut"] = calibrate_and_quantize(cut, scheme, learnt, keep=keep)  # before the training, since it may raise
    alone = (aware or thresholds is not None) and pruning == Pruning()
    tuned = small if alone else further(small, gradual=gradual, out=out and out / "float")
    if thresholds is not None:
        gently = partial(further, recipe=gentle(recipe), gradual=False, out=out and out / "delta")
        tuned = skip(tuned, thresholds, further=gently)
    if aware and scheme:
        known = prepare(tuned, scheme, learnt, keep=keep)
        tuned = further(known, gradual=False, scheme=scheme, out=out and out / "aware")
        models["after"] = rounded(tuned, scheme, keep=keep)  # as in training: without the scaling of `quantized`
    else:
        models["after"] = calibrate_and_quantize(tuned, scheme, learnt, keep=keep)
    metrics_of = {when: evaluate(answers(each), data, data.test).metrics for when, each in models.items()}
    name = next(iter(metrics_of["before"]))
    values: dict[str, Any] = {when: metrics[name] for when, metrics in metrics_of.items()}
    values["agreement"] = agreement(graph, models["after"], data.test.frames)
    return models["after"], {"name": name, "better": METRICS[data.kind][1], **values}
