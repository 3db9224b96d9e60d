"""The goldens of a package on a program: how far it is from them, and whether its states live."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.model.graph import OUTPUT
from edgernn.package.goldens import Goldens
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.program import Program


def distance(actual: Array, expected: Array) -> float:
    """Return the largest difference; equal infinities do not differ, and neither do two NaN."""
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        error = np.abs(actual - expected)[~same].max(initial=0.0)
    return float(np.inf if np.isnan(error) else error)


def distances(program: Program, goldens: Goldens) -> dict[str, float]:
    """Run the goldens; return how far the program is from them in `y` and in each state, by name."""
    stream = program.stream()
    saved = stream.state
    far = dict.fromkeys((OUTPUT, *saved), 0.0)

    def compare(actual: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
        for name, array in expected.items():
            far[name] = max(far[name], distance(actual[name], array))

    for t, (frame, answer) in enumerate(zip(goldens.frames, goldens.answers, strict=True)):
        if t == goldens.reset:
            stream.reset()
        elif t == goldens.snapshot:
            saved = stream.state
            compare(saved, goldens.states)
        elif t == goldens.resume:
            stream.state = saved
        compare({OUTPUT: flat_answer(stream.step(frame))}, {OUTPUT: answer})
    compare(stream.state, goldens.last)
    return far


def dead_states(program: Program, goldens: Goldens) -> tuple[str, ...]:
    """Return the states that change the answers of the definition, but no bit of those of the program."""
    stream, frames = program.stream(), goldens.frames[goldens.snapshot : goldens.resume]

    def answers(changed: Mapping[str, Array]) -> Array:
        stream.state = {**goldens.states, **changed}
        return flat_answer(stream.run(frames))

    usual = answers({})
    return tuple(name for name, state in goldens.changed.items() if not distance(answers({name: state}), usual))


def resets(program: Program, goldens: Goldens) -> bool:
    """Return whether a reset stream answers as a new one does, to the bit."""
    stream, frames = program.stream(), goldens.frames[: goldens.reset]
    first = flat_answer(stream.run(frames))
    stream.run(goldens.frames[goldens.reset :])
    return np.array_equal(flat_answer(stream.reset().run(frames)), first, equal_nan=True)


@dataclass(frozen=True)
class Replayed:
    """What the goldens show of a program.

    Attributes:
        far: how far it is from them in `y` and in each state, by name.
        tolerance: how far it may be.
        dead: the states that change none of its answers, and should.
        resets: whether a reset stream answers as a new one.
    """

    far: Mapping[str, float]
    tolerance: Mapping[str, float]
    dead: tuple[str, ...]
    resets: bool

    @property
    def beyond(self) -> str:
        """What is further away than its tolerance, in words; "" where nothing is."""
        worst = (name for name, far in self.far.items() if not far <= self.tolerance[name])
        return "; ".join(
            f"'{name}' is off by {self.far[name]:.3g}, and may be by {self.tolerance[name]:.3g}" for name in worst
        )

    @property
    def lifeless(self) -> str:
        """What is wrong with the states, in words; "" where they live."""
        if self.dead:
            return f"state {', '.join(map(repr, self.dead))} changes no answer"
        return "" if self.resets else "a reset stream does not answer as a new one"


def replay(program: Program, goldens: Goldens, tolerance: Mapping[str, float]) -> Replayed:
    """Run the goldens through a program, exchange its states, and reset it."""
    dead = dead_states(program, goldens)
    return Replayed(distances(program, goldens), tolerance, dead, resets(program, goldens))
