"""The cost of a step on a device: exact counts, and a time predicted from the profile of the board."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType

from edgernn.device.board import Device
from edgernn.interpreters.count import Cost, count, multiplications, total
from edgernn.model.graph import Graph
from edgernn.model.operation import Op
from edgernn.model.spectra import SPECTRA
from edgernn.model.tensor import DYNAMIC, Tensor

KIB = 1024


@dataclass(frozen=True)
class Throughput:
    """The peak throughput of one core of an instruction set level, per cycle.

    Attributes:
        lanes: floats in a vector; one vector operation per cycle, where a fused multiply-add is one operation.
        int8_macs: int8 multiply-accumulates per cycle.
        division: cycles of one vector division.
        l1, l2, l3: bytes read per cycle from each cache.
    """

    lanes: int
    int8_macs: int
    division: int
    l1: int
    l2: int
    l3: int


THROUGHPUTS: Mapping[str, Throughput] = MappingProxyType(
    {
        "x86-64-v4-vnni": Throughput(lanes=16, int8_macs=64, division=10, l1=64, l2=64, l3=32),
        "x86-64-v3-vnni": Throughput(lanes=8, int8_macs=32, division=5, l1=32, l2=32, l3=16),
        "x86-64-v3": Throughput(lanes=8, int8_macs=24, division=5, l1=32, l2=32, l3=16),
        "x86-64": Throughput(lanes=4, int8_macs=4, division=4, l1=16, l2=16, l3=8),
        "aarch64-dotprod": Throughput(lanes=4, int8_macs=16, division=10, l1=32, l2=16, l3=8),
        "aarch64": Throughput(lanes=4, int8_macs=8, division=20, l1=16, l2=8, l3=8),
        "armv7-neon": Throughput(lanes=4, int8_macs=8, division=20, l1=16, l2=8, l3=8),
    }
)
"""Level -> throughput, in round numbers: the widths of the units and of the cache paths of typical cores.

Level aarch64 is that of a Cortex-A72; an in-order core such as a Cortex-A53 loads half as much per cycle.
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
        "exp": (24, 0),  # a polynomial, and two powers of 2
        "sqrt": (0, 1),
        "divide": (0, 1),
        "maximum": (2, 0),
        "normalize": (8, 0),
        "concat": (1, 0),
        "lookup": (1, 0),
        "split": (0, 0),  # the parts are views
        "reshape": (0, 0),
        "gather": (1, 0),
        "sum": (1, 0),
        "largest": (1, 0),
        "hold": (4, 0),
    }
)
"""Operation -> arithmetic instructions, and divisions, per vector of its result."""

TRANSFORM_COST = 3  # arithmetic instructions, loads and stores per vector of products in a Fourier transform
GUARD_COST = 3  # arithmetic instructions per vector of the frame: is it finite?
ROUNDING_COST = 8  # arithmetic instructions per vector that is rounded to int8
OP_CYCLES = 10  # to start an operation and to wait for its last result
STEP_CYCLES = 50  # the call, the floating-point mode, copies of output and states


@dataclass(frozen=True)
class Estimate:
    """The cost of one step: the counts are exact, the time is a prediction, not a measurement.

    Attributes:
        device: the name of the board.
        cost: MACs, and bytes of weights, state and scratch.
        step_us: time of the compiled step, called from C, in microseconds; None if the profile lacks a figure.
        parts_us: the parts of that time: "affine", "elementwise" and "overhead".
        unknown: why there is no time; "" if there is one.
        fits_in: the nearest memory that holds the data of a step: "L1", "L2", "L3" or "memory"; "" if unknown.
        assumptions: of the prediction, a sentence each.
    """

    device: str
    cost: Cost
    step_us: float | None
    parts_us: Mapping[str, float]
    unknown: str
    fits_in: str
    assumptions: tuple[str, ...]


def estimate(graph: Graph, device: Device) -> Estimate:
    """Predict one step of a graph, compiled for a device, from a roofline (Williams et al., 2009) of its profile.

    An affine takes the longer of its arithmetic and of reading its weights, from the nearest cache that holds the data
    of a step. Other operations take their vector instructions. No figure of the board is guessed: if the profile lacks
    a necessary one, there is no time. The throughput of a core is an assumption, in round numbers.
    """
    operations = graph.trace.operations
    cost = count(graph)
    touched = _touched(operations, cost)
    fits_in, unknown = _holder(touched, device)
    unknown = _uncompiled(graph) or _lacking(device) or unknown
    if unknown:
        return Estimate(device.name, cost, None, {}, unknown, fits_in, ())
    assert device.level is not None
    assert device.clock_mhz is not None
    core = THROUGHPUTS[device.level]
    bytes_per_cycle = _bytes_per_cycle(fits_in, core, device)
    cycles = {
        "affine": sum(_affine(op, core, bytes_per_cycle) for op in operations if op.name in ("affine", *SPECTRA)),
        "elementwise": _elementwise(operations, core) + GUARD_COST * ceil(graph.inputs / core.lanes),
        "overhead": STEP_CYCLES + OP_CYCLES * sum(op.name not in {"split", "reshape"} for op in operations),
    }
    parts = {name: count / device.clock_mhz for name, count in cycles.items()}
    assumptions = _assumptions(core, device, fits_in, touched, bytes_per_cycle)
    return Estimate(device.name, cost, sum(parts.values()), parts, "", fits_in, assumptions)


