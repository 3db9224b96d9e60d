"""Footprint: the flash and RAM that a step in C takes. Arrays are exact; code and stack are predicted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from edgernn.device.board import Device
from edgernn.model.graph import Graph
from edgernn_export.targets.c.declarations import Sizes
from edgernn_export.targets.c.moves import MOVE
from edgernn_export.targets.c.target import generate

KIB = 1024
SQUASHES, EXP = ("f32_sigmoid", "f32_tanh"), "f32_exp"
KERNELS = ("affine_f32", "affine_f16", "affine_w8", "affine_w4", "affine_i8")
WHOLE = ("softmax_f32", "log_f32", "normalize_f32", "quantize_i8", "memcpy", "flush_on", "flush_restore")
SPARSE = ("affine_f32_sparse", "affine_i8_sparse")
FIXED = ("affine_i8_to_i8", "affine_i16_to_i8", "affine_i16_to_i16")
FIXED_SPARSE = ("affine_i8_to_i8_sparse", "affine_i16_to_i8_sparse", "affine_i16_to_i16_sparse")
CURVES = ("tanh_fixed",)
VALUES = ("to_i8", "to_i16", "q_table_i8", "q_table_i16")  # one for each result in a loop of integers
NORMALS = (
    *("normalize_f32", "normalize_i8_to_i8"),
    *("normalize_i8_to_i16", "normalize_i16_to_i8", "normalize_i16_to_i16"),
)
CASTS = ("i8_of_f32", "i16_of_f32", "f32_of_i8_on", "f32_of_i16_on")
POSITIONS = tuple(f"{name}_positions" for name in (*KERNELS, *FIXED) if name != "affine_w4")
ROWS = ("rows_f32", "rows_i8", "rows_i16")
GATHERS = ("gather_f32", "gather_i8", "gather_i16")
REDUCED = (
    *("largest_f32", "largest_i8", "largest_i16", "sum_f32"),
    *("sum_i8_to_i8", "sum_i8_to_i16", "sum_i16_to_i8", "sum_i16_to_i16"),
)
SLOW = ("f32_div", "f32_sqrt", "f32_maximum")  # more code for each lane than a product
MEASURED = frozenset((*KERNELS, *SPARSE, *WHOLE, *FIXED, *FIXED_SPARSE, *CURVES, *NORMALS, *CASTS))
MEASURED |= frozenset((*POSITIONS, *ROWS, *GATHERS, *REDUCED, *SLOW, MOVE))
IN_LOOPS = ("f32_", "q_", "to_i", "rescale")  # how the names of functions in loops start

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 688, "affine_f32": 2752, "affine_f16": 5140, "affine_w8": 3164, "affine_w4": 10356,
            "affine_i8": 5580, "sparse": 1336, "squash": 5524, "squashes": 908, "exp": 4420, "lanes": 64, "copies": 16,
            "fixed": 700, "fixed_kernels": 2012, "fixed_sparse": 200, "fixed_affines": 292, "values": 128,
            "curves": 84, "normals": 564, "casts": 292, "moves": 64, "gathers": 848, "reduced": 224, "slow": 144,
        },
        "armv7e-m+fp": {
            "always": 880, "affine_f32": 2728, "affine_f16": 8020, "affine_w8": 3440, "affine_w4": 6416,
            "affine_i8": 4132, "sparse": 668, "affines": 552, "squash": 5200, "squashes": 736, "exp": 3396,
            "looped": 328, "lanes": 40, "copies": 8, "fixed": 1348, "fixed_kernels": 1160, "fixed_sparse": 168,
            "fixed_affines": 308, "values": 124, "curves": 36, "normals": 232, "casts": 316, "moves": 40,
            "gathers": 852, "slow": 20,
        },
        "armv7e-m+fp.dp": {
            "always": 852, "affine_f32": 2632, "affine_f16": 7576, "affine_w8": 3500, "affine_w4": 6200,
            "affine_i8": 4368, "sparse": 576, "affines": 516, "squash": 3928, "squashes": 804, "exp": 2716,
            "looped": 336, "lanes": 40, "copies": 8, "fixed": 1064, "fixed_kernels": 1524, "fixed_sparse": 288,
            "fixed_affines": 380, "values": 108, "curves": 36, "normals": 212, "casts": 248, "moves": 52,
            "gathers": 344, "slow": 24,
        },
        "armv8-m.main+dsp+fp": {
            "always": 844, "affine_f32": 2796, "affine_f16": 7852, "affine_w8": 3508, "affine_w4": 6484,
            "affine_i8": 4004, "sparse": 668, "affines": 508, "squash": 5292, "squashes": 728, "exp": 3368,
            "looped": 328, "lanes": 40, "copies": 8, "fixed": 1376, "fixed_kernels": 1200, "fixed_sparse": 208,
            "fixed_affines": 272, "values": 128, "curves": 36, "normals": 264, "casts": 336, "moves": 48,
            "gathers": 888, "slow": 20,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code per trait, from bench/c_footprint.py; no measured object has more."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 104, "affine_f32": 568, "affine_f16": 856, "affine_w8": 840, "affine_w4": 1248, "affine_i8": 704,
            "sparse": 568, "squash": 500, "squashes": 228, "exp": 524, "looped": 272, "lanes": 8, "fixed_kernels": 832,
            "fixed_sparse": 192, "values": 20, "normals": 16, "casts": 16, "slow": 8,
        },
        "armv7e-m+fp": {
            "always": 120, "affine_f32": 488, "affine_f16": 760, "affine_w8": 584, "affine_w4": 1336, "affine_i8": 820,
            "sparse": 172, "squash": 304, "exp": 380, "looped": 356, "lanes": 4, "fixed_kernels": 676,
            "fixed_sparse": 172, "values": 16, "curves": 8, "casts": 80,
        },
        "armv7e-m+fp.dp": {
            "always": 120, "affine_f32": 480, "affine_f16": 856, "affine_w8": 728, "affine_w4": 1496, "affine_i8": 968,
            "sparse": 188, "squash": 124, "squashes": 16, "exp": 132, "looped": 332, "lanes": 4, "fixed_kernels": 668,
            "fixed_sparse": 172, "fixed_affines": 28, "values": 4, "curves": 4, "casts": 72,
        },
        "armv8-m.main+dsp+fp": {
            "always": 120, "affine_f32": 488, "affine_f16": 760, "affine_w8": 584, "affine_w4": 1336, "affine_i8": 820,
            "sparse": 172, "squash": 304, "exp": 380, "looped": 356, "lanes": 4, "fixed_kernels": 676,
            "fixed_sparse": 172, "values": 16, "curves": 8, "casts": 80,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `run` to the deepest kernel."""

