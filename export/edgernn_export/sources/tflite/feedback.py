"""Which output of a file is which of its inputs in the next step: by the user, by name, or by order and shape."""

import re
from collections.abc import Mapping, Sequence

from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt

Shapes = Mapping[str, tuple[int, ...]]

_DIRECTIONS = {
    *("in", "out", "input", "output", "inputs", "outputs", "new", "next", "prev", "previous", "old", "before", "after"),
    *("initial", "init", "last", "final", "current"),
}


def fed_back(inputs: Shapes, outputs: Shapes, stated: Mapping[str, str], frames: Sequence[str]) -> dict[str, str]:
    """Return the output that each state among the inputs is in the next step; the other inputs are frames.

    Args:
        inputs: name -> shape.
        outputs: name -> shape.
        stated: what the user says.
        frames: the inputs that are frames; empty for the first that is no state.

    Raises:
        UsageError: `stated` names what does not exist, or feeds one output to two inputs.
        UnsupportedError: an input is neither a frame nor fed back.
    """
    _check(inputs, outputs, stated)
    states = dict(stated)
    free = {name: shape for name, shape in outputs.items() if name not in states.values()}
    rest = [name for name in inputs if name not in states and name not in frames]
    for name in list(rest):
        alike = [each for each, shape in free.items() if _stem(each) == _stem(name) and shape == inputs[name]]
        if _stem(name) and len(alike) == 1 and [_stem(each) for each in rest].count(_stem(name)) == 1:
            states[name] = alike[0]
            del free[alike[0]]
            rest.remove(name)
    if not frames and rest and not any(name not in states for name in inputs if name not in rest):
        rest = rest[1:] or rest[:0]
    for name in rest:
        fitting = [each for each, shape in free.items() if shape == inputs[name]]
        if not fitting and not frames:  # no output of its shape: it cannot be fed back
            continue
        others = [each for each in rest if inputs[each] == inputs[name] and each not in states]
        spare = fitting[1:] if len(fitting) > len(others) and next(iter(outputs)) == fitting[0] else fitting
        if len(spare) != len(others):
            raise _refusal(name, inputs, fitting, outputs)
        states[name] = spare[0]
        del free[spare[0]]
    return states


def _stem(name: str) -> str:
    """Return a name without words for a direction: "gru_h.in" is "gru_h"."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return "_".join(part.lower() for part in parts if part.lower() not in _DIRECTIONS)


def _check(inputs: Shapes, outputs: Shapes, stated: Mapping[str, str]) -> None:
    for state, output in stated.items():
        for name, known, what in ((state, inputs, "input"), (output, outputs, "output")):
            if name not in known:
                raise UsageError(f"states= names {what} '{name}', which the file lacks; {misspelt(name, list(known))}")
        if inputs[state] != outputs[output]:
            raise UsageError(
                f"states= feeds '{state}' {inputs[state]} by '{output}' {outputs[output]}; expected equal shapes"
            )
        if list(stated.values()).count(output) > 1:
            raise UsageError(f"states= feeds output '{output}' back twice; name an output for each state")


def _refusal(name: str, inputs: Shapes, fitting: Sequence[str], outputs: Shapes) -> UnsupportedError:
    shown = ", ".join(f"'{each}' {shape}" for each, shape in outputs.items()) or "none"
    could = f"could be {' or '.join(map(repr, fitting))}" if fitting else "fits no output"
    return UnsupportedError(
        f"input '{name}' {inputs[name]} {could} in the next step (outputs: {shown}); name the inputs that are "
        "frames with inputs= (--input), or the output that it is with states= (--state)"
    )
