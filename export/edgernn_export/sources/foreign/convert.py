"""A foreign model becomes a graph: its module is replayed against the original, and the graph against the module."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from edgernn.array import Array
from edgernn.errors import ParityError, UnsupportedError
from edgernn.model.graph import Graph
from edgernn_export.sources.foreign.integers import with_integers
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.torch.source import Options, convert
from edgernn_export.sources.torch.trace.copying import copied
from edgernn_export.sources.torch.trace.threads import one_thread
from edgernn_export.sources.torch.trace.tracing import double

CALLS = 12  # of the original, each from the states of the call before; without states, one call is enough
SEEDS = (0, 1)  # of the first, random states and of the inputs
TOLERANCE = 1e-5  # relative to the largest value, or to 1: both sides compute in float32
ROUNDING = 8  # times what float32 loses in the module itself, where that is more: a recurrence may amplify rounding


def graph_of(model: ForeignModel, running: frozenset[str] = frozenset()) -> Graph:
    """Return the graph of a foreign model, proved; `running` is what may run over all frames so far.

    Raises:
        ParityError: the module and the original differ, or the graph and the module.
        UnsupportedError: an operation cannot stream; or a state changes no output, or never changes.
    """
    with one_thread():
        return _graph_of(model, running)


def _graph_of(model: ForeignModel, running: frozenset[str]) -> Graph:
    model = _with_finite_results(model)
    replay(model)
    options = Options(
        inputs=model.inputs if model.states else (),
        outputs=model.outputs,
        states=dict(model.states),
        running=running,
        initial_states=True,
        one_frame=model.one_frame,
    )
    graph = convert(model.module, model.example, model.time_axis, model.period_ms, model.labels, options)
    return with_integers(graph, model.integers)


def _with_finite_results(model: ForeignModel) -> ForeignModel:
    """Return the model with an example without signs, where it takes logarithms or roots of its inputs."""
    if _finite(model, _random(model, 0)):
        return model
    count = len(model.inputs)
    positive = (*(_positive(each) for each in model.example[:count]), *model.example[count:])
    model = replace(model, example=positive, signs=False)
    if not _finite(model, _random(model, 0)):
        raise UnsupportedError(
            f"'{model.name}': no result is finite, neither on noise nor on its magnitudes, so nothing can be proved"
        )
    return model


def _finite(model: ForeignModel, arguments: Sequence[Array]) -> bool:
    once = replace(model, module=deepcopy(model.module))  # which may write into its buffers
    return all(np.isfinite(each).all() for each in once.run(arguments).values())


def _positive(each: torch.Tensor) -> torch.Tensor:
    return each.abs() if each.is_floating_point() else each


def replay(model: ForeignModel) -> None:
    """Compare the module with the original on random inputs, from random states that both feed back.

    Raises:
        ParityError: a result differs by more than TOLERANCE.
        UnsupportedError: a state changes nothing.
    """
    _check_states(model)
    if model.original is None:
        return
    for seed in SEEDS:
        arguments = _random(model, seed)
        for call in range(CALLS if model.states else 1):
            results = model.run(arguments)
            for (name, ours), theirs in zip(results.items(), model.original(arguments), strict=True):
                compare(model, f"call {call}", name, ours, theirs, partial(_exact, model, arguments, name))
            fed = {state: results[result] for state, result in model.states.items()}
            fresh = _random(model, seed + 100 * (call + 1))
            names = [*model.inputs, *model.states]
            arguments = [fed.get(name, each) for name, each in zip(names, fresh, strict=True)]


def compare(model: ForeignModel, place: str, name: str, ours: Array, theirs: Array, exact: Callable[[], Array]) -> None:
    """Compare a result with the original's.

    Args:
        model: for messages.
        place: where the result is, for messages.
        name: of the result.
        ours: of the module, in float32.
        theirs: of the original.
        exact: computes it by the module in float64.

    Raises:
        ParityError: it differs by more than TOLERANCE, and more than rounding explains.
    """
    if ours.shape != theirs.shape:
        raise ParityError(
            f"'{model.name}': '{name}' has shape {theirs.shape} in {model.runtime}, and {ours.shape} as it was read; "
            "report this as a bug"
        )
    error = float(np.abs(ours - theirs).max(initial=0.0))
    if error <= TOLERANCE * max(1.0, float(np.abs(theirs).max(initial=0.0))):
        return
    lost = float(np.abs(ours - exact()).max(initial=0.0))
    if not error <= ROUNDING * lost:
        raise ParityError(
            f"'{model.name}': '{name}' is {error:.2g} from {model.runtime} in {place}; report this as a bug"
        )


def _exact(model: ForeignModel, arguments: Sequence[Array], name: str) -> Array:
    """Return a result of the module in float64."""
    tensors = (torch.from_numpy(np.asarray(each)) for each in arguments)
    with double():
        answer = copied(model.module)(*(each.double() if each.is_floating_point() else each for each in tensors))
    value: Array = answer[name].numpy()
    return value


def _random(model: ForeignModel, seed: int) -> list[Array]:
    """Return random arguments of one call."""
    rng = np.random.default_rng(seed)
    arguments = [
        rng.standard_normal(tuple(each.shape)).astype(np.float32)
        if each.is_floating_point()
        else rng.integers(0, max(1, int(each.max()) + 1), tuple(each.shape)).astype(each.numpy().dtype)
        for each in model.example
    ]
    count = 0 if model.signs else len(model.inputs)
    return [*map(np.abs, arguments[:count]), *arguments[count:]]


def _check_states(model: ForeignModel) -> None:
    """Refuse a state that changes no result of a call besides itself; without states nothing is run."""
    if not model.states:
        return
    arguments, names = _random(model, 0), [*model.inputs, *model.states]
    before = model.run(arguments)
    other = _random(model, 1)
    for place, name in enumerate(names):
        if name not in model.states:
            continue
        changed = [*arguments[:place], other[place], *arguments[place + 1 :]]
        after = model.run(changed)
        others = [
            result for result in before if result != model.states[name] or not set(before) - {*model.states.values()}
        ]
        if all(np.array_equal(before[result], after[result]) for result in others):
            raise UnsupportedError(
                f"'{model.name}': state '{name}' changes no output; say which inputs are frames: inputs=, or which "
                "output is which state: states={'" + name + "': OUTPUT}"
            )
