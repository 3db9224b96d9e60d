"""Footprint: the flash and RAM that a step in C takes.

Arrays are exact. Code and stack are those of a linker where the board's compiler is installed, and predicted elsewhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from edgernn.device.board import Device
from edgernn.model.graph import Graph
from edgernn_export.targets.c.declarations import Sizes
from edgernn_export.targets.c.footprint_tables import CODE, STACK
from edgernn_export.targets.c.linked import compiler_of, linked
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
ROWS = ("rows_f32", "rows_i8", "rows_i16", "rows_i32", "rows_i64")
GATHERS = ("gather_f32", "gather_i8", "gather_i16")
REDUCED = (
    *("largest_f32", "largest_i8", "largest_i16", "sum_f32"),
    *("sum_i8_to_i8", "sum_i8_to_i16", "sum_i16_to_i8", "sum_i16_to_i16"),
)
RADICES = (2, 3, 4, 5, 7, 8)
FORWARDS = ("rfft_pairs_f32", "rfft_points_f32", "rfft_bins_f32")
INVERSE = ("irfft_pairs_f32", "irfft_points_f32", "irfft_apart_f32", "irfft_real_f32")
SPECTRAL: tuple[str, ...] = (
    "rfft_pairs_fixed",
    "rfft_points_fixed",
    "rfft_bins_fixed",
    "fft2_fixed",
    "fft2_last_fixed",
    "fft4_fixed",
)
SPECTRAL += ("fft4_last_fixed", "fft_odd_fixed", "multiply_wide", "add_wide", "scale_wide", "affine_wide")
LOGARITHMS = ("log_f32", "log_wide_to_i8", "log_wide_to_i16")
PRESENT: tuple[str, ...] = (*FIXED, *NORMALS, *CASTS, *VALUES, *GATHERS, *REDUCED, *POSITIONS, *SQUASHES, "softmax_f32")
PRESENT += ("affine_f32_banded", *LOGARITHMS)
SLOW = ("f32_div", "f32_sqrt", "f32_maximum")  # more code for each lane than a product
MEASURED = frozenset((*KERNELS, *SPARSE, *WHOLE, *FIXED, *FIXED_SPARSE, *CURVES, *NORMALS, *CASTS))
MEASURED |= frozenset((*POSITIONS, *ROWS, *GATHERS, *REDUCED, *SLOW, MOVE))
MEASURED |= frozenset((*FORWARDS, *INVERSE, *SPECTRAL, *LOGARITHMS, "affine_f32_banded"))
MEASURED |= frozenset(f"fft{radix}{kind}_f32" for radix in RADICES for kind in ("_first", "", "_last"))
IN_LOOPS = ("f32_", "q_", "to_i", "rescale")  # how the names of functions in loops start

MARGIN = 1.6  # by which a prediction of code or stack must fit; one in twenty measured models takes more

ASSUMPTIONS = (
    "functions that `reset` and `step` do not need are left out, and so are the manifest and the self-test",
    "there is one stream; each further one takes its states and its scratch again",
)
LINKED = ("code and stack are those of the step, linked with -O2 by {compiler}",)
PREDICTED = (
    "code and stack go by 301 models that gcc 12.2 linked with -O2, as the board's compiler is not installed here",
    "the variables of a C library are not counted: newlib's expf and sqrtf bring 1,080 bytes",
    "half of those models take within 4 % of the flash and RAM predicted, and nine tenths within 25 %",
    "it fits only if 60 % more code and stack fit, which is enough for nineteen in twenty of those models",
)


@dataclass(frozen=True)
class Footprint:
    """The memory that one stream takes, in bytes; None is unknown.

    Attributes:
        weights: all constants, as they are stored: padded to whole blocks.
        manifest: the manifest of the model, which is in flash only where a program calls `about`.
        code: the functions, and what they need of the C library.
        states: the carried states, padded.
        scratch: the rest of the struct of a stream.
        variables: those of the C library; 0 where they are not known.
        stack: from `step` to the deepest function.
        flash_available, ram_available: the memory of the board.
        compiler: the name and version of the compiler that linked the step; "" where code and stack are predicted.
        unpredicted: why code and stack are unknown; "" when they are not.
    """

    weights: int
    manifest: int
    code: int | None
    states: int
    scratch: int
    variables: int
    stack: int | None
    flash_available: int | None
    ram_available: int | None
    compiler: str
    unpredicted: str
    assumptions: tuple[str, ...]

    @property
    def flash(self) -> int:
        """The known part of what must be in flash."""
        return self.weights + (self.code or 0)

    @property
    def ram(self) -> int:
        """The known part of what must be in RAM."""
        return self.states + self.scratch + self.variables + (self.stack or 0)

    @property
    def flash_fits(self) -> bool | None:
        """Whether it fits into the flash; None where that is unknown, or closer than a prediction can tell."""
        return self._fits(self.flash, self.code, self.flash_available)

    @property
    def ram_fits(self) -> bool | None:
        """Whether it fits into the RAM; None as for the flash."""
        return self._fits(self.ram, self.stack, self.ram_available)

    def _fits(self, needed: int, predicted: int | None, available: int | None) -> bool | None:
        if available is None:
            return None
        if needed > available:
            return False
        if predicted is None:
            return None
        doubt = 0 if self.compiler else ceil(MARGIN * predicted) - predicted
        return True if needed + doubt <= available else None


def footprint(graph: Graph, device: Device) -> Footprint:
    """The memory that the C step of a graph takes on a microcontroller.

    Raises:
        UnsupportedError: a layer is quantized in a scheme that C cannot express.
        CompilerError: the board's compiler is installed, and fails.
    """
    sizes, compiler = step_sizes(graph), compiler_of(device.isa)
    weights = sum(sizes.constants.values()) + sizes.initial_state
    states = sum(field.nbytes for _, field in zip(graph.states, sizes.fields, strict=False))  # the first fields
    scratch = sum(field.nbytes for field in sizes.fields) + sizes.padding - states
    unpredicted, code, stack, variables = "", None, None, 0
    if compiler:
        step = linked(graph, str(device.isa))
        code, stack = step.code + step.library + step.data + step.constants - weights, step.stack
        variables = step.data + step.zeroed
    else:
        unpredicted = _unpredicted(sizes, device)
    if not (compiler or unpredicted):
        code, stack = (_predicted(sizes, table[str(device.isa)]) for table in (CODE, STACK))
    first = [each.format(compiler=compiler) for each in (LINKED if compiler else PREDICTED)]
    return Footprint(
        weights=weights,
        manifest=sizes.manifest,
        code=code,
        states=states,
        scratch=scratch,
        variables=variables,
        stack=stack,
        flash_available=device.flash_kib and device.flash_kib * KIB,
        ram_available=device.sram_kib and device.sram_kib * KIB,
        compiler=compiler,
        unpredicted=unpredicted,
        assumptions=() if unpredicted else (*first, *ASSUMPTIONS),
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
        **_spectral(count),
        **{name: int(name in sizes.calls) for name in PRESENT},
    }


def _spectral(count: Callable[[Iterable[str]], int]) -> dict[str, int]:
    """The traits of transforms."""
    passes = {r: [f"fft{r}{kind}_f32" for kind in ("_first", "", "_last")] for r in RADICES}
    each = {f"fft{r}": count(names) for r, names in passes.items()}
    return {**each, "rffts": count(FORWARDS), "spectral": count(SPECTRAL), "iffts": count(INVERSE)}


def _unpredicted(sizes: Sizes, device: Device) -> str:
    """Why there is no prediction; "" when there is one."""
    if device.isa not in CODE:
        return f"code for {device.isa or 'an unknown instruction set'} was not measured"
    unmeasured = {name for name in sizes.calls if not name.startswith(IN_LOOPS)} - MEASURED
    return f"code with {min(unmeasured)} was not measured" if unmeasured else ""


def _predicted(sizes: Sizes, table: Mapping[str, int]) -> int:
    return sum(table.get(name, 0) * count for name, count in traits(sizes).items())