def estimate_frame(graphs: Sequence[Graph], device: Device) -> Estimate:
    """Predict the cost of a frame that passes through several graphs in turn, as in a window; see `estimate`."""
    each = [estimate(graph, device) for graph in graphs]
    slowest = max(each, key=lambda one: one.step_us or 0.0)
    unknown = next((one.unknown for one in each if one.unknown), "")
    parts = {name: sum(one.parts_us[name] for one in each) for name in slowest.parts_us} if not unknown else {}
    return replace(slowest, cost=total(graphs), step_us=sum(parts.values()) or None, parts_us=parts, unknown=unknown)


def _uncompiled(graph: Graph) -> str:
    """The reason, in a sentence, that a compiled step cannot be predicted; "" if it can."""
    whole = [layer.name for layer in graph.layers if layer.scheme]
    return f"layer '{whole[0]}' computes with integers, whose time is not predicted" if whole else ""


def _lacking(device: Device) -> str:
    """The missing figures of the processor, in a sentence; "" if there are none."""
    if device.microcontroller:
        return f"the rates of '{device.name}' are not known: no microcontroller was measured"
    lacking = [name for name in ("level", "clock_mhz") if getattr(device, name) is None]
    return (
        f"{' and '.join(lacking)} of board '{device.name}' {'are' if lacking[1:] else 'is'} unknown" if lacking else ""
    )


def _touched(operations: Iterable[Op], cost: Cost) -> int:
    """Bytes that one step reads or writes; of an embedding table, only the row that is looked up."""
    read = {arg for op in operations if op.name != "lookup" for arg in op.args if isinstance(arg, Tensor)}
    tables: list[Tensor] = [op.args[0] for op in operations if op.name == "lookup"]
    rows = sum(table.nbytes // table.shape[0] for table in tables)
    return sum(tensor.nbytes for tensor in read) + rows + cost.state_bytes + cost.scratch_bytes


def _holder(size: int, device: Device) -> tuple[str, str]:
    """The nearest memory that holds this number of bytes, and ""; or "", and the reason that it is unknown."""
    touches = f"a step touches {size:,} bytes, and"
    for name, kib in (("L1", device.l1d_kib), ("L2", device.l2_kib), ("L3", device.l3_kib)):
        if kib is None:
            return "", f"{touches} the size of the {name} cache of board '{device.name}' is unknown"
        if size <= kib * KIB:
            return name, ""
    reason = f"{touches} the caches of board '{device.name}' are smaller, and its mb_per_s is unknown"
    return "memory", reason if device.mb_per_s is None else ""


def _bytes_per_cycle(fits_in: str, core: Throughput, device: Device) -> float:
    if fits_in != "memory":
        return {"L1": core.l1, "L2": core.l2, "L3": core.l3}[fits_in]
    assert device.mb_per_s is not None
    assert device.clock_mhz is not None
    return device.mb_per_s / device.clock_mhz


def _affine(op: Op, core: Throughput, bytes_per_cycle: float) -> float:
    """Cycles of a matrix-vector product, arithmetic or reading, whichever takes longer; or of a transform."""
    if op.name in SPECTRA:
        return op.positions * TRANSFORM_COST * multiplications(op) / core.lanes
    weight: Tensor = op.args[0]
    macs_per_cycle = core.int8_macs if weight.scheme == DYNAMIC else core.lanes
    return op.positions * max(weight.size / macs_per_cycle, weight.nbytes / bytes_per_cycle)


def _elementwise(operations: Iterable[Op], core: Throughput) -> float:
    """Cycles of all other operations, and of rounding each input of int8 affines once."""
    cycles = 0.0
    rounded = set()
    for op in operations:
        if op.name == "affine":
            rounded |= set(op.inputs) if op.args[0].scheme == DYNAMIC else set()
        elif op.name not in SPECTRA:
            arithmetic, divisions = OP_COSTS[op.name]
            cycles += (arithmetic + divisions * core.division) * ceil(op.size / core.lanes)
    return cycles + sum(ROUNDING_COST * ceil(ref.size / core.lanes) for ref in rounded)


def _assumptions(
    core: Throughput, device: Device, fits_in: str, touched: int, bytes_per_cycle: float
) -> tuple[str, ...]:
    return (
        f"the core runs at a constant {device.clock_mhz:,} MHz and does nothing else",
        f"the {touched:,} bytes that a step touches stay in {fits_in}, which delivers {bytes_per_cycle:.3g} per cycle",
        f"a core of level {device.level} does {core.lanes} float or {core.int8_macs} int8 multiply-adds per cycle",
        "the core executes out of order; one that does not, such as a Cortex-A53, takes up to twice as long",
        f"other operations do one instruction per cycle on {core.lanes} floats, and a division in {core.division}",
        f"tanh and sigmoid are {OP_COSTS['tanh'][0]} and {OP_COSTS['sigmoid'][0]} instructions and a division each",
        f"an operation adds {OP_CYCLES} cycles and a step {STEP_CYCLES}; unpacking compressed weights adds none",
        "the step is compiled and called from C; Python, other runtimes and wake-up latency add to it",
    )
