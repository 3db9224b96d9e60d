"""The proof of an adopted file: its stream answers as plain calls do, and every frame and every state counts."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

import numpy as np

from edgernn.array import Array
from edgernn.artifact.adopted import CONTEXT, Adopted
from edgernn.artifact.manifest import Manifest
from edgernn.errors import ParityError, UnsupportedError
from edgernn.integer.overflow import MOST
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.parts import slices
from edgernn.process import interrupt
from edgernn.runtime.adopted import answers, drawn, encoded
from edgernn.runtime.backend import WindowEngine
from edgernn.runtime.float_io import initial_state, integers, numbers
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.program import Program
from edgernn_export.adoption.original import Original

STEPS = 12
SIZE = 1e-4  # of the largest answer, or of 1: how far another version of the runtime may be
OWN = 8.0  # times what the arithmetic loses when frames and states are moved by a last digit, or an integer
LAST_DIGIT, INTEGER = 2.0**-22, 2.0**-8  # of float32; of what is rounded to 8 bits

LIMITS = (MOST, *(2.0**k for k in (72, 64, 56, 48, 40, 32, 24, 16, 8, 0)))
"""Magnitudes of a frame that are tried; frames of 1 are known to be finite."""

Arrays = dict[str, Array]


class Loop:
    """The file in a plain loop over its runtime, with float32 outside: what a stream of it must compute."""

    def __init__(self, original: Original, manifest: Manifest, adopted: Adopted) -> None:
        self._original, self._manifest, self._adopted = original, manifest, adopted

    def step(self, frame: Array, states: Arrays) -> tuple[Array, Arrays]:
        """Return the answer to a frame, and the states after it."""
        manifest, adopted = self._manifest, self._adopted
        arguments, after, at = dict[str, Array](), Arrays(), slices(adopted.widths)
        for name, info in adopted.inputs.items():
            context = f"{name}{CONTEXT}"
            full = np.concatenate([states[context], frame[at[name]]]) if name in adopted.context else frame[at[name]]
            arguments[info.name] = integers(manifest, INPUT, full).reshape(info.shape)
            if name in adopted.context:
                after[context] = _rounded(manifest, context, full[-adopted.context[name] :])
        for name, info in adopted.states.items():
            arguments[info.name] = integers(manifest, name, states[name]).reshape(info.shape)
        for each in adopted.constants.values():
            arguments[each.tensor.name] = np.full(each.tensor.shape, each.value, each.tensor.dtype)
        results = self._original.call(arguments)
        for name, info in adopted.results.items():
            leaving = adopted.requantized.get(name, manifest.quantization.get(name))
            result = results[info.name].ravel()
            new = result if leaving is None else leaving.numbers(result.astype(np.int64))
            after[name] = _rounded(manifest, name, new)
        whole = np.concatenate([results[info.name].ravel() for info in adopted.outputs.values()])
        return numbers(manifest, OUTPUT, whole), {name: after[name] for name in manifest.states}


def _rounded(manifest: Manifest, name: str, x: Array) -> Array:
    """Return a state as the artifact holds it, in float32."""
    return numbers(manifest, name, integers(manifest, name, x))


def frames_of(manifest: Manifest, seed: int, *, positive: bool) -> Array:
    """Return random frames (STEPS, inputs)."""
    frames = drawn(STEPS * manifest.inputs, seed).reshape(STEPS, manifest.inputs)
    return np.abs(frames) if positive else frames


def states_of(manifest: Manifest, seed: int) -> Arrays:
    """Return random states as the artifact holds them, in float32."""
    drawings = {name: drawn(width, seed + k) for k, (name, width) in enumerate(manifest.states.items())}
    return {name: _rounded(manifest, name, state) for name, state in drawings.items()}


def prove(program: Program, original: Original) -> bool:
    """Prove a program against the plain loop; return whether only positive frames have finite answers.

    Raises:
        UnsupportedError: the file answers one call in two ways, is not finite, or a frame or a state does not count.
        ParityError: the stream and the loop differ.
    """
    manifest = program.manifest
    assert manifest.adopted is not None
    loop = Loop(original, manifest, manifest.adopted)
    check_stateless(program.name, original, loop, manifest)
    positive = not _finite(loop, manifest, positive=False)
    if positive and not _finite(loop, manifest, positive=True):
        raise UnsupportedError(
            f"'{program.name}' gives answers or states that are not finite, from frames between -1 and 1 and from "
            "frames between 0 and 1; check its inputs and constants"
        )
    _compare(program, loop, positive=positive)
    check_live(program.name, loop, manifest, positive=positive)
    return positive


def check_stateless(name: str, original: Original, loop: Loop, manifest: Manifest) -> None:
    """Refuse a file that answers the same call in two ways."""
    states, frames = states_of(manifest, 50), frames_of(manifest, 60, positive=True)
    first, other, again = (loop.step(frame, states) for frame in (frames[0], frames[1], frames[0]))
    del other
    if _equal(first, again):
        return
    hidden = original.reset() and _equal(loop.step(frames[0], states), _after_reset(original, loop, frames[0], states))
    reason = (
        "it keeps a state inside its runtime, which cannot be listed, saved or restored: `edgernn import` reads it as "
        "a graph, or convert it with its states as inputs and outputs"
        if hidden
        else "it draws random numbers, or keeps what it has computed: remove that and convert it again"
    )
    raise UnsupportedError(f"'{name}' answers the same call in two ways: {reason}")


def _after_reset(original: Original, loop: Loop, frame: Array, states: Arrays) -> tuple[Array, Arrays]:
    original.reset()
    return loop.step(frame, states)


def _equal(one: tuple[Array, Arrays], other: tuple[Array, Arrays]) -> bool:
    same = np.array_equal(one[0], other[0], equal_nan=True)
    return same and all(np.array_equal(one[1][name], other[1][name], equal_nan=True) for name in one[1])


def _finite(loop: Loop, manifest: Manifest, *, positive: bool) -> bool:
    starts = (_initial(manifest), states_of(manifest, 7))
    frames = frames_of(manifest, 1, positive=positive)
    return all(
        np.isfinite(y).all() and _are_finite(after) for start in starts for y, after in _run(loop, frames, start)
    )


def _are_finite(states: Mapping[str, Array]) -> bool:
    return all(np.isfinite(state).all() for state in states.values())


def _initial(manifest: Manifest) -> Arrays:
    states = zip(manifest.states, initial_state(manifest, raw=False), strict=True)
    return {name: _rounded(manifest, name, state) for name, state in states}


def _run(loop: Loop, frames: Array, states: Arrays) -> list[tuple[Array, Arrays]]:
    """Return the answer to each frame, and the states behind it."""
    results = []
    for frame in frames:
        interrupt.check()
        y, states = loop.step(frame, states)
        results.append((y, states))
    return results


def _compare(program: Program, loop: Loop, *, positive: bool) -> None:
    """Compare a stream with the plain loop, from the initial states and from random ones, to the last bit."""
    manifest = program.manifest
    for seed, start in enumerate((_initial(manifest), states_of(manifest, 7))):
        stream, frames = program.stream(), frames_of(manifest, 2 + seed, positive=positive)
        if seed:
            stream.state = start
        for t, (frame, (y, after)) in enumerate(zip(frames, _run(loop, frames, start), strict=True)):
            actual = {"y": flat_answer(stream.step(frame)), **stream.state}
            for name, expected in {"y": y, **after}.items():
                if not np.array_equal(actual[name], expected):
                    error = float(np.abs(actual[name] - expected).max())
                    raise ParityError(
                        f"'{program.name}' as a stream is {error:.3g} from plain calls of {program.backend}, at step "
                        f"{t} in '{name}': its tensors may have no fixed place in memory; `edgernn import` reads it"
                    )


def check_live(name: str, loop: Loop, manifest: Manifest, *, positive: bool) -> None:
    """Refuse a frame or a state that changes no answer, and a state that never changes."""
    frames, start = frames_of(manifest, 3, positive=positive), states_of(manifest, 20)
    answered = _run(loop, frames, start)
    parts = slices(manifest.named_inputs or {"": manifest.inputs})
    other = frames_of(manifest, 4, positive=positive)
    for part, at in parts.items():
        changed = frames.copy()
        changed[:, at] = other[:, at]
        if all(_equal(a, b) for a, b in zip(answered, _run(loop, changed, start), strict=True)):
            raise UnsupportedError(
                f"'{name}': input '{part or next(iter(_inputs(manifest)))}' changes no answer and no state; give "
                "--constant its value, or name the frames with --inputs"
            )
    for state in _inputs_of_states(manifest):
        _check_state(name, loop, manifest, state, frames, start, answered)


def _check_state(
    name: str,
    loop: Loop,
    manifest: Manifest,
    state: str,
    frames: Array,
    start: Arrays,
    answered: list[tuple[Array, Arrays]],
) -> None:
    hint = f"say which inputs are frames with --inputs, or which output it is with --state OUTPUT={state}"
    if all(np.array_equal(after[state], start[state]) for _, after in answered):
        raise UnsupportedError(f"'{name}': state '{state}' never changes, so it is no state; {hint}")
    moved = _run(loop, frames, start | {state: states_of(manifest, 90)[state]})
    if all(np.array_equal(a[0], b[0]) for a, b in zip(answered, moved, strict=True)):
        raise UnsupportedError(f"'{name}': state '{state}' changes no answer in {STEPS} steps; {hint}")


def _inputs(manifest: Manifest) -> Mapping[str, object]:
    assert manifest.adopted is not None
    return manifest.adopted.inputs


def _inputs_of_states(manifest: Manifest) -> Mapping[str, object]:
    assert manifest.adopted is not None
    return manifest.adopted.states


def recorded(program: Program, original: Original, *, positive: bool) -> Manifest:
    """Return the manifest with the answers of the program, how far another runtime may be from them, and its limit."""
    manifest, engine, quantized = program.manifest, program.engine, original.quantized
    assert manifest.adopted is not None
    assert not isinstance(engine, WindowEngine)
    random = np.random.default_rng(0)
    digit = INTEGER if quantized else LAST_DIGIT

    def moved(x: Array) -> Array:
        near: Array = (x + digit * random.uniform(-1, 1, x.shape) * (1 if quantized else np.abs(x))).astype(np.float32)
        return near

    exact = answers(engine, positive=positive)
    own = max(float(np.abs(answers(engine, positive=positive, moved=moved) - exact).max()) for _ in range(4))
    tolerance = SIZE * max(1.0, float(np.abs(exact).max())) + OWN * own
    adopted = replace(
        manifest.adopted,
        answers=encoded(exact),
        tolerance=tolerance if isfinite(tolerance) else SIZE,
        positive=positive,
    )
    return replace(manifest, adopted=adopted, limit=_limit(Loop(original, manifest, adopted), manifest))


def _limit(loop: Loop, manifest: Manifest) -> float:
    """Return the largest magnitude of LIMITS from which everything stays finite; any, where frames are clipped."""
    if INPUT in manifest.quantization:
        return manifest.limit
    for limit in LIMITS[:-1]:
        frames = frames_of(manifest, 5, positive=False)
        frames = np.concatenate([np.sign(frames) * limit, np.full_like(frames, limit)]).astype(np.float32)
        with np.errstate(all="ignore"):
            results = _run(loop, frames, _initial(manifest))
        if all(np.isfinite(y).all() and _are_finite(after) for y, after in results):
            return limit
    return LIMITS[-1]
