"""A foreign model becomes a graph: its module is replayed against the original, and the graph against the module."""

import numpy as np

from edgernn.array import Array
from edgernn.errors import ParityError, UnsupportedError
from edgernn.model.graph import Graph
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.torch.source import Options, convert

CALLS = 12  # of the original, each from the states of the call before
SEEDS = (0, 1)  # of the first, random states and of the inputs
TOLERANCE = 1e-5  # relative to the largest value, or to 1: both sides compute in float32


def graph_of(model: ForeignModel) -> Graph:
    """Return the graph of a foreign model, proved.

    Raises:
        ParityError: the module and the original differ, or the graph and the module.
        UnsupportedError: an operation cannot stream; or a state changes no output, or never changes.
    """
    replay(model)
    options = Options(
        inputs=model.inputs if model.states else (),
        outputs=model.outputs,
        states=dict(model.states),
        initial_states=True,
        one_frame=model.one_frame,
    )
    return convert(model.module, model.example, model.time_axis, model.period_ms, model.labels, options)


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
        for call in range(CALLS):
            results = model.run(arguments)
            for (name, ours), theirs in zip(results.items(), model.original(arguments), strict=True):
                _compare(model, call, name, ours, theirs)
            fed = {state: results[result] for state, result in model.states.items()}
            fresh = _random(model, seed + 100 * (call + 1))
            names = [*model.inputs, *model.states]
            arguments = [fed.get(name, each) for name, each in zip(names, fresh, strict=True)]


def _compare(model: ForeignModel, call: int, name: str, ours: Array, theirs: Array) -> None:
    if ours.shape != theirs.shape:
        raise ParityError(
            f"'{model.name}': '{name}' has shape {theirs.shape} in {model.runtime}, and {ours.shape} as it was read; "
            "report this as a bug"
        )
    error = float(np.abs(ours - theirs).max(initial=0.0))
    if not error <= TOLERANCE * max(1.0, float(np.abs(theirs).max(initial=0.0))):
        raise ParityError(
            f"'{model.name}': '{name}' is {error:.2g} from {model.runtime} in call {call}; report this as a bug"
        )


def _random(model: ForeignModel, seed: int) -> list[Array]:
    """Return random arguments of one call."""
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal(tuple(each.shape)).astype(np.float32)
        if each.is_floating_point()
        else rng.integers(0, max(1, int(each.max()) + 1), tuple(each.shape)).astype(each.numpy().dtype)
        for each in model.example
    ]


def _check_states(model: ForeignModel) -> None:
    """Refuse a state that changes no result of a call; a module without states is not run, it may write buffers."""
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
        if all(np.array_equal(before[result], after[result]) for result in before):
            raise UnsupportedError(
                f"'{model.name}': state '{name}' changes no output; say which inputs are frames: inputs=, or which "
                "output is which state: states={'" + name + "': OUTPUT}"
            )
