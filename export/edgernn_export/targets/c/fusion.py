"""Words that run as one: elementwise words of one width share a loop, and their values stay in registers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.model.record import Ref, Word
from edgernn.model.trace import Trace, without_idle

ELEMENTWISE = ("add", "subtract", "multiply", "scale", "sigmoid", "tanh", "relu", "moved")
SPREAD = ("add", "subtract", "multiply", "sigmoid", "tanh", "relu")  # all whose arguments are values


@dataclass(frozen=True)
class Group:
    """One word, or elementwise words of one width in the order in which they run."""

    words: tuple[Word, ...]
    stored: tuple[Ref, ...]  # the values that something after it needs

    @property
    def looped(self) -> bool:
        """Whether it is a loop over blocks of lanes."""
        return self.words[0].name in ELEMENTWISE

    @property
    def width(self) -> int:
        """Of each value in a loop."""
        return self.words[0].widths[0]


def grouped(steps: Trace) -> tuple[Group, ...]:
    """The words of a trace in groups; a split of something older does not end a loop."""
    runs: list[list[Word]] = []
    for word in steps.words:
        open_loop = runs[-1] if runs and runs[-1][0].name in ELEMENTWISE else []
        if open_loop and word.name in ELEMENTWISE and _alike(word, open_loop[0]):
            open_loop.append(word)
        elif open_loop and word.name == "split" and not _made_by(open_loop) & set(word.reads):
            runs.insert(len(runs) - 1, [word])
        else:
            runs.append([word])
    return tuple(Group(tuple(run), _stored(run, steps)) for run in runs)


def spread(steps: Trace, whole: Collection[str] = ()) -> Trace:
    """The trace with elementwise words that only a split reads said of the parts: not split(a + b) but parts added.

    So the gates of an LSTM, which are added in one piece, join the loop that uses them. Values that are `whole`, by
    name, stay as they are: their grid has been laid for the whole.
    """
    words = list(steps.words)
    for cut in [word for word in steps.words if word.name == "split"]:
        maker = next((word for word in words if cut.reads[0] in word.made), None)
        if maker is None or maker.name not in SPREAD or not _only_read_by(cut, cut.reads[0], words, steps):
            continue
        if any(ref.name in whole for word in (maker, cut) for ref in word.made):
            continue
        said = _said_of_parts(maker, cut, words)
        at = words.index(cut)
        words[at : at + 1] = said
        words.remove(maker)
    return without_idle(replace(steps, words=tuple(words)))


def _said_of_parts(maker: Word, cut: Word, words: Sequence[Word]) -> list[Word]:
    """A split of each value that the maker reads, then the maker's word for each part, under the part's old name."""
    free = max(word.k + len(word.widths) for word in words if word.layer == cut.layer)
    sources = dict.fromkeys(maker.reads)
    splits = {
        ref: replace(cut, k=free + i * len(cut.widths), args=(ref, *cut.args[1:])) for i, ref in enumerate(sources)
    }
    parts = [
        Word(cut.layer, cut.k + i, maker.name, tuple(splits[ref].made[i] for ref in maker.reads), (width,))
        for i, width in enumerate(cut.widths)
    ]
    return [*splits.values(), *parts]


def _only_read_by(reader: Word, ref: Ref, words: Sequence[Word], steps: Trace) -> bool:
    return ref not in steps.results and all(word is reader for word in words if ref in word.reads)


def _alike(a: Word, b: Word) -> bool:
    return (a.layer, a.widths) == (b.layer, b.widths)


def _stored(run: Sequence[Word], steps: Trace) -> tuple[Ref, ...]:
    """What the run makes and a later word or the caller needs."""
    end = steps.words.index(run[-1])
    return tuple(ref for word in run for ref in word.made if steps.last_use.get(ref.name, -1) > end)


def _made_by(words: Sequence[Word]) -> set[Ref]:
    return {ref for word in words for ref in word.made}
