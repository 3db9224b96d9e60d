"""Proof of one frame against whole sequences of the original file."""

from collections.abc import Sequence

import numpy as np

from edgernn.array import Array
from edgernn.errors import ParityError, UnsupportedError
from edgernn_export.sources.foreign.convert import TOLERANCE
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.onnx.forms import Form
from edgernn_export.sources.onnx.original import Original, Reference

LENGTHS = (5, 23)
"""The steps of the sequences, which differ from the usual sizes of features."""


def prove_sequences(
    model: ForeignModel, form: Form, frames: Sequence[str], outputs: Sequence[str], original: Original | Reference
) -> None:
    """Compare the module, frame after frame from its initial states, with the file on whole sequences.

    Args:
        model: takes one frame.
        form: how the file was read.
        frames: the inputs that are sequences, by their names in the file.
        outputs: those to compare.
        original: the file.

    Raises:
        UnsupportedError: an input of the file is no sequence.
        ParityError: an output differs by more than TOLERANCE; the message says in which frame.
    """
    if model.states.keys() & set(form.inputs):
        raise UnsupportedError(
            f"'{model.name}' has a loop over time and takes states beside it; let the loop begin with constants"
        )
    for seed, length in enumerate(LENGTHS):
        rng = np.random.default_rng(seed)
        feeds = {name: rng.standard_normal(_shape(form, name, length)).astype(np.float32) for name in frames}
        theirs = original.run(feeds, outputs)
        ours = _streamed(model, form, feeds, length)
        for name, output, whole in zip(outputs, model.outputs, theirs, strict=True):
            _compare(model, name, [each[output] for each in ours], whole)


def _shape(form: Form, name: str, length: int) -> tuple[int, ...]:
    return form.sizes.stretched(length).of(form.source.shapes[name])


def _streamed(model: ForeignModel, form: Form, feeds: dict[str, Array], length: int) -> list[dict[str, Array]]:
    """Return the results of the module for each frame."""
    states = [each.numpy() for each in model.example[len(feeds) :]]
    results = []
    for step in range(length):
        cuts = [_frame(form, name, value, step) for name, value in feeds.items()]
        results.append(model.run([*cuts, *states]))
        states = [results[-1][output] for output in model.states.values()]
    return results


def _frame(form: Form, name: str, value: Array, step: int) -> Array:
    axis = form.sizes.axis(form.source.shapes[name])
    return value if axis is None else value.take([step], axis)


def _compare(model: ForeignModel, name: str, ours: Sequence[Array], theirs: Array) -> None:
    """Compare the frames of an output along its axis of time, or the last one where it has none."""
    own = ours[0].shape
    axes = [i for i, (one, other) in enumerate(zip(own, theirs.shape, strict=False)) if one != other]
    if len(own) != theirs.ndim or len(axes) > 1 or (axes and theirs.shape[axes[0]] != len(ours) * own[axes[0]]):
        raise ParityError(
            f"'{model.name}': output '{name}' has shape {own} of one frame, and {theirs.shape} of {len(ours)} in "
            f"{model.runtime}; expected a value for each frame"
        )
    joined = np.concatenate(list(ours), axes[0]) if axes else ours[-1]
    errors = np.abs(joined - theirs)
    bound = TOLERANCE * max(1.0, float(np.abs(theirs).max(initial=0.0)))
    if not float(errors.max(initial=0.0)) <= bound:
        raise ParityError(
            f"'{model.name}': output '{name}' is {float(errors.max()):.2g} from {model.runtime} on {len(ours)} frames; "
            "what it computes of a frame needs others besides the states of its loops: take it out of the file"
        )
