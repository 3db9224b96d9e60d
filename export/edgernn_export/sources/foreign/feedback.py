"""Which output of a file is which of its inputs in the next step: by the user, by name, or by order and shape."""

import re
from collections.abc import Iterable, Mapping, Sequence

from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.torch.signature.feedback import in_order

Shapes = Mapping[str, tuple[int, ...]]

_DIRECTIONS = frozenset(
    {
        *("in", "out", "i", "o", "input", "output", "new", "next", "prev", "previous", "old", "before", "after"),
        *("initial", "init", "last", "final", "updated", "update", "current", "cur"),
    }
)
_ENDS = frozenset({"n", "0", "1"})
_SHORT = {"hn": "h", "cn": "c", "hx": "h", "cx": "c"}


def words_of(name: str) -> list[str]:
    """Return the words of a name: "lstm/stateN.1" has lstm, state, n, 1."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return [_SHORT.get(part.lower(), part.lower()) for part in parts]


def stem_of(name: str, ends: bool) -> str:
    """Return a name without words for a direction, and without the last "n", "0" or "1" with `ends`."""
    words = [word for word in words_of(name) if word not in _DIRECTIONS]
    if ends and len(words) > 1 and words[-1] in _ENDS:
        words = words[:-1]
    return "_".join(words)


def named_alike(inputs: Iterable[str], outputs: Iterable[str]) -> frozenset[str]:
    """Return the inputs that have the name of an output, without directions: they are states."""
    stems = {stem_of(name, ends) for name in outputs for ends in (False, True)}
    alike = (name for name in inputs if stem_of(name, True) in stems)
    return frozenset(name for name in alike if re.search("[a-z]", stem_of(name, True)))


def fed_back(
    inputs: Shapes,
    outputs: Shapes,
    depends: Mapping[str, frozenset[str]],
    stated: Mapping[str, str],
    frames: Sequence[str],
) -> dict[str, str]:
    """Return the output that each state among the inputs is in the next step; the other inputs are frames.

    Args:
        inputs: name -> shape.
        outputs: those that depend on data.
        depends: output -> the inputs that it depends on.
        stated: what the user says.
        frames: inputs that are frames, or sequences; empty where the first that is no state is the only one.

    Raises:
        UsageError: `stated` names what does not exist, or feeds one output to two inputs.
        UnsupportedError: an input is neither a frame nor fed back.
    """
    _check_stated(inputs, outputs, stated)
    states = dict(stated)
    for ends in (False, True):
        states |= _by_name(inputs, outputs, states, frames, ends)
    if not frames and set(states) == set(inputs) and not stated:
        states.pop(next(iter(inputs)))
    rest = [name for name in inputs if name not in states and name not in frames]
    rest = rest if frames else rest[1:]
    free = [name for name in outputs if name not in states.values()]
    free = free[1:] if len(free) > len(rest) else free
    fitting = [
        [j for j, output in enumerate(free) if outputs[output] == inputs[name] and name in depends[output]]
        for name in rest
    ]
    matched = in_order(fitting)
    if matched is None:
        raise _refusal(rest, fitting, inputs, free, outputs)
    return states | {name: free[j] for name, j in zip(rest, matched, strict=True)}


def _check_stated(inputs: Shapes, outputs: Shapes, stated: Mapping[str, str]) -> None:
    for state, output in stated.items():
        for name, known, what in ((state, inputs, "input"), (output, outputs, "output")):
            if name not in known:
                raise UsageError(
                    f"states= names {what} {name!r}, which the file lacks; {misspelt(str(name), list(known))}"
                )
        if inputs[state] != outputs[output]:
            raise UsageError(
                f"states= feeds '{state}' {inputs[state]} by '{output}' {outputs[output]}; expected equal shapes"
            )
    twice = [output for output in stated.values() if list(stated.values()).count(output) > 1]
    if twice:
        raise UsageError(f"states= feeds output '{twice[0]}' back twice; name an output for each state")


def _by_name(
    inputs: Shapes, outputs: Shapes, states: Mapping[str, str], frames: Sequence[str], ends: bool
) -> dict[str, str]:
    """Return the inputs and outputs whose names are equal without directions, and whose shapes are equal."""
    matched: dict[str, str] = {}
    ins = {name: stem_of(name, ends) for name in inputs if name not in states and name not in frames}
    outs = {name: stem_of(name, ends) for name in outputs if name not in states.values()}
    for name, stem in ins.items():
        alike = [each for each, other in outs.items() if other == stem and outputs[each] == inputs[name]]
        alone = list(ins.values()).count(stem) == 1
        if re.search("[a-z]", stem) and alone and len(alike) == 1:
            matched[name] = alike[0]
    return matched


def _refusal(
    rest: Sequence[str], fitting: Sequence[Sequence[int]], inputs: Shapes, free: Sequence[str], outputs: Shapes
) -> UnsupportedError:
    shown = ", ".join(f"'{name}' {outputs[name]}" for name in free) or "none"
    lacking = next((name for name, each in zip(rest, fitting, strict=True) if not each), None)
    if lacking is not None:
        return UnsupportedError(
            f"input '{lacking}' {inputs[lacking]} is neither a frame nor a state: no output of its shape depends on it "
            f"(outputs: {shown}); name the inputs that are frames with inputs= (--inputs), the output that it is in "
            "the next step with states= (--state), or its value in every step with constants= (--constant)"
        )
    several = next(k for k, each in enumerate(fitting) if len(each) > 1 or fitting.count(each) > 1)
    could = " or ".join(f"'{free[j]}'" for j in fitting[several])
    return UnsupportedError(
        f"state '{rest[several]}' {inputs[rest[several]]} could be {could} in the next step; say which with states= "
        f"(--state {free[fitting[several][0]]}={rest[several]})"
    )
