"""What a trait of the step takes in code and on the stack: the figures that bench/c_footprint.py prints."""

from collections.abc import Mapping
from types import MappingProxyType

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 416, "affine_f32": 1552, "affine_f16": 1691, "affine_w8": 1893, "affine_w4": 3181, "affine_i8":
            1971, "sparse": 650, "affines": 288, "squash": 315, "squashes": 157, "exp": 1770, "looped": 1074, "lanes":
            82, "copies": 20, "fixed_kernels": 268, "fixed_sparse": 760, "fixed_affines": 156, "values": 134, "normals":
            541, "casts": 2211, "moves": 74, "rows": 55, "slow": 888, "fft2": 959, "fft3": 873, "fft4": 706, "fft5":
            1644, "fft7": 2549, "fft8": 1973, "rffts": 310, "spectral": 399, "iffts": 8, "affine_i8_to_i8": 240,
            "affine_i16_to_i8": 60, "affine_i16_to_i16": 194, "normalize_i8_to_i8": 457, "normalize_i16_to_i16": 390,
            "i16_of_f32": 795, "f32_of_i8_on": 1085, "f32_of_i16_on": 1131, "to_i8": 38, "to_i16": 30, "gather_f32":
            128, "gather_i8": 24, "gather_i16": 48, "largest_f32": 582, "largest_i8": 48, "largest_i16": 60, "sum_f32":
            163, "affine_f32_positions": 56, "affine_f16_positions": 506, "affine_i8_positions": 2794,
            "affine_i8_to_i8_positions": 200, "affine_i16_to_i16_positions": 316, "f32_sigmoid": 473, "softmax_f32":
            3080, "log_wide_to_i8": 62,
        },
        "armv7e-m+fp": {
            "always": 161, "affine_f32": 30, "affine_f16": 248, "affine_w8": 120, "affine_w4": 2160, "affine_i8": 1940,
            "sparse": 52, "affines": 219, "squashes": 298, "exp": 47, "exps": 429, "looped": 38, "lanes": 84, "copies":
            39, "fixed_sparse": 1004, "fixed_affines": 68, "values": 75, "curves": 48, "normals": 265, "casts": 267,
            "moves": 71, "rows": 48, "fft2": 48, "fft3": 299, "fft4": 208, "fft5": 564, "fft7": 1047, "fft8": 808,
            "rffts": 105, "spectral": 265, "affine_i8_to_i8": 372, "affine_i16_to_i8": 317, "affine_i16_to_i16": 428,
            "normalize_f32": 1569, "normalize_i16_to_i16": 106, "i16_of_f32": 875, "f32_of_i8_on": 1415,
            "f32_of_i16_on": 1425, "to_i8": 49, "to_i16": 41, "q_table_i16": 9, "gather_f32": 132, "gather_i8": 116,
            "gather_i16": 172, "largest_f32": 140, "largest_i8": 24, "largest_i16": 16, "sum_f32": 57,
            "affine_f32_positions": 62, "affine_w8_positions": 172, "affine_i8_to_i8_positions": 240,
            "affine_i16_to_i16_positions": 252, "f32_sigmoid": 16, "softmax_f32": 847, "affine_f32_banded": 509,
            "log_f32": 315, "log_wide_to_i16": 13,
        },
        "armv7e-m+fp.dp": {
            "always": 175, "affine_f32": 10, "affine_f16": 238, "affine_w8": 92, "affine_w4": 2186, "affine_i8": 1946,
            "sparse": 25, "affines": 230, "squashes": 306, "exp": 155, "exps": 323, "looped": 39, "lanes": 85, "copies":
            37, "fixed_kernels": 2, "fixed_sparse": 999, "fixed_affines": 77, "values": 71, "curves": 49, "normals":
            260, "moves": 70, "rows": 48, "slow": 47, "fft2": 39, "fft3": 300, "fft4": 197, "fft5": 568, "fft7": 1079,
            "fft8": 805, "rffts": 116, "spectral": 269, "affine_i8_to_i8": 377, "affine_i16_to_i8": 320,
            "affine_i16_to_i16": 409, "normalize_f32": 1620, "normalize_i16_to_i16": 160, "i16_of_f32": 324,
            "f32_of_i8_on": 24, "to_i8": 45, "to_i16": 49, "gather_f32": 132, "gather_i8": 108, "gather_i16": 156,
            "largest_f32": 128, "largest_i8": 24, "largest_i16": 16, "sum_f32": 54, "affine_f32_positions": 80,
            "affine_w8_positions": 195, "affine_i8_to_i8_positions": 245, "affine_i16_to_i16_positions": 265,
            "f32_sigmoid": 16, "softmax_f32": 912, "affine_f32_banded": 502, "log_f32": 333, "log_wide_to_i16": 43,
        },
        "armv8-m.main+dsp+fp": {
            "always": 172, "affine_f16": 217, "affine_w8": 76, "affine_w4": 2133, "affine_i8": 1864, "sparse": 30,
            "affines": 235, "squashes": 307, "exp": 115, "exps": 386, "looped": 44, "lanes": 82, "copies": 40,
            "fixed_kernels": 19, "fixed_sparse": 911, "fixed_affines": 89, "values": 69, "curves": 47, "normals": 285,
            "casts": 397, "moves": 79, "rows": 48, "slow": 64, "fft2": 170, "fft3": 243, "fft4": 250, "fft5": 624,
            "fft7": 1071, "fft8": 788, "rffts": 77, "spectral": 263, "affine_i8_to_i8": 328, "affine_i16_to_i8": 283,
            "affine_i16_to_i16": 377, "normalize_f32": 1529, "normalize_i16_to_i16": 115, "i16_of_f32": 813,
            "f32_of_i8_on": 1283, "f32_of_i16_on": 1242, "to_i8": 51, "to_i16": 44, "q_table_i16": 30, "gather_f32":
            162, "gather_i8": 112, "gather_i16": 160, "largest_f32": 102, "largest_i8": 24, "largest_i16": 20,
            "sum_f32": 56, "affine_f32_positions": 93, "affine_w8_positions": 209, "affine_i8_positions": 61,
            "affine_i8_to_i8_positions": 180, "affine_i16_to_i16_positions": 196, "f32_sigmoid": 20, "softmax_f32": 840,
            "affine_f32_banded": 424, "log_f32": 349, "log_wide_to_i16": 18,
        },
        "armv8.1-m.main+mve.fp+fp.dp": {
            "always": 172, "affine_f32": 27, "affine_f16": 183, "affine_w8": 107, "affine_w4": 2489, "affine_i8": 2142,
            "sparse": 129, "affines": 99, "squashes": 297, "exps": 382, "looped": 20, "lanes": 90, "copies": 40,
            "fixed": 4, "fixed_sparse": 1289, "fixed_affines": 31, "values": 90, "curves": 70, "normals": 263, "moves":
            87, "rows": 72, "reduced": 20, "fft2": 33, "fft3": 166, "fft4": 376, "fft5": 896, "fft7": 1262, "fft8": 957,
            "rffts": 26, "spectral": 283, "affine_i8_to_i8": 297, "affine_i16_to_i8": 152, "affine_i16_to_i16": 363,
            "normalize_f32": 1650, "normalize_i16_to_i16": 91, "i16_of_f32": 420, "f32_of_i8_on": 10, "f32_of_i16_on":
            16, "to_i8": 110, "to_i16": 118, "gather_f32": 201, "gather_i8": 108, "gather_i16": 172, "largest_f32": 55,
            "largest_i8": 12, "sum_f32": 26, "sum_i8_to_i8": 76, "sum_i16_to_i16": 44, "affine_f32_positions": 75,
            "affine_f16_positions": 415, "affine_w8_positions": 155, "affine_i8_to_i8_positions": 138,
            "affine_i16_to_i16_positions": 238, "f32_sigmoid": 20, "softmax_f32": 942, "affine_f32_banded": 563,
            "log_f32": 368, "log_wide_to_i16": 242,
        },
        "rv32imc": {
            "always": 127, "affine_f32": 2289, "affine_f16": 2058, "affine_w8": 2363, "affine_w4": 5212, "affine_i8":
            3632, "sparse": 1718, "affines": 405, "squash": 162, "squashes": 212, "exp": 2674, "looped": 1276, "lanes":
            118, "copies": 33, "fixed_kernels": 417, "fixed_sparse": 675, "fixed_affines": 157, "values": 139, "curves":
            10, "normals": 246, "casts": 1618, "moves": 128, "rows": 87, "slow": 631, "fft3": 1365, "fft5": 1543,
            "fft7": 1513, "fft8": 1928, "rffts": 920, "spectral": 312, "iffts": 752, "affine_i8_to_i8": 66,
            "affine_i16_to_i16": 134, "normalize_f32": 2067, "normalize_i8_to_i8": 986, "normalize_i16_to_i16": 1044,
            "i16_of_f32": 1754, "f32_of_i8_on": 2874, "f32_of_i16_on": 2281, "to_i16": 6, "gather_f32": 164,
            "gather_i8": 144, "gather_i16": 168, "largest_f32": 426, "largest_i8": 24, "largest_i16": 104, "sum_f32":
            961, "affine_f16_positions": 1261, "affine_w8_positions": 643, "affine_i8_positions": 158,
            "affine_i16_to_i16_positions": 218, "f32_sigmoid": 897, "softmax_f32": 4000, "log_wide_to_i8": 361,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code per trait, with the C library."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 26, "affine_f32": 78, "affine_f16": 118, "affine_w8": 118, "affine_w4": 2180, "affine_i8": 1203,
            "sparse": 29, "looped": 223, "lanes": 42, "copies": 8, "fixed_sparse": 161, "fixed_affines": 11, "values":
            9, "fft2": 30, "fft5": 70, "fft7": 118, "fft8": 103, "rffts": 8, "spectral": 21, "affine_i8_to_i8": 323,
            "affine_i16_to_i16": 297, "normalize_f32": 878, "normalize_i8_to_i8": 104, "to_i8": 31, "gather_f32": 8,
            "gather_i8": 14, "gather_i16": 22, "largest_f32": 38, "sum_f32": 73, "sum_i16_to_i16": 7,
            "affine_f32_positions": 32, "affine_i8_to_i8_positions": 315, "affine_i16_to_i16_positions": 241,
            "f32_sigmoid": 283, "softmax_f32": 8, "affine_f32_banded": 12, "log_f32": 2, "log_wide_to_i16": 7,
        },
        "armv7e-m+fp": {
            "affine_f32": 37, "affine_f16": 64, "affine_w8": 64, "affine_w4": 2213, "affine_i8": 1336, "sparse": 2,
            "looped": 220, "lanes": 46, "copies": 5, "fixed_sparse": 151, "fixed_affines": 2, "values": 4, "curves": 4,
            "fft2": 43, "fft5": 65, "fft7": 81, "fft8": 33, "rffts": 2, "spectral": 4, "affine_i8_to_i8": 315,
            "affine_i16_to_i16": 315, "normalize_f32": 907, "to_i8": 27, "to_i16": 23, "gather_f32": 14, "gather_i8":
            35, "gather_i16": 35, "largest_f32": 15, "sum_f32": 70, "affine_f32_positions": 16,
            "affine_i8_to_i8_positions": 303, "affine_i16_to_i16_positions": 279, "f32_sigmoid": 223, "softmax_f32": 6,
            "affine_f32_banded": 2, "log_f32": 8, "log_wide_to_i8": 28,
        },
        "armv7e-m+fp.dp": {
            "affine_f32": 35, "affine_f16": 69, "affine_w8": 61, "affine_w4": 2203, "affine_i8": 1325, "looped": 221,
            "lanes": 45, "copies": 5, "fixed_sparse": 158, "values": 5, "curves": 1, "fft2": 43, "fft5": 56, "fft7": 79,
            "fft8": 25, "rffts": 1, "spectral": 4, "affine_i8_to_i8": 323, "affine_i16_to_i16": 323, "normalize_f32":
            907, "to_i8": 26, "to_i16": 22, "gather_f32": 14, "gather_i8": 35, "gather_i16": 35, "largest_f32": 15,
            "sum_f32": 71, "affine_f32_positions": 16, "affine_i8_to_i8_positions": 299, "affine_i16_to_i16_positions":
            291, "f32_sigmoid": 239, "softmax_f32": 8, "affine_f32_banded": 15, "log_f32": 8, "log_wide_to_i8": 21,
        },
        "armv8-m.main+dsp+fp": {
            "always": 2, "affine_f32": 30, "affine_f16": 56, "affine_w8": 56, "affine_w4": 2208, "affine_i8": 1319,
            "looped": 234, "lanes": 45, "copies": 6, "fixed_sparse": 149, "fixed_affines": 3, "values": 4, "curves": 5,
            "fft2": 30, "fft5": 50, "fft7": 71, "fft8": 23, "rffts": 3, "spectral": 4, "affine_i8_to_i8": 310,
            "affine_i16_to_i16": 307, "normalize_f32": 904, "to_i8": 24, "to_i16": 20, "q_table_i16": 7, "gather_f32":
            11, "gather_i8": 32, "gather_i16": 32, "largest_f32": 12, "sum_f32": 64, "affine_f32_positions": 16,
            "affine_i8_to_i8_positions": 300, "affine_i16_to_i16_positions": 274, "f32_sigmoid": 245, "softmax_f32": 10,
            "log_f32": 8, "log_wide_to_i8": 27,
        },
        "armv8.1-m.main+mve.fp+fp.dp": {
            "always": 4, "affine_f32": 67, "affine_f16": 246, "affine_w8": 150, "affine_w4": 2199, "affine_i8": 1365,
            "sparse": 4, "looped": 242, "lanes": 45, "copies": 4, "fixed_sparse": 508, "values": 6, "curves": 29,
            "normals": 10, "fft2": 38, "fft4": 47, "fft5": 130, "fft7": 114, "fft8": 75, "spectral": 13,
            "affine_i8_to_i8": 344, "affine_i16_to_i16": 392, "normalize_f32": 902, "normalize_i16_to_i16": 10, "to_i8":
            58, "to_i16": 58, "q_table_i16": 1, "gather_f32": 21, "gather_i8": 32, "gather_i16": 32, "largest_f32": 12,
            "sum_f32": 52, "affine_f32_positions": 40, "affine_i8_to_i8_positions": 358, "affine_i16_to_i16_positions":
            302, "f32_sigmoid": 252, "softmax_f32": 13, "affine_f32_banded": 85, "log_f32": 8, "log_wide_to_i8": 12,
        },
        "rv32imc": {
            "affine_f32": 101, "affine_f16": 157, "affine_w8": 138, "affine_w4": 2245, "affine_i8": 1251, "sparse": 100,
            "looped": 247, "lanes": 41, "copies": 11, "fixed_sparse": 183, "fixed_affines": 9, "values": 5, "curves": 3,
            "fft2": 32, "fft5": 59, "fft7": 136, "fft8": 82, "rffts": 7, "spectral": 2, "affine_i8_to_i8": 327,
            "affine_i16_to_i16": 320, "normalize_f32": 917, "to_i8": 16, "to_i16": 13, "q_table_i16": 5, "gather_f32":
            16, "gather_i8": 37, "gather_i16": 37, "largest_f32": 37, "sum_f32": 73, "affine_f32_positions": 16,
            "affine_i8_to_i8_positions": 279, "affine_i16_to_i16_positions": 288, "f32_sigmoid": 303, "softmax_f32": 16,
            "log_f32": 2, "log_wide_to_i8": 37,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `step` to the deepest kernel."""
