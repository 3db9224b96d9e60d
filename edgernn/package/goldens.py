"""The goldens of a package: recorded frames with the answers of the definition, a reset, a snapshot and a resume.

The states begin at rest. Before frame `reset` the stream is reset. Before frame `snapshot` its states are saved, and
before frame `resume` they are set again. After the last frame its states are compared too. For liveness, one state
after the other is exchanged in the snapshot for a changed one, which must change the answers until `resume`.

They are a safetensors file, as a `.rnn` is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgernn.array import Array
from edgernn.artifact import layout
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FileError
from edgernn.files import bounded_json

EVENTS = ("reset", "snapshot", "resume")
LONGEST = 1 << 16  # frames
_FRAMES, _ANSWERS = "frames", "answers"
_SNAPSHOT, _LAST, _CHANGED = "snapshot.", "last.", "changed."


@dataclass(frozen=True, eq=False)
class Goldens:
    """Frames and answers.

    Attributes:
        frames: (steps, inputs), float32, or int32 for symbols.
        answers: (steps, outputs), float32.
        reset, snapshot, resume: indices of frames, ascending.
        states: those before frame `snapshot`, by name, float32 (width,).
        last: those after the last frame.
        changed: a changed state for each state that changes the answers when it is in the snapshot, by name.
    """

    frames: Array
    answers: Array
    reset: int
    snapshot: int
    resume: int
    states: Mapping[str, Array]
    last: Mapping[str, Array]
    changed: Mapping[str, Array]


def dump(goldens: Goldens) -> bytes:
    """Return the bytes of goldens; frames that float16 holds exactly are stored as float16."""
    frames = goldens.frames.astype(np.float32)
    with np.errstate(over="ignore"):
        short = frames.astype(np.float16)
    arrays = {_FRAMES: short if np.array_equal(short, frames) else frames, _ANSWERS: goldens.answers}
    for prefix, states in ((_SNAPSHOT, goldens.states), (_LAST, goldens.last), (_CHANGED, goldens.changed)):
        arrays |= {f"{prefix}{name}": state for name, state in states.items()}
    events = {event: getattr(goldens, event) for event in EVENTS}
    return layout.packed({"edgernn.goldens": json.dumps(events, separators=(",", ":"))}, arrays)


def parse(data: bytes, contract: Manifest, name: str) -> Goldens:
    """Return the goldens in the bytes of a member; `name` is the name of the package in messages.

    Raises:
        FileError: the bytes are no goldens of this contract.
    """
    try:
        metadata, arrays = layout.unpacked(data)
        events = bounded_json.loads(metadata["edgernn.goldens"])
        symbols = contract.vocabulary_size
        frames = arrays[_FRAMES].astype(np.int32 if symbols else np.float32)
        groups = [_named(arrays, prefix) for prefix in (_SNAPSHOT, _LAST, _CHANGED)]
        goldens = Goldens(frames, arrays[_ANSWERS], *(events[event] for event in EVENTS), *groups)
        _check(goldens, contract, arrays[_FRAMES])
        return goldens
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"the goldens of '{name}' cannot be read: {error}; export the package again") from error


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _check(goldens: Goldens, contract: Manifest, stored: Array) -> None:
    """Refuse shapes that do not fit the contract, and events that are not in order."""
    events = (0, goldens.reset, goldens.snapshot, goldens.resume, len(goldens.frames))
    if any(type(each) is not int for each in events) or not all(a < b for a, b in pairwise(events)):
        raise ValueError(
            f"its reset, snapshot and resume are at {events[1:-1]}; expected them ascending, in its frames"
        )
    steps, inputs = len(goldens.frames), contract.inputs
    if steps > LONGEST or stored.shape != (steps, inputs):
        raise ValueError(f"its frames have the shape {stored.shape}; expected (up to {LONGEST:,}, {inputs})")
    if not np.array_equal(stored, goldens.frames):
        raise ValueError("a frame is not a number, or a symbol is not whole")
    if goldens.answers.shape != (steps, contract.outputs):
        raise ValueError(f"its answers have the shape {goldens.answers.shape}; expected {(steps, contract.outputs)}")
    widths = {name: (width,) for name, width in contract.states.items()}
    for group in (goldens.states, goldens.last):
        if {name: state.shape for name, state in group.items()} != widths:
            raise ValueError("its states are not those of the contract")
    if not all(widths.get(name) == state.shape for name, state in goldens.changed.items()):
        raise ValueError("a changed state is not one of the contract")
    floats = (goldens.answers, *goldens.states.values(), *goldens.last.values(), *goldens.changed.values())
    if any(array.dtype != np.float32 for array in floats):
        raise ValueError("its answers or states are not float32")
