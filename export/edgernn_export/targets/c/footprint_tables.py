"""What a trait of the step takes in code and on the stack: the figures that bench/c_footprint.py prints."""

from collections.abc import Mapping
from types import MappingProxyType

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 412, "affine_f32": 2247, "affine_f16": 2935, "affine_w8": 2727, "affine_w4": 3299, "affine_i8":
            3080, "sparse": 242, "affines": 145, "squash": 1823, "exp": 5202, "looped": 1339, "lanes": 59, "copies":
            20, "fixed_sparse": 485, "fixed_affines": 255, "values": 138, "normals": 469, "casts": 1336, "moves": 88,
            "slow": 1130, "fft2": 881, "fft3": 835, "fft4": 411, "fft5": 1468, "fft7": 2334, "fft8": 2032, "rffts":
            458, "spectral": 435, "iffts": 10, "affine_i8_to_i8": 874, "affine_i16_to_i16": 435, "normalize_f32": 425,
            "normalize_i8_to_i8": 484, "normalize_i16_to_i16": 692, "i16_of_f32": 2414, "f32_of_i8_on": 2031,
            "f32_of_i16_on": 1534, "to_i16": 50, "gather_f32": 132, "gather_i8": 28, "gather_i16": 52, "largest_f32":
            572, "largest_i8": 48, "largest_i16": 60, "sum_f32": 38, "affine_f32_positions": 60, "affine_i8_positions":
            1870, "affine_i8_to_i8_positions": 549, "affine_i16_to_i16_positions": 450, "f32_sigmoid": 483,
            "softmax_f32": 2720, "log_f32": 305,
        },
        "armv7e-m+fp": {
            "always": 97, "affine_f32": 2010, "affine_f16": 2302, "affine_w8": 2403, "affine_w4": 2495, "affine_i8":
            2658, "sparse": 367, "affines": 89, "squash": 2089, "squashes": 222, "exp": 5589, "looped": 110, "lanes":
            85, "copies": 30, "fixed_kernels": 142, "fixed_sparse": 941, "fixed_affines": 240, "values": 102, "curves":
            26, "normals": 224, "casts": 1164, "moves": 68, "rows": 48, "fft2": 78, "fft3": 294, "fft5": 564, "fft7":
            1042, "fft8": 646, "rffts": 237, "spectral": 310, "affine_i8_to_i8": 904, "affine_i16_to_i8": 297,
            "affine_i16_to_i16": 712, "normalize_f32": 1717, "normalize_i8_to_i8": 475, "normalize_i16_to_i16": 733,
            "i8_of_f32": 466, "f32_of_i8_on": 211, "f32_of_i16_on": 423, "to_i16": 72, "gather_f32": 157, "gather_i8":
            190, "gather_i16": 246, "largest_f32": 189, "largest_i8": 24, "largest_i16": 16, "sum_f32": 54,
            "affine_i8_to_i8_positions": 589, "affine_i16_to_i16_positions": 682, "f32_sigmoid": 307, "f32_tanh": 219,
            "softmax_f32": 918, "affine_f32_banded": 1447, "log_f32": 363, "log_wide_to_i8": 135,
        },
        "armv7e-m+fp.dp": {
            "always": 97, "affine_f32": 2025, "affine_f16": 2336, "affine_w8": 2332, "affine_w4": 2412, "affine_i8":
            2632, "sparse": 315, "affines": 123, "squash": 2075, "squashes": 205, "exp": 5573, "looped": 124, "lanes":
            86, "copies": 29, "fixed_kernels": 518, "fixed_sparse": 897, "fixed_affines": 239, "values": 102, "curves":
            27, "normals": 252, "moves": 70, "rows": 12, "fft2": 56, "fft3": 298, "fft5": 573, "fft7": 1083, "fft8":
            663, "rffts": 243, "spectral": 314, "affine_i8_to_i8": 339, "affine_i16_to_i16": 334, "normalize_f32":
            1714, "normalize_i8_to_i8": 440, "normalize_i16_to_i16": 688, "i8_of_f32": 458, "i16_of_f32": 114, "to_i8":
            88, "to_i16": 69, "gather_f32": 152, "gather_i8": 194, "gather_i16": 242, "largest_f32": 194, "largest_i8":
            24, "largest_i16": 16, "sum_f32": 53, "affine_i8_to_i8_positions": 231, "affine_i16_to_i16_positions": 437,
            "f32_sigmoid": 339, "f32_tanh": 291, "softmax_f32": 982, "affine_f32_banded": 1179, "log_f32": 368,
            "log_wide_to_i8": 177,
        },
        "armv8-m.main+dsp+fp": {
            "always": 184, "affine_f32": 1942, "affine_f16": 2312, "affine_w8": 2372, "affine_w4": 2362, "affine_i8":
            2573, "sparse": 363, "affines": 134, "squash": 2101, "squashes": 206, "exp": 5547, "looped": 45, "lanes":
            85, "copies": 28, "fixed_sparse": 817, "fixed_affines": 242, "values": 104, "curves": 22, "normals": 222,
            "casts": 1157, "moves": 68, "rows": 59, "fft2": 108, "fft3": 256, "fft4": 101, "fft5": 562, "fft7": 1022,
            "fft8": 634, "rffts": 171, "spectral": 312, "affine_i8_to_i8": 944, "affine_i16_to_i8": 519,
            "affine_i16_to_i16": 837, "normalize_f32": 1702, "normalize_i8_to_i8": 497, "normalize_i16_to_i16": 737,
            "i8_of_f32": 548, "f32_of_i8_on": 332, "f32_of_i16_on": 467, "to_i16": 24, "gather_f32": 151, "gather_i8":
            112, "gather_i16": 160, "largest_f32": 113, "largest_i8": 24, "largest_i16": 20, "sum_f32": 52,
            "affine_i8_to_i8_positions": 668, "affine_i16_to_i16_positions": 728, "f32_sigmoid": 307, "f32_tanh": 207,
            "softmax_f32": 824, "affine_f32_banded": 1332, "log_f32": 351, "log_wide_to_i8": 105,
        },
        "armv8.1-m.main+mve.fp+fp.dp": {
            "always": 191, "affine_f32": 2069, "affine_f16": 2516, "affine_w8": 2553, "affine_w4": 2422, "affine_i8":
            2610, "sparse": 354, "affines": 178, "squash": 2401, "squashes": 198, "exp": 6246, "looped": 25, "lanes":
            89, "copies": 21, "fixed_kernels": 632, "fixed_sparse": 820, "fixed_affines": 228, "values": 105, "curves":
            37, "normals": 242, "moves": 87, "rows": 53, "fft2": 49, "fft3": 234, "fft4": 207, "fft5": 738, "fft7":
            1173, "fft8": 838, "rffts": 142, "spectral": 331, "affine_i8_to_i8": 174, "affine_i16_to_i16": 172,
            "normalize_f32": 1782, "normalize_i8_to_i8": 535, "normalize_i16_to_i16": 768, "i8_of_f32": 644,
            "i16_of_f32": 224, "to_i8": 4, "gather_f32": 159, "gather_i8": 108, "gather_i16": 172, "largest_f32": 117,
            "largest_i8": 32, "largest_i16": 20, "sum_f32": 44, "affine_i8_to_i8_positions": 5,
            "affine_i16_to_i16_positions": 92, "f32_sigmoid": 181, "softmax_f32": 912, "affine_f32_banded": 1428,
            "log_f32": 354, "log_wide_to_i8": 280,
        },
        "rv32imc": {
            "always": 127, "affine_f32": 4375, "affine_f16": 4977, "affine_w8": 5052, "affine_w4": 6304, "affine_i8":
            5852, "sparse": 1641, "affines": 79, "squash": 2711, "squashes": 132, "exp": 10043, "looped": 1277,
            "lanes": 118, "copies": 33, "fixed_kernels": 334, "fixed_sparse": 505, "fixed_affines": 279, "values": 137,
            "casts": 32, "moves": 128, "slow": 634, "fft2": 454, "fft3": 1341, "fft5": 1464, "fft7": 1409, "fft8":
            1933, "rffts": 996, "spectral": 358, "iffts": 791, "affine_i8_to_i8": 908, "affine_i16_to_i16": 678,
            "normalize_f32": 2844, "normalize_i8_to_i8": 1234, "normalize_i16_to_i16": 1414, "i16_of_f32": 3111,
            "f32_of_i8_on": 4826, "f32_of_i16_on": 4013, "to_i16": 111, "q_table_i16": 37, "gather_f32": 164,
            "gather_i8": 144, "gather_i16": 168, "largest_f32": 426, "largest_i8": 24, "largest_i16": 104, "sum_f32":
            961, "affine_f16_positions": 53, "affine_w8_positions": 106, "affine_i8_positions": 1185,
            "affine_i8_to_i8_positions": 450, "affine_i16_to_i16_positions": 624, "f32_sigmoid": 762, "softmax_f32":
            3305, "log_wide_to_i8": 536,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code per trait, with the C library."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 8, "affine_f32": 1353, "affine_f16": 1452, "affine_w8": 1490, "affine_w4": 1690, "affine_i8":
            1418, "sparse": 220, "squash": 697, "squashes": 118, "exp": 2631, "looped": 301, "lanes": 38, "copies": 8,
            "fixed_kernels": 859, "fixed_sparse": 305, "values": 7, "moves": 6, "slow": 24, "fft3": 43, "fft5": 32,
            "fft7": 91, "fft8": 115, "rffts": 11, "spectral": 21, "affine_i8_to_i8": 134, "affine_i16_to_i16": 38,
            "normalize_f32": 896, "to_i8": 56, "to_i16": 25, "gather_f32": 8, "gather_i8": 32, "gather_i16": 40,
            "largest_f32": 56, "sum_f32": 40, "affine_f32_positions": 38, "affine_w8_positions": 250,
            "affine_i8_to_i8_positions": 95, "affine_i16_to_i16_positions": 6, "f32_sigmoid": 147, "f32_tanh": 92,
            "softmax_f32": 39, "affine_f32_banded": 25, "log_wide_to_i16": 16,
        },
        "armv7e-m+fp": {
            "affine_f32": 1376, "affine_f16": 1476, "affine_w8": 1508, "affine_w4": 1708, "affine_i8": 1427, "sparse":
            193, "squash": 624, "squashes": 109, "exp": 2632, "looped": 315, "lanes": 39, "fixed": 7, "fixed_kernels":
            857, "fixed_sparse": 336, "values": 1, "moves": 10, "fft3": 25, "fft5": 36, "fft7": 77, "fft8": 35,
            "rffts": 11, "spectral": 7, "affine_i8_to_i8": 88, "affine_i16_to_i16": 63, "normalize_f32": 912, "to_i8":
            24, "to_i16": 28, "gather_f32": 28, "gather_i8": 40, "gather_i16": 40, "largest_f32": 20, "sum_f32": 16,
            "affine_f32_positions": 28, "affine_w8_positions": 272, "affine_i8_to_i8_positions": 91,
            "affine_i16_to_i16_positions": 79, "f32_sigmoid": 201, "f32_tanh": 123, "softmax_f32": 32,
            "affine_f32_banded": 6, "log_wide_to_i8": 43,
        },
        "armv7e-m+fp.dp": {
            "always": 2, "affine_f32": 1376, "affine_f16": 1472, "affine_w8": 1514, "affine_w4": 1714, "affine_i8":
            1433, "sparse": 189, "squash": 632, "squashes": 112, "exp": 2623, "looped": 322, "lanes": 39, "copies": 2,
            "fixed_kernels": 847, "fixed_sparse": 332, "values": 1, "moves": 7, "fft3": 12, "fft5": 53, "fft7": 80,
            "fft8": 25, "rffts": 7, "spectral": 6, "affine_i8_to_i8": 100, "affine_i16_to_i16": 69, "normalize_f32":
            908, "f32_of_i8_on": 5, "to_i8": 31, "to_i16": 35, "q_table_i8": 3, "gather_f32": 28, "gather_i8": 36,
            "gather_i16": 36, "largest_f32": 16, "sum_f32": 21, "affine_f32_positions": 39, "affine_w8_positions": 262,
            "affine_i8_to_i8_positions": 94, "affine_i16_to_i16_positions": 85, "f32_sigmoid": 184, "f32_tanh": 111,
            "softmax_f32": 28, "affine_f32_banded": 15, "log_wide_to_i8": 42,
        },
        "armv8-m.main+dsp+fp": {
            "always": 5, "affine_f32": 1376, "affine_f16": 1479, "affine_w8": 1517, "affine_w4": 1717, "affine_i8":
            1436, "sparse": 197, "squash": 629, "squashes": 113, "exp": 2631, "looped": 318, "lanes": 39, "copies": 3,
            "fixed_kernels": 857, "fixed_sparse": 336, "values": 1, "moves": 6, "fft3": 2, "fft5": 75, "fft7": 77,
            "fft8": 22, "rffts": 8, "spectral": 6, "affine_i8_to_i8": 95, "affine_i16_to_i16": 61, "normalize_f32":
            904, "to_i8": 23, "to_i16": 27, "gather_f32": 28, "gather_i8": 32, "gather_i16": 32, "largest_f32": 12,
            "sum_f32": 18, "affine_f32_positions": 40, "affine_w8_positions": 266, "affine_i8_to_i8_positions": 89,
            "affine_i16_to_i16_positions": 77, "f32_sigmoid": 187, "f32_tanh": 106, "softmax_f32": 24,
            "affine_f32_banded": 5, "log_wide_to_i8": 34,
        },
        "armv8.1-m.main+mve.fp+fp.dp": {
            "always": 4, "affine_f32": 1384, "affine_f16": 1472, "affine_w8": 1527, "affine_w4": 1727, "affine_i8":
            1448, "sparse": 200, "squash": 619, "squashes": 115, "exp": 2652, "looped": 332, "lanes": 38, "copies": 4,
            "fixed_kernels": 848, "fixed_sparse": 332, "moves": 4, "fft5": 108, "fft7": 92, "fft8": 28, "rffts": 24,
            "spectral": 11, "affine_i8_to_i8": 96, "affine_i16_to_i16": 80, "normalize_f32": 912, "to_i8": 36,
            "to_i16": 28, "gather_f32": 28, "gather_i8": 32, "gather_i16": 32, "largest_f32": 12, "sum_f32": 8,
            "affine_f32_positions": 37, "affine_w8_positions": 257, "affine_i8_to_i8_positions": 104,
            "affine_i16_to_i16_positions": 96, "f32_sigmoid": 216, "f32_tanh": 98, "softmax_f32": 24,
            "affine_f32_banded": 191, "log_wide_to_i8": 16,
        },
        "rv32imc": {
            "affine_f32": 1396, "affine_f16": 1507, "affine_w8": 1528, "affine_w4": 1752, "affine_i8": 1508, "sparse":
            257, "squash": 574, "squashes": 124, "exp": 2745, "looped": 320, "lanes": 36, "fixed_kernels": 887,
            "fixed_sparse": 352, "values": 4, "curves": 5, "moves": 15, "slow": 79, "fft3": 59, "fft5": 48, "fft7":
            123, "fft8": 123, "rffts": 27, "spectral": 4, "affine_i8_to_i8": 13, "normalize_f32": 928, "to_i8": 28,
            "to_i16": 23, "gather_f32": 8, "gather_i8": 48, "gather_i16": 48, "largest_f32": 65, "sum_f32": 48,
            "affine_f32_positions": 28, "affine_w8_positions": 282, "affine_i8_to_i8_positions": 5, "f32_sigmoid": 336,
            "f32_tanh": 88, "softmax_f32": 44, "log_wide_to_i8": 13,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `step` to the deepest kernel."""
