"""What a step costs on a device: exact counts, and a time that is predicted from the board's profile alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType

from edgernn.device.board import Device
from edgernn.interpreters.count import Cost, count, total
from edgernn.model.graph import Graph
from edgernn.model.operation import Op
from edgernn.model.tensor import DYNAMIC, Tensor
from edgernn.model.trace import trace

KIB = 1024


@dataclass(frozen=True)
class Rate:
    """What one core of a level can do in a cycle at most.

    Attributes:
        lanes: floats in a vector; one vector operation is done per cycle, a fused multiply-add being one.
        int8_macs: products of int8 with their additions.
        division: cycles that a vector of divisions takes.
        l1, l2, l3: bytes read from each cache.
    """

    lanes: int
    int8_macs: int
    division: int
    l1: int
    l2: int
    l3: int


RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "x86-64-v4-vnni": Rate(lanes=16, int8_macs=64, division=10, l1=64, l2=64, l3=32),
        "x86-64-v3": Rate(lanes=8, int8_macs=16, division=5, l1=32, l2=32, l3=16),
        "x86-64": Rate(lanes=4, int8_macs=4, division=4, l1=16, l2=16, l3=8),
        "aarch64-dotprod": Rate(lanes=4, int8_macs=16, division=10, l1=32, l2=16, l3=8),
        "aarch64": Rate(lanes=4, int8_macs=8, division=20, l1=16, l2=8, l3=8),
        "armv7-neon": Rate(lanes=4, int8_macs=8, division=20, l1=16, l2=8, l3=8),
    }
)
"""Level -> rates, in round numbers: the widths of the units, and of the paths to the caches, of cores that have it.