MARGIN = 1.15  # two LSTMs in a row, which are not among the measured models, take 7 % more stack than the tables say

ASSUMPTIONS = (
    "code and stack go by 251 models that zig 0.17 compiled with -O2 and no self test; none of them takes more",
    "15 % are added for models that were not measured; half of the measured ones take less than 64 % of the prediction",
    "functions that are not called are left in, and so is the manifest",
    "memcpy, expf and the like, and arithmetic without an instruction, are in the C library and not counted",
    "there is one stream; each further one takes its states and its scratch again",
)


@dataclass(frozen=True)
class Footprint:
    """The memory that one stream takes, in bytes; None is unknown.

    Attributes:
        weights: all constants, as they are stored: padded to whole blocks.
        manifest: the manifest of the model.
        code: predicted.
        states: the carried states, padded.
        scratch: the rest of the struct of a stream.
        stack: predicted.
        flash_available, ram_available: the memory of the board.
        unpredicted: why code and stack are not predicted; "" when they are.
    """

    weights: int
    manifest: int
    code: int | None
    states: int
    scratch: int
    stack: int | None
    flash_available: int | None
    ram_available: int | None
    unpredicted: str
    assumptions: tuple[str, ...]

    @property
    def flash(self) -> int:
        """The known part of what must be in flash."""
        return self.weights + self.manifest + (self.code or 0)

    @property
    def ram(self) -> int:
        """The known part of what must be in RAM."""
        return self.states + self.scratch + (self.stack or 0)

    @property
    def flash_fits(self) -> bool | None:
        """Whether it fits into the flash; None where that is unknown."""
        return _fits(self.flash, self.flash_available, self.unpredicted)

    @property
    def ram_fits(self) -> bool | None:
        """Whether it fits into the RAM; None where that is unknown."""
        return _fits(self.ram, self.ram_available, self.unpredicted)


