"""How a package with an encoder and a decoder turns one text into another."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgernn.artifact.manifest import Manifest
from edgernn.errors import UsageError

END, START, UNKNOWN = "<end>", "<start>", "<unknown>"
"""The symbol after a text, that before a result, and that of all which are not known."""

ENCODER = "encoder.edge"
"""The member with the encoder: a package of its own."""

MEMORY, MASK, CARRIED = "attention.memory", "attention.mask", "gru"
"""The states of a decoder that are written before it begins: positions, their mask, and the layer of the encoder."""

UNITS = ("character", "token")


@dataclass(frozen=True)
class Translation:
    """How an encoder and a decoder are used together.

    Attributes:
        source: the symbols that the encoder reads, END and UNKNOWN among them.
        target: the symbols that the decoder scores, END, START and UNKNOWN among them.
        unit: "character", or "token" between white space.
        memory: positions that the decoder attends to: the longest text, with its END.
        longest: symbols after which a result is cut.
        beam: results that are followed at a time.

    Raises:
        ValueError: a number or a unit is none, or a symbol is missing or comes twice.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    unit: str
    memory: int
    longest: int
    beam: int = 4

    def __post_init__(self) -> None:
        if self.unit not in UNITS or min(self.memory - 1, self.longest, self.beam) < 1:
            raise ValueError(
                f"a translation has unit {self.unit!r}, memory {self.memory}, longest {self.longest}, beam {self.beam}"
            )
        for name, symbols, needed in (("source", self.source, (END,)), ("target", self.target, (END, START))):
            if len({*symbols}) < len(symbols) or not {*needed, UNKNOWN} <= {*symbols} or symbols[0] != UNKNOWN:
                raise ValueError(
                    f"the symbols of the {name} come twice, or one of {UNKNOWN}, {', '.join(needed)} is missing"
                )

    def numbers(self, text: str) -> tuple[list[int], tuple[str, ...]]:
        """The numbers of the symbols of a text with END, and the symbols that are not known.

        Raises:
            UsageError: the text is empty, or longer than the memory.
        """
        parts = list(text) if self.unit == "character" else text.split()
        if not parts:
            raise UsageError("the text is empty; expected at least one symbol")
        if len(parts) >= self.memory:
            raise UsageError(
                f"the text has {len(parts)} {self.unit}s, and the decoder's memory holds {self.memory - 1}: split it"
            )
        unknown = dict.fromkeys(part for part in parts if part not in self._rows)
        return [*(self._rows.get(part, 0) for part in parts), self._rows[END]], tuple(unknown)

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        """The number of each symbol of the source."""
        return {symbol: k for k, symbol in enumerate(self.source)}

    def text(self, numbers: tuple[int, ...]) -> str:
        """The text of some symbols of the target."""
        return ("" if self.unit == "character" else " ").join(self.target[k] for k in numbers)

    def check(self, encoder: Manifest, decoder: Manifest) -> None:
        """Check that an encoder and a decoder belong together.

        Raises:
            ValueError: they do not.
        """
        states = {name: width for name, width in decoder.states.items() if name.startswith(f"{CARRIED}.")}
        positions = {MEMORY: self.memory * encoder.outputs, MASK: self.memory}
        attends = MEMORY in decoder.states
        if (
            encoder.vocabulary_size != len(self.source)
            or decoder.vocabulary_size != len(self.target)
            or decoder.labels != self.target
            or not states.items() <= encoder.states.items()
            or decoder.states != {**states, **(positions if attends else {})}
        ):
            raise ValueError(
                f"the encoder reads {encoder.vocabulary_size} symbols and the decoder {decoder.vocabulary_size}, with "
                f"the states {dict(encoder.states)} and {dict(decoder.states)}: they do not belong together"
            )