Level aarch64 is taken from a Cortex-A72; a core that works in order, such as a Cortex-A53, loads half as much a cycle.
"""

OP_COSTS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "add": (1, 0),
        "subtract": (1, 0),
        "multiply": (1, 0),
        "scale": (2, 0),
        "relu": (1, 0),
        "tanh": (22, 1),  # a quotient of two polynomials
        "sigmoid": (24, 1),
        "softmax": (30, 1),
        "log": (30, 0),
        "normalize": (8, 0),
        "concat": (1, 0),
        "lookup": (1, 0),
        "split": (0, 0),  # a name for what is there already
    }
)
"""Word -> operations, and divisions, for each vector of its result."""

GUARD = 3  # operations for each vector of the frame: is it finite?
ROUND = 8  # operations for each vector that is rounded to int8
WORD_CYCLES = 10  # to begin a word and to wait for its last result
STEP_CYCLES = 50  # a call, the mode of arithmetic, the copies of answer and states


@dataclass(frozen=True)
class Estimate:
    """What one step costs: the counts are exact, the time is a prediction and no measurement.

    Attributes:
        device: the name of the board.
        cost: MACs, and bytes of weights, state and scratch.
        step_us: the compiled step in microseconds, called from C; None when the profile does not know enough.
        parts_us: the same in parts: "affine", "elementwise" and "overhead".
        unknown: why there is no time; "" when there is one.
        held_in: what holds all that a step reads: "L1", "L2", "L3" or "memory"; "" when that is unknown.
        assumptions: what the time rests on, a sentence each.
    """

    device: str
    cost: Cost
    step_us: float | None
    parts_us: Mapping[str, float]
    unknown: str
    held_in: str
    assumptions: tuple[str, ...]


def estimate(graph: Graph, device: Device) -> Estimate:
    """Predict one step of a graph, compiled for a device, from a roofline (Williams et al., 2009) of its profile.

    An affine takes the longer of its arithmetic and of reading its weights from the nearest cache that holds all that a
    step touches. Other words take their vector operations. No figure of the board is guessed: where the profile lacks
    one that is needed, there is no time. What a core of its level does in a cycle is an assumption, in round numbers.
    """
    operations = trace(graph).operations
    cost = count(graph)
    touched = _touched(operations, cost)
    held_in, unknown = _holder(touched, device)
    unknown = _uncompiled(graph) or _lacking(device) or unknown
    if unknown:
        return Estimate(device.name, cost, None, {}, unknown, held_in, ())
    assert device.level is not None
    assert device.clock_mhz is not None
    rate = RATES[device.level]
    bytes_per_cycle = _bytes_per_cycle(held_in, rate, device)
    cycles = {
        "affine": sum(_affine(op, rate, bytes_per_cycle) for op in operations if op.name == "affine"),
        "elementwise": _elementwise(operations, rate) + GUARD * ceil(graph.inputs / rate.lanes),
        "overhead": STEP_CYCLES + WORD_CYCLES * sum(op.name != "split" for op in operations),
    }
    parts = {name: spent / device.clock_mhz for name, spent in cycles.items()}
    said = _assumptions(rate, device, held_in, touched, bytes_per_cycle)
    return Estimate(device.name, cost, sum(parts.values()), parts, "", held_in, said)


def frame(graphs: Sequence[Graph], device: Device) -> Estimate:
    """Predict a frame that passes several graphs, one after the other, as those of a window; see `estimate`."""
    each = [estimate(graph, device) for graph in graphs]
    slowest = max(each, key=lambda one: one.step_us or 0.0)
    unknown = next((one.unknown for one in each if one.unknown), "")
    parts = {name: sum(one.parts_us[name] for one in each) for name in slowest.parts_us} if not unknown else {}
    return replace(slowest, cost=total(graphs), step_us=sum(parts.values()) or None, parts_us=parts, unknown=unknown)


def _uncompiled(graph: Graph) -> str:
    """Why no compiled step can be predicted, in a sentence: "" when one can."""
    whole = [layer.name for layer in graph.layers if layer.scheme]
    return f"layer '{whole[0]}' computes with integers, and how long those take is not predicted" if whole else ""


def _lacking(device: Device) -> str:
    """Which figure of the processor is missing, in a sentence: "" when none is."""
    if device.microcontroller:
        return f"the rates of '{device.name}' are not known: no microcontroller was measured"
    lacking = [name for name in ("level", "clock_mhz") if getattr(device, name) is None]
    return (
        f"{' and '.join(lacking)} of board '{device.name}' {'are' if lacking[1:] else 'is'} unknown" if lacking else ""
    )


def _touched(operations: Iterable[Op], cost: Cost) -> int:
    """Bytes that one step reads or writes: of a table only the row that is looked up."""
    read = {arg for op in operations if op.name != "lookup" for arg in op.args if isinstance(arg, Tensor)}
    tables: list[Tensor] = [op.args[0] for op in operations if op.name == "lookup"]
    rows = sum(table.nbytes // table.shape[0] for table in tables)
    return sum(tensor.nbytes for tensor in read) + rows + cost.state_bytes + cost.scratch_bytes


def _holder(size: int, device: Device) -> tuple[str, str]:
    """The nearest memory that holds so many bytes; or "", and why that is unknown."""
    touches = f"a step touches {size:,} bytes, and"
    for name, kib in (("L1", device.l1d_kib), ("L2", device.l2_kib), ("L3", device.l3_kib)):
        if kib is None:
            return "", f"{touches} the size of the {name} cache of board '{device.name}' is unknown"
        if size <= kib * KIB:
            return name, ""
    fits = f"{touches} the caches of board '{device.name}' hold less, and its mb_per_s is unknown"
    return "memory", fits if device.mb_per_s is None else ""


def _bytes_per_cycle(held_in: str, rate: Rate, device: Device) -> float:
    if held_in != "memory":
        return {"L1": rate.l1, "L2": rate.l2, "L3": rate.l3}[held_in]
    assert device.mb_per_s is not None
    assert device.clock_mhz is not None
    return device.mb_per_s / device.clock_mhz


def _affine(op: Op, rate: Rate, bytes_per_cycle: float) -> float:
    """Cycles of a matrix by a vector: arithmetic or reading, whichever is longer."""
    weight: Tensor = op.args[0]
    macs_per_cycle = rate.int8_macs if weight.scheme == DYNAMIC else rate.lanes
    return max(weight.size / macs_per_cycle, weight.nbytes / bytes_per_cycle)


def _elementwise(operations: Iterable[Op], rate: Rate) -> float:
    """Cycles of all other words, and of rounding the inputs of affines that compute in int8, each once."""
    cycles = 0.0
    rounded = set()
    for op in operations:
        if op.name == "affine":
            rounded |= set(op.inputs) if op.args[0].scheme == DYNAMIC else set()
        else:
            arithmetic, divisions = OP_COSTS[op.name]
            cycles += (arithmetic + divisions * rate.division) * ceil(sum(op.widths) / rate.lanes)
    return cycles + sum(ROUND * ceil(ref.width / rate.lanes) for ref in rounded)


def _assumptions(rate: Rate, device: Device, held_in: str, touched: int, bytes_per_cycle: float) -> tuple[str, ...]:
    return (
        f"the core runs at {device.clock_mhz:,} MHz all the time, and does nothing else",
        f"the {touched:,} bytes that a step touches stay in {held_in}, which gives {bytes_per_cycle:.3g} a cycle",
        f"of level {device.level}, a core does {rate.lanes} float or {rate.int8_macs} int8 multiply-adds a cycle",
        "it works out of order; one that does not, such as a Cortex-A53, takes up to twice as long",
        f"other words do one operation a cycle on {rate.lanes} floats, and a division in {rate.division} cycles",
        f"tanh and sigmoid are {OP_COSTS['tanh'][0]} and {OP_COSTS['sigmoid'][0]} operations and a division each",
        f"a word takes {WORD_CYCLES} cycles more, a step {STEP_CYCLES}; unpacking smaller weights takes none",
        "the step is the compiled one, called from C: Python, other runtimes and waking up come on top",
    )