def footprint(graph: Graph, device: Device) -> Footprint:
    """The memory that the C step of a graph takes on a microcontroller.

    Raises:
        UnsupportedError: a layer is quantized in a scheme that C cannot express.
    """
    sizes = step_sizes(graph)
    unpredicted = _unpredicted(sizes, device)
    states = sum(field.nbytes for _, field in zip(graph.states, sizes.fields, strict=False))  # the first fields
    return Footprint(
        weights=sum(sizes.constants.values()) + sizes.initial_state,
        manifest=sizes.manifest,
        code=None if unpredicted else _predicted(sizes, CODE[str(device.isa)]),
        states=states,
        scratch=sum(field.nbytes for field in sizes.fields) + sizes.padding - states,
        stack=None if unpredicted else _predicted(sizes, STACK[str(device.isa)]),
        flash_available=device.flash_kib and device.flash_kib * KIB,
        ram_available=device.sram_kib and device.sram_kib * KIB,
        unpredicted=unpredicted,
        assumptions=() if unpredicted else ASSUMPTIONS,
    )


def step_sizes(graph: Graph) -> Sizes:
    """The sizes of the C step of a graph.

    Raises:
        UnsupportedError: a layer is quantized in a scheme that C cannot express.
    """
    return generate(graph, "model").sizes


def traits(sizes: Sizes) -> dict[str, int]:
    """What the size of the code depends on: which kernels it has, and how often it calls them."""

    def count(names: Iterable[str]) -> int:
        return sum(sizes.calls.get(name, 0) for name in names)

    plain = Counter[str]()  # a kernel of positions calls that of one
    for name, calls in sizes.calls.items():
        plain[name.removesuffix("_positions")] += calls
    affines = {name: calls for name, calls in plain.items() if name in (*KERNELS, *SPARSE)}
    squashes, values = count(SQUASHES), count(VALUES)
    lanes = count(name for name in {*sizes.calls} - {*SQUASHES, EXP, *CASTS} if name.startswith("f32_"))
    fixed = sum(plain[name] for name in (*FIXED, *FIXED_SPARSE))
    return {
        "always": 1,
        **{name: int(name in affines) for name in KERNELS},
        "sparse": int(any("sparse" in name for name in affines)),
        "affines": sum(affines.values()),
        "squash": int(squashes > 0),
        "squashes": squashes,
        "exp": int(EXP in sizes.calls),
        "exps": count((EXP,)),
        "looped": int(lanes > 0),
        "lanes": lanes,
        "copies": count(("memcpy",)),
        "fixed": int(values + fixed > 0),
        "fixed_kernels": len(plain.keys() & {*FIXED}),
        "fixed_sparse": len(plain.keys() & {*FIXED_SPARSE}),
        "fixed_affines": fixed,
        "values": values,
        "curves": count(CURVES),
        "normals": count(NORMALS),
        "casts": count(CASTS),
        "positions": count(POSITIONS),
        "moves": count((MOVE,)),
        "rows": count(ROWS),
        "gathers": count(GATHERS),
        "reduced": count(REDUCED),
        "slow": count(SLOW),
    }


def _unpredicted(sizes: Sizes, device: Device) -> str:
    """Why there is no prediction; "" when there is one."""
    if device.isa not in CODE:
        return f"code for {device.isa or 'an unknown instruction set'} was not measured"
    unmeasured = {name for name in sizes.calls if not name.startswith(IN_LOOPS)} - MEASURED
    return f"code with {min(unmeasured)} was not measured" if unmeasured else ""


def _predicted(sizes: Sizes, table: Mapping[str, int]) -> int:
    return ceil(MARGIN * sum(table.get(name, 0) * count for name, count in traits(sizes).items()))


def _fits(needed: int, available: int | None, unpredicted: str) -> bool | None:
    if available is None:
        return None
    return False if needed > available else None if unpredicted else True
