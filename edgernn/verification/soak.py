"""A long run of an artifact beside its definition in float64: whether its error, its states or its memory grow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, cycle
from typing import Any

from edgernn.errors import UsageError
from edgernn.interpreters.numpy import random_frames
from edgernn.process import interrupt
from edgernn.runtime.program import Program
from edgernn.runtime.recorded import read_steps
from edgernn.verification.course import BLOCK, Pair, Part, joined
from edgernn.verification.drift import Growth, growths, reasons
from edgernn.verification.subject import subject

LEAST = 10_000
"""The fewest steps: a hundred in each part."""

PARTS, TENTHS = 100, 10
"""How many parts a run has, each of them a point of a drawing; and how many tenths."""

STABLE, DRIFTS, STOPPED = "STABLE", "DRIFTS", "STOPPED"


@dataclass(frozen=True)
class SoakOptions:
    """What is run.

    Attributes:
        artifact: a path, as edgernn.verification.subject takes it.
        steps: how many, at least LEAST.
        frames: a file of frames that are repeated; None for random ones, which never repeat.
        seed: of the random frames, 0 or above.
        reference, backend: as edgernn.verification.subject.

    Raises:
        UsageError: too few steps, or a seed below 0.
    """

    artifact: str
    steps: int = 1_000_000
    frames: str | None = None
    seed: int = 0
    reference: str | None = None
    backend: str | None = None

    def __post_init__(self) -> None:
        if self.steps < LEAST:
            raise UsageError(f"steps={self.steps:,} arrived; expected at least {LEAST:,}, such as 1e6")
        if self.seed < 0:
            raise UsageError(f"seed={self.seed} arrived; expected a number of at least 0")


@dataclass(frozen=True)
class Soak:
    """What a run showed until now.

    Attributes:
        options: what was asked for.
        backend: the runtime with its version.
        sha256, precision: of the artifact.
        parts: of the run, at least one, each a hundredth of it.
    """

    options: SoakOptions
    backend: str
    sha256: str
    precision: str
    parts: tuple[Part, ...]

    @property
    def steps(self) -> int:
        """How many steps there were until now."""
        return sum(part.steps for part in self.parts)

    @property
    def tenths(self) -> tuple[Part, ...]:
        """The run in tenths of its steps; the last is shorter where it was stopped."""
        return tuple(map(joined, self._tenths))

    @property
    def growths(self) -> dict[str, Growth]:
        """How the output and each state grew, by name."""
        return growths(self._tenths)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What drifts, in words."""
        return reasons(self._tenths)

    @property
    def _tenths(self) -> tuple[tuple[Part, ...], ...]:
        size = PARTS // TENTHS
        return tuple(self.parts[start : start + size] for start in range(0, len(self.parts), size))

    @property
    def verdict(self) -> str:
        """STABLE or DRIFTS; STOPPED before the last step."""
        if len(self.parts) < PARTS:
            return STOPPED
        return DRIFTS if self.reasons else STABLE


@interrupt.deferred()
def soak(options: SoakOptions, progress: Callable[[Soak], None] = lambda _: None) -> Soak:
    """Run an artifact and its definition on the same frames, and compare the output and all states after each step.

    Args:
        options: what is run.
        progress: called after each hundredth of the run with what it showed until then.

    Raises:
        EdgernnError: as edgernn.verification.subject; or a frame is refused.
        Interrupted: a signal has arrived.
    """
    pair = subject(options.artifact, options.reference, options.backend)
    program = pair.program
    both = Pair(program, pair.graph, _frames(options, program))
    result = Soak(options, program.backend, program.sha256, program.manifest.precision, ())
    for k in range(PARTS):
        part = both.run((k + 1) * options.steps // PARTS - k * options.steps // PARTS)
        result = replace(result, parts=(*result.parts, part))
        progress(result)
    return result


def _frames(options: SoakOptions, program: Program) -> Iterator[Any]:
    """Return the frames, without end. A file is read at once."""
    if options.frames is not None:
        return cycle(read_steps(options.frames, program))
    return _random(program, options.seed)


def _random(program: Program, seed: int) -> Iterator[Any]:
    manifest = program.manifest
    for k in count():
        yield from random_frames(manifest.inputs, manifest.vocabulary_size, BLOCK, (seed, k))
