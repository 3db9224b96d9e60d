"""Delta steps in C: affines whose results are kept from step to step, and what need not be computed when none changed.

An affine is kept where it reads what a layer holds of an input: its kernel reads the columns of what moved, and adds
their part to the sums of the step before. The kernel also holds the input, where nothing else reads it.
Operations that depend on kept results alone are left out in a step in which none of these changed. Their results, like
those of the affines, are fields of the struct of a stream.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC, FOUR_BITS
from edgernn.model.trace import State
from edgernn_export.targets.c.casts import CastTrace
from edgernn_export.targets.c.fusion import Group, is_view
from edgernn_export.targets.c.pack import sparse_blocks

COSTLY = ("sigmoid", "tanh", "softmax", "exp", "log", "sqrt", "divide", "normalize")
"""The operations for which a loop is divided into what depends on kept results alone, and the rest."""


@dataclass(frozen=True)
class Held:
    """An input that a layer holds: the state, and the threshold, which is 0 where the affine reads what is held."""

    state: Ref
    threshold: float


@dataclass(frozen=True)
class Reuse:
    """What is kept from step to step.

    Attributes:
        affines: the result of each kept affine -> the input that it reads.
        sources: each kept value -> the kept affines that it depends on.
        watched: the kept affines that another value depends on.
    """

    affines: Mapping[str, Held] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    watched: frozenset[str] = frozenset()


def kept_affines(step: CastTrace) -> tuple[CastTrace, dict[str, Held]]:
    """The step, in which kernels hold what they can, and the result of each affine that is kept -> its input.

    These are the affines of one position that read what is held from one step to the next, without blocks of zeros.
    """
    carried = {state.after: state.before for state in step.trace.states}
    holds = {
        op.outputs[0]: op
        for op in step.trace.operations
        if op.name == "hold" and carried.get(op.outputs[0]) == op.args[1]
    }
    readers = Counter(ref for op in step.trace.operations for ref in op.inputs)
    affines, inside, operations = {}, set(), []
    for op in step.trace.operations:
        hold = holds.get(op.args[1]) if _has_kernel(op) else None
        if hold is None:
            operations.append(op)
            continue
        x, state, threshold = hold.args
        alone = readers[hold.outputs[0]] == 1
        affines[op.outputs[0].name] = Held(state, threshold if alone else 0.0)
        inside |= {hold} if alone else set()
        operations.append(replace(op, args=(op.args[0], x, op.args[2])) if alone else op)
    states = [replace(each, after=each.before) if _is_result(each, inside) else each for each in step.trace.states]
    left = tuple(op for op in operations if op not in inside)
    return replace(step, trace=replace(step.trace, operations=left, states=tuple(states))), affines


def _is_result(state: State, operations: set[Op]) -> bool:
    return any(state.after == op.outputs[0] for op in operations)


def _has_kernel(op: Op) -> bool:
    if op.name != "affine" or op.positions > 1:
        return False
    return op.args[0].scheme not in {DYNAMIC, FOUR_BITS} and sparse_blocks(op.args[0]) is None


def divided(groups: Sequence[Group], affines: Mapping[str, Held]) -> tuple[tuple[Group, ...], Reuse]:
    """The groups, with loops divided where a part depends on kept results alone; and what is kept."""
    if not affines:
        return tuple(groups), Reuse()
    sources: dict[str, tuple[str, ...]] = {name: (name,) for name in affines}
    written: list[Group] = []
    for group in groups:
        op = group.operations[0]
        if is_view(op) and op.inputs[0].name in sources:
            sources |= dict.fromkeys((ref.name for ref in op.outputs), sources[op.inputs[0].name])
        written += _parts(group, sources) if group.is_loop or op.name in COSTLY else [group]
    computed = {ref.name for group in written for op in group.operations if not is_view(op) for ref in op.outputs}
    own = computed & sources.keys() - affines.keys()
    return tuple(written), Reuse(affines, sources, frozenset(each for name in own for each in sources[name]))


def _parts(group: Group, sources: dict[str, tuple[str, ...]]) -> Iterator[Group]:
    """The part of a group that depends on kept results alone, which is added to `sources`, and the rest."""
    known = dict(sources)
    for op in group.operations:
        if op.inputs and all(ref.name in known for ref in op.inputs):
            each = dict.fromkeys(name for ref in op.inputs for name in known[ref.name])
            known |= dict.fromkeys((ref.name for ref in op.outputs), tuple(each))
    still = [op for op in group.operations if op.outputs[0].name in known]
    if not any(op.name in COSTLY for op in still):
        yield group
        return
    sources.update(known)
    rest = [op for op in group.operations if op not in still]
    read = {ref for op in rest for ref in op.inputs}
    stored = tuple(ref for op in still for ref in op.outputs if ref in read or ref in group.stored)
    yield Group(tuple(still), stored)
    if rest:
        yield Group(tuple(rest), tuple(ref for ref in group.stored if ref.name not in known))
