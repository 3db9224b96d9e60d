"""Where integers end and float begins: the trace of a step with a word at every such border.

`integers(x)` rounds a float value to its grid, `numbers(x)` makes integers float; each is said once, before the first
word that needs it. `moved(x)` takes a value to the grid of the whole that it becomes a part of. So every other word
reads values of its own kind, and layout and statements know nothing of borders.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgernn.integer.plan import Grid, Static
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.record import Ref, Word
from edgernn.model.trace import Trace

INTEGERS, NUMBERS, MOVED = "integers", "numbers", "moved"


@dataclass(frozen=True)
class Bordered:
    """A step whose borders are said.

    Attributes:
        trace: its words.
        grids: of the values that are integers where they live.
    """

    trace: Trace
    grids: Mapping[str, Grid]


def bordered(steps: Trace, plan: Static) -> Bordered:
    """Say the borders of a step; one without integers has none."""
    door = plan.door
    whole = [state.before.name for state in steps.states if state.name in door] + [INPUT] * (INPUT in door)
    grids = {name: plan.grids[name] for name in (*whole, *plan.whole)}
    words: list[Word] = []
    crossed: dict[str, Ref] = {}

    def across(ref: Ref, layer: str, integer: bool) -> Ref:
        """The value as the reader wants it."""
        if (ref.name in grids) == integer:
            return ref
        if ref.name not in crossed:
            word = Word(layer, _free(layer, steps, words), INTEGERS if integer else NUMBERS, (ref,), (ref.width,))
            words.append(word)
            crossed[ref.name] = word.made[0]
            if integer:
                grids[word.made[0].name] = plan.grids[ref.name]
        return crossed[ref.name]

    def onto(ref: Ref, layer: str, grid: Grid) -> Ref:
        """The value on this grid."""
        if grids[ref.name] == grid:
            return ref
        word = Word(layer, _free(layer, steps, words), MOVED, (ref,), (ref.width,))
        words.append(word)
        grids[word.made[0].name] = grid
        return word.made[0]

    for word in steps.words:
        said = _reading(word, plan.integer(word), across)
        if word.name == "concat" and plan.integer(word):
            to = plan.grids[word.made[0].name]
            said = replace(said, args=tuple(onto(ref, word.layer, to) for ref in said.reads))
        words.append(said)
    last = steps.words[-1].layer if steps.words else ""
    y = across(steps.y, last, OUTPUT in door)
    states = [replace(state, after=across(state.after, last, state.name in door)) for state in steps.states]
    return Bordered(replace(steps, words=tuple(words), y=y, states=tuple(states)), grids)


def _reading(word: Word, integer: bool, across: Callable[[Ref, str, bool], Ref]) -> Word:
    """The word with its values from its own side; the index of a lookup is an integer on either."""
    if word.name == "lookup":
        return word
    args = tuple(across(arg, word.layer, integer) if isinstance(arg, Ref) else arg for arg in word.args)
    return replace(word, args=args)


def _free(layer: str, steps: Trace, said: list[Word]) -> int:
    """A number that no value of the layer has."""
    return max((word.k + len(word.widths) for word in (*steps.words, *said) if word.layer == layer), default=0)
