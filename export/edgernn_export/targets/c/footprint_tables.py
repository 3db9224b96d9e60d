"""What a trait of the step takes in code and on the stack: the figures that bench/c_footprint.py prints."""

from collections.abc import Mapping
from types import MappingProxyType

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 412, "affine_f32": 2247, "affine_f16": 2935, "affine_w8": 2727, "affine_w4": 3299, "affine_i8":
            3080, "sparse": 242, "affines": 145, "squash": 1823, "exp": 5202, "looped": 1339, "lanes": 59, "copies": 20,
            "fixed_sparse": 485, "fixed_affines": 255, "values": 138, "normals": 469, "casts": 1336, "moves": 88,
            "slow": 1130, "fft2": 881, "fft3": 835, "fft4": 411, "fft5": 1468, "fft7": 2334, "fft8": 2032, "rffts": 458,
            "spectral": 435, "iffts": 10, "affine_i8_to_i8": 874, "affine_i16_to_i16": 435, "normalize_f32": 425,
            "normalize_i8_to_i8": 484, "normalize_i16_to_i16": 692, "i16_of_f32": 2414, "f32_of_i8_on": 2031,
            "f32_of_i16_on": 1534, "to_i16": 50, "gather_f32": 132, "gather_i8": 28, "gather_i16": 52, "largest_f32":
            572, "largest_i8": 48, "largest_i16": 60, "sum_f32": 38, "affine_f32_positions": 60, "affine_i8_positions":
            1870, "affine_i8_to_i8_positions": 549, "affine_i16_to_i16_positions": 450, "f32_sigmoid": 483,
            "softmax_f32": 2720, "log_f32": 305,
        },
        "armv7e-m+fp": {
            "always": 148, "affine_f32": 1981, "affine_f16": 2197, "affine_w8": 2392, "affine_w4": 2462, "affine_i8":
            2062, "sparse": 408, "affines": 103, "squash": 2090, "squashes": 217, "exp": 5600, "looped": 51, "lanes":
            84, "copies": 39, "fixed_kernels": 8, "fixed_sparse": 978, "fixed_affines": 95, "values": 67, "curves": 40,
            "normals": 263, "casts": 1121, "moves": 72, "rows": 67, "fft2": 95, "fft3": 261, "fft4": 31, "fft5": 564,
            "fft7": 1009, "fft8": 639, "rffts": 196, "spectral": 266, "affine_i8_to_i8": 350, "affine_i16_to_i8": 258,
            "affine_i16_to_i16": 406, "normalize_f32": 1618, "normalize_i8_to_i8": 41, "normalize_i16_to_i16": 170,
            "i16_of_f32": 8, "f32_of_i8_on": 551, "f32_of_i16_on": 583, "to_i8": 69, "to_i16": 61, "gather_f32": 189,
            "gather_i8": 129, "gather_i16": 185, "largest_f32": 95, "largest_i8": 24, "largest_i16": 16, "sum_f32": 54,
            "affine_i8_to_i8_positions": 218, "affine_i16_to_i16_positions": 230, "f32_sigmoid": 310, "f32_tanh": 222,
            "softmax_f32": 857, "affine_f32_banded": 1534, "log_f32": 367, "log_wide_to_i16": 37,
        },
        "armv7e-m+fp.dp": {
            "always": 167, "affine_f32": 1991, "affine_f16": 2171, "affine_w8": 2302, "affine_w4": 2342, "affine_i8":
            2031, "sparse": 359, "affines": 137, "squash": 2059, "squashes": 203, "exp": 5586, "looped": 49, "lanes":
            85, "copies": 37, "fixed_kernels": 123, "fixed_sparse": 983, "fixed_affines": 98, "values": 65, "curves":
            50, "normals": 274, "casts": 7, "moves": 78, "rows": 59, "slow": 54, "fft2": 59, "fft3": 266, "fft5": 544,
            "fft7": 1022, "fft8": 614, "rffts": 216, "spectral": 270, "affine_i8_to_i8": 243, "affine_i16_to_i8": 170,
            "affine_i16_to_i16": 276, "normalize_f32": 1614, "normalize_i16_to_i16": 157, "i8_of_f32": 303,
            "i16_of_f32": 305, "f32_of_i8_on": 25, "to_i8": 55, "to_i16": 59, "gather_f32": 185, "gather_i8": 116,
            "gather_i16": 164, "largest_f32": 83, "largest_i8": 24, "largest_i16": 16, "sum_f32": 39,
            "affine_i8_to_i8_positions": 95, "affine_i16_to_i16_positions": 115, "f32_sigmoid": 355, "f32_tanh": 307,
            "softmax_f32": 904, "affine_f32_banded": 1311, "log_f32": 372, "log_wide_to_i16": 40,
        },
        "armv8-m.main+dsp+fp": {
            "always": 175, "affine_f32": 1956, "affine_f16": 2191, "affine_w8": 2362, "affine_w4": 2387, "affine_i8":
            2147, "sparse": 413, "affines": 117, "squash": 2073, "squashes": 213, "exp": 5567, "looped": 50, "lanes":
            84, "copies": 37, "fixed_kernels": 202, "fixed_sparse": 914, "fixed_affines": 86, "values": 71, "curves":
            41, "normals": 212, "casts": 1098, "moves": 84, "rows": 65, "fft2": 195, "fft3": 266, "fft4": 204, "fft5":
            562, "fft7": 1032, "fft8": 740, "rffts": 105, "spectral": 263, "affine_i8_to_i8": 148, "affine_i16_to_i8":
            102, "affine_i16_to_i16": 200, "normalize_f32": 1712, "normalize_i8_to_i8": 134, "normalize_i16_to_i16":
            261, "i16_of_f32": 30, "f32_of_i8_on": 598, "f32_of_i16_on": 586, "to_i8": 49, "to_i16": 46, "gather_f32":
            195, "gather_i8": 112, "gather_i16": 160, "largest_f32": 69, "largest_i8": 24, "largest_i16": 20, "sum_f32":
            32, "affine_i16_to_i16_positions": 16, "f32_sigmoid": 325, "f32_tanh": 225, "softmax_f32": 824,
            "affine_f32_banded": 1414, "log_f32": 362, "log_wide_to_i16": 30,
        },
        "armv8.1-m.main+mve.fp+fp.dp": {
            "always": 172, "affine_f32": 2093, "affine_f16": 2396, "affine_w8": 2513, "affine_w4": 2466, "affine_i8":
            2050, "sparse": 457, "affines": 152, "squash": 2387, "squashes": 224, "exp": 6291, "looped": 34, "lanes":
            87, "copies": 40, "fixed": 4, "fixed_sparse": 1297, "fixed_affines": 27, "values": 92, "curves": 62,
            "normals": 203, "casts": 12, "moves": 94, "rows": 59, "reduced": 20, "fft2": 32, "fft3": 191, "fft4": 206,
            "fft5": 763, "fft7": 1154, "fft8": 766, "rffts": 111, "spectral": 283, "affine_i8_to_i8": 301,
            "affine_i16_to_i8": 161, "affine_i16_to_i16": 401, "normalize_f32": 1821, "normalize_i8_to_i8": 114,
            "normalize_i16_to_i16": 197, "i8_of_f32": 395, "i16_of_f32": 314, "f32_of_i8_on": 28, "to_i8": 108,
            "to_i16": 113, "gather_f32": 222, "gather_i8": 108, "gather_i16": 172, "largest_f32": 35, "largest_i8": 12,
            "sum_f32": 31, "sum_i8_to_i8": 76, "sum_i16_to_i16": 48, "affine_i8_positions": 27,
            "affine_i8_to_i8_positions": 130, "affine_i16_to_i16_positions": 230, "f32_sigmoid": 167, "softmax_f32":
            912, "affine_f32_banded": 1595, "log_f32": 367, "log_wide_to_i16": 234,
        },
        "rv32imc": {
            "always": 127, "affine_f32": 4375, "affine_f16": 4985, "affine_w8": 5052, "affine_w4": 6304, "affine_i8":
            5852, "sparse": 1641, "affines": 79, "squash": 2711, "squashes": 132, "exp": 10043, "looped": 1277, "lanes":
            118, "copies": 33, "fixed_kernels": 334, "fixed_sparse": 505, "fixed_affines": 279, "values": 137, "casts":
            32, "moves": 128, "slow": 634, "fft2": 454, "fft3": 1341, "fft5": 1464, "fft7": 1409, "fft8": 1933, "rffts":
            996, "spectral": 358, "iffts": 791, "affine_i8_to_i8": 908, "affine_i16_to_i16": 678, "normalize_f32": 2844,
            "normalize_i8_to_i8": 1234, "normalize_i16_to_i16": 1414, "i16_of_f32": 3111, "f32_of_i8_on": 4826,
            "f32_of_i16_on": 4013, "to_i16": 111, "q_table_i16": 37, "gather_f32": 164, "gather_i8": 144, "gather_i16":
            168, "largest_f32": 426, "largest_i8": 24, "largest_i16": 104, "sum_f32": 961, "affine_f16_positions": 45,
            "affine_w8_positions": 106, "affine_i8_positions": 1185, "affine_i8_to_i8_positions": 450,
            "affine_i16_to_i16_positions": 624, "f32_sigmoid": 762, "softmax_f32": 3305, "log_wide_to_i8": 536,
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
            "affine_f32": 1405, "affine_f16": 1474, "affine_w8": 1539, "affine_w4": 1739, "affine_i8": 1465, "sparse":
            209, "squash": 606, "squashes": 103, "exp": 2632, "looped": 292, "lanes": 40, "copies": 3, "fixed": 1,
            "fixed_sparse": 159, "values": 4, "curves": 4, "moves": 4, "fft3": 19, "fft5": 36, "fft7": 71, "fft8": 34,
            "rffts": 6, "spectral": 5, "affine_i8_to_i8": 324, "affine_i16_to_i16": 324, "normalize_f32": 909, "to_i8":
            28, "to_i16": 24, "gather_f32": 28, "gather_i8": 37, "gather_i16": 37, "largest_f32": 17, "sum_f32": 43,
            "affine_f32_positions": 40, "affine_w8_positions": 239, "affine_i8_to_i8_positions": 309,
            "affine_i16_to_i16_positions": 286, "f32_sigmoid": 196, "f32_tanh": 133, "affine_f32_banded": 6,
            "log_wide_to_i8": 23,
        },
        "armv7e-m+fp.dp": {
            "affine_f32": 1396, "affine_f16": 1471, "affine_w8": 1532, "affine_w4": 1732, "affine_i8": 1467, "sparse":
            206, "squash": 621, "squashes": 104, "exp": 2629, "looped": 291, "lanes": 40, "copies": 4, "fixed_sparse":
            158, "values": 5, "curves": 1, "moves": 2, "fft3": 14, "fft5": 40, "fft7": 70, "fft8": 25, "rffts": 3,
            "spectral": 5, "affine_i8_to_i8": 324, "affine_i16_to_i16": 328, "normalize_f32": 908, "to_i8": 27,
            "to_i16": 23, "gather_f32": 28, "gather_i8": 36, "gather_i16": 36, "largest_f32": 16, "sum_f32": 41,
            "affine_f32_positions": 53, "affine_w8_positions": 243, "affine_i8_to_i8_positions": 300,
            "affine_i16_to_i16_positions": 294, "f32_sigmoid": 189, "f32_tanh": 130, "softmax_f32": 8,
            "affine_f32_banded": 12, "log_wide_to_i8": 18,
        },
        "armv8-m.main+dsp+fp": {
            "always": 2, "affine_f32": 1390, "affine_f16": 1480, "affine_w8": 1531, "affine_w4": 1731, "affine_i8":
            1457, "sparse": 215, "squash": 625, "squashes": 104, "exp": 2636, "looped": 287, "lanes": 40, "copies": 6,
            "fixed_sparse": 149, "fixed_affines": 3, "values": 4, "curves": 5, "fft3": 9, "fft5": 52, "fft7": 62,
            "fft8": 23, "rffts": 3, "spectral": 5, "affine_i8_to_i8": 310, "affine_i16_to_i16": 307, "normalize_f32":
            904, "to_i8": 24, "to_i16": 20, "q_table_i16": 7, "gather_f32": 28, "gather_i8": 32, "gather_i16": 32,
            "largest_f32": 12, "sum_f32": 37, "affine_f32_positions": 54, "affine_w8_positions": 253,
            "affine_i8_to_i8_positions": 300, "affine_i16_to_i16_positions": 274, "f32_sigmoid": 190, "f32_tanh": 125,
            "softmax_f32": 10, "affine_f32_banded": 14, "log_wide_to_i8": 23,
        },
        "armv8.1-m.main+mve.fp+fp.dp": {
            "always": 4, "affine_f32": 1385, "affine_f16": 1478, "affine_w8": 1527, "affine_w4": 1727, "affine_i8":
            1575, "sparse": 194, "squash": 672, "squashes": 112, "exp": 2592, "looped": 331, "lanes": 39, "copies": 4,
            "fixed_sparse": 506, "values": 6, "curves": 28, "normals": 9, "fft4": 5, "fft5": 109, "fft7": 93, "fft8":
            33, "rffts": 21, "spectral": 14, "affine_i8_to_i8": 344, "affine_i16_to_i16": 392, "normalize_f32": 903,
            "normalize_i16_to_i16": 11, "to_i8": 58, "to_i16": 58, "gather_f32": 28, "gather_i8": 32, "gather_i16": 32,
            "largest_f32": 12, "sum_f32": 8, "affine_f32_positions": 42, "affine_w8_positions": 264,
            "affine_i8_to_i8_positions": 358, "affine_i16_to_i16_positions": 301, "f32_sigmoid": 158, "f32_tanh": 105,
            "affine_f32_banded": 154,
        },
        "rv32imc": {
            "affine_f32": 1396, "affine_f16": 1507, "affine_w8": 1528, "affine_w4": 1752, "affine_i8": 1508, "sparse":
            257, "squash": 574, "squashes": 124, "exp": 2745, "looped": 320, "lanes": 36, "fixed_kernels": 887,
            "fixed_sparse": 352, "values": 4, "curves": 5, "moves": 15, "slow": 79, "fft3": 59, "fft5": 48, "fft7": 123,
            "fft8": 123, "rffts": 27, "spectral": 4, "affine_i8_to_i8": 13, "normalize_f32": 928, "to_i8": 28, "to_i16":
            23, "gather_f32": 8, "gather_i8": 48, "gather_i16": 48, "largest_f32": 65, "sum_f32": 48,
            "affine_f32_positions": 28, "affine_w8_positions": 282, "affine_i8_to_i8_positions": 5, "f32_sigmoid": 336,
            "f32_tanh": 88, "softmax_f32": 44, "log_wide_to_i8": 13,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `step` to the deepest kernel."""
