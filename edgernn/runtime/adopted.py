"""Stepping an adopted file: its tensors as one frame and one answer, and the answers that tell a wrong runtime."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.adopted import CONTEXT, Adopted
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FileError, ParityError
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.parts import slices
from edgernn.runtime.backend import Engine, step_error
from edgernn.runtime.float_io import FloatIO, initial_state

SEQUENCES, STEPS = 2, 3
"""The answers that are compared: to sequences from the initial states, and from random ones."""

SAMPLE = 512  # numbers of each answer and state that are compared, at even distances

_WHOLE = slice(None)  # created once instead of at every step

Copies = tuple[tuple[memoryview, memoryview], ...]
"""Pairs of memory: the first is filled from the second."""


@dataclass(frozen=True)
class Wiring:
    """A frame and an answer over the memory of the tensors of a runtime.

    Attributes:
        x: (inputs,); the memory of the tensor itself where there is one input.
        y: (outputs,); likewise.
        contexts: the memory of each context, by the name of the state.
        before: what is copied before a step.
        after: what is copied after it; the contexts last.
    """

    x: Array
    y: Array
    contexts: Mapping[str, Array]
    before: Copies
    after: Copies


def wired(manifest: Manifest, adopted: Adopted, ins: Mapping[str, Array], results: Mapping[str, Array]) -> Wiring:
    """Return the wiring over the flat memory of the tensors that enter and leave a step, by their names."""
    fulls = {name: ins[info.name] for name, info in adopted.inputs.items()}
    news = {name: full[adopted.context.get(name, 0) :] for name, full in fulls.items()}
    outs = {name: results[info.name] for name, info in adopted.outputs.items()}
    x, y = _whole(news, manifest.dtype(INPUT)), _whole(outs, manifest.dtype(OUTPUT))
    contexts = {f"{name}{CONTEXT}": fulls[name][:count] for name, count in adopted.context.items()}
    shifts = ((fulls[name][:count], fulls[name][-count:]) for name, count in adopted.context.items())
    return Wiring(
        x,
        y,
        contexts,
        _memories((part, x[at]) for part, at in _parts(news)),
        _memories((*((y[at], part) for part, at in _parts(outs)), *shifts)),
    )


def _whole(parts: Mapping[str, Array], dtype: str) -> Array:
    """Return the only part itself, or a new array for several side by side."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    return np.zeros(sum(part.size for part in parts.values()), dtype)


def _parts(parts: Mapping[str, Array]) -> Iterator[tuple[Array, slice]]:
    """Yield each of several parts with its place in the whole; nothing for one."""
    if len(parts) > 1:
        places = slices({name: part.size for name, part in parts.items()})
        yield from ((part, places[name]) for name, part in parts.items())


def _memories(pairs: Any) -> Copies:
    return tuple((to.data, source.data) for to, source in pairs)


def copying(
    call: Callable[[], Any], before: Copies, after: Copies, last: tuple[Callable[[], None], ...] = ()
) -> Callable[[], None]:
    """Return a function that copies, calls, copies and calls the last functions.

    It raises FileError where the runtime refuses the call.
    """

    def step() -> None:
        for to, source in before:
            to[_WHOLE] = source
        try:
            call()
        except RuntimeError as error:
            raise step_error(error) from error
        for to, source in after:
            to[_WHOLE] = source
        for each in last:
            each()

    return step


def into_scratch(pairs: Iterable[tuple[memoryview, memoryview]]) -> Copies:
    """Return the copies into new memory, for a step that changes nothing."""
    return tuple((np.array(to).data, source) for to, source in pairs)


def requantizing(
    to: Array, source: Array, entering: QuantizationParameters, leaving: QuantizationParameters
) -> Callable[[], None]:
    """Return a function that carries a state whose quantization parameters differ before and after a step."""

    def carry() -> None:
        to[...] = entering.integers(leaving.numbers(source.astype(np.int64)))

    return carry


def drawn(count: int, seed: int) -> Array:
    """Return numbers from -1 to 1, the same with every version of numpy: SplitMix64 (Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    numbers: Array = ((z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1).astype(np.float32)
    return numbers


Move = Callable[[Array], Array]


def answers(engine: Engine, *, positive: bool, moved: Move = lambda x: x) -> Array:
    """Return what the file answers: a SAMPLE of the outputs of SEQUENCES of STEPS and of the states behind each.

    Args:
        engine: the file in its runtime.
        positive: whether frames are from 0 to 1, not from -1.
        moved: changes frames and states a little, to learn what the arithmetic loses.
    """
    manifest, results = engine.manifest, list[Array]()
    for sequence in range(SEQUENCES):
        bound = engine.bind()
        step = FloatIO(bound, manifest) if manifest.quantization else bound
        states = initial_state(manifest, raw=False)
        if sequence:
            widths = enumerate(manifest.states.values())
            states = tuple(moved(drawn(width, seed)) for seed, width in widths)
        step.set_states(states)
        for t in range(STEPS):
            frame = drawn(manifest.inputs, 1000 * (sequence + 1) + t)
            step.x[:] = moved(abs(frame) if positive else frame)
            step.step()
            results.append(_sample(step.y).copy())
        results += [_sample(state).copy() for state in step.get_states()]
    return np.concatenate(results).astype(np.float32)


def _sample(x: Array) -> Array:
    return x[:: -(-x.size // SAMPLE)]


def encoded(numbers: Array) -> str:
    """Return float32 as base64."""
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def replay(engine: Engine, name: str) -> None:
    """Compare the answers of a file on this runtime with those that were recorded when it was adopted.

    Raises:
        ParityError: one is further away than the tolerance: this is the wrong runtime for the file.
        FileError: the runtime cannot run the file, or as many were not recorded.
    """
    adopted = engine.manifest.adopted
    if adopted is None or not adopted.answers:
        return
    try:
        actual = answers(engine, positive=adopted.positive)
    except Exception as error:  # of a runtime, which has types of its own
        line = str(error).partition("\n")[0]
        raise FileError(f"{engine.backend} cannot run '{name}': {line}; adopt it again") from error
    try:
        expected = np.frombuffer(base64.b64decode(adopted.answers, validate=True), "<f4")
    except (ValueError, binascii.Error) as error:
        raise FileError(f"the recorded answers of '{name}' cannot be read: {error}; adopt it again") from error
    if expected.shape != actual.shape:
        raise FileError(f"'{name}' has {expected.size} recorded answers; expected {actual.size}: adopt it again")
    with np.errstate(invalid="ignore"):
        distance = float(np.abs(actual - expected).max(initial=0.0))
    if not distance <= adopted.tolerance:
        raise ParityError(
            f"'{name}' on {engine.backend} is {distance:.3g} from what it answered on {adopted.runtime} when it was "
            f"adopted; expected at most {adopted.tolerance:.3g}: run it there, or adopt it again where it shall run"
        )
