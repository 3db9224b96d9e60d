"""Which output is which state in the next call: by name, and then by order and shape."""

import re
from collections.abc import Sequence

from edgernn.errors import UnsupportedError
from edgernn_export.adoption.original import Endpoint

STATE_WORDS = frozenset(
    {
        *(
            "h",
            "c",
            "hc",
            "hx",
            "cx",
            "state",
            "states",
            "hidden",
            "cell",
            "cache",
            "caches",
            "mem",
            "memory",
            "memories",
        ),
        *("carry", "context", "ctx", "buffer", "buf", "history", "past", "lstm", "gru", "rnn"),
    }
)
"""Words in the names of states."""

_ENTERING = frozenset({"in", "input", "inputs", "prev", "previous", "old", "last", "initial", "init", "before"})
_LEAVING = frozenset({"out", "output", "outputs", "new", "next", "n", "updated", "current", "cur", "after", "final"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

Pairs = dict[str, str]
"""An input that is a state -> the output that it is in the next call, by their names in the runtime."""


def matched(inputs: Sequence[Endpoint], outputs: Sequence[Endpoint], *, frames: bool, answers: bool) -> Pairs:
    """Return the states among inputs and outputs, whose shapes are those of a call.

    Names that differ by a word such as "in" and "out" belong together; then what has a name of a state, or another
    input and output beside it. Of the rest, outputs are states in their order, where their shapes are those of inputs.

    Args:
        inputs: those that may be states.
        outputs: likewise.
        frames: whether other inputs are frames; else one of these is no state.
        answers: whether other outputs are answers; else one of these is no state.

    Raises:
        UnsupportedError: several outputs may be a state.
    """
    named = _by_name(inputs, outputs)
    pairs = {i.name: o.name for i, o in named if _of_state(i, _ENTERING) or _of_state(o, _LEAVING)}
    for i, o in named:
        left = len(inputs) - len(pairs) > 1 or frames, len(outputs) - len(pairs) > 1 or answers
        if i.name not in pairs and all(left):
            pairs[i.name] = o.name
    ins = [each for each in inputs if each.name not in pairs]
    outs = [each for each in outputs if each.name not in pairs.values()]
    pairs |= _by_shape(ins if frames else _but_one(ins, _ENTERING), outs if answers else _but_one(outs, _LEAVING))
    _check_rest(inputs, outputs, pairs, frames=frames, answers=answers)
    return pairs


def _check_rest(
    inputs: Sequence[Endpoint], outputs: Sequence[Endpoint], pairs: Pairs, *, frames: bool, answers: bool
) -> None:
    """Refuse to choose where what is left could be a state beside another input and output."""
    ins = [each for each in inputs if each.name not in pairs]
    outs = [each for each in outputs if each.name not in pairs.values()]
    beside = (frames or len(ins) > 1) and (answers or len(outs) > 1)
    for i in sorted(ins, key=lambda each: not _of_state(each, _ENTERING)):
        fitting = [each for each in outs if _alike(i, each)]
        if (fitting and beside) or (_of_state(i, _ENTERING) and not fitting and len(inputs) > 1):
            raise _ambiguous(i, fitting, outputs)


def _by_name(inputs: Sequence[Endpoint], outputs: Sequence[Endpoint]) -> list[tuple[Endpoint, Endpoint]]:
    """Return the inputs and outputs whose names have one stem, and that of no others."""
    pairs = [(i, o) for i in inputs for o in outputs if _alike(i, o) and _entering(i) & _leaving(o)]
    ins, outs = [i.name for i, _ in pairs], [o.name for _, o in pairs]
    return [(i, o) for i, o in pairs if ins.count(i.name) == 1 and outs.count(o.name) == 1]


def _by_shape(inputs: Sequence[Endpoint], outputs: Sequence[Endpoint]) -> Pairs:
    """Return inputs with the outputs of their shape, where there are as many, in their order."""
    pairs: Pairs = {}
    for i in inputs:
        same = [each for each in inputs if _alike(each, i)]
        fitting = [each for each in outputs if _alike(i, each)]
        if len(same) == len(fitting):
            pairs[i.name] = fitting[same.index(i)].name
    return pairs


def _ambiguous(i: Endpoint, fitting: Sequence[Endpoint], outputs: Sequence[Endpoint]) -> UnsupportedError:
    could = f"could be output {' or '.join(map(str, fitting))} in the next call"
    if not fitting:
        could = f"is called as a state, and no output has its shape; there are {', '.join(map(str, outputs))}"
    return UnsupportedError(
        f"input {i} {could}; say which output it is: --state OUTPUT={i.alias}, or name all inputs that are "
        f"frames, as in --inputs {i.alias}"
    )


def _alike(i: Endpoint, o: Endpoint) -> bool:
    return i.shape == o.shape and i.dtype == o.dtype


def _but_one(among: list[Endpoint], words: frozenset[str]) -> list[Endpoint]:
    """Leave out the first that has no name of a state: a frame, or an answer to it."""
    first = next((each for each in among if not _of_state(each, words)), among[0] if among else None)
    return [each for each in among if each is not first]


def _of_state(each: Endpoint, words: frozenset[str]) -> bool:
    return any(set(stem.split("_")) & STATE_WORDS for stem in _stems(each.alias, words))


def _entering(each: Endpoint) -> set[str]:
    """Return what the name of an input says besides that it is one: "h" of "h_in", "prev_h" and "h0"."""
    return _stems(each.alias, _ENTERING, "0")


def _leaving(each: Endpoint) -> set[str]:
    """Return the same of an output: "h" of "h_out", "new_h" and "hn"."""
    return _stems(each.alias, _LEAVING, "n")


def _stems(name: str, words: frozenset[str], ending: str = "") -> set[str]:
    parts = [word.lower() for word in _WORD.findall(name)]
    rest = [word for word in parts if word not in words]
    stems = {"_".join(rest)}
    if ending and rest and rest == parts:
        last = rest[-1].removesuffix(ending)
        stems.add("_".join([*rest[:-1], last] if last else rest[:-1]))
    return {stem for stem in stems if any(character.isalpha() for character in stem)}
