"""What a trait of the step takes in code and on the stack: the figures that bench/c_footprint.py prints."""

from collections.abc import Mapping
from types import MappingProxyType

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 428, "affine_f32": 2712, "affine_f16": 5100, "affine_w8": 3120, "affine_w4": 10312,
            "affine_i8": 5540, "sparse": 1336, "affines": 220, "squashes": 712, "exp": 5356, "looped": 280, "lanes": 60,
            "copies": 36, "fixed": 620, "fixed_sparse": 712, "fixed_affines": 308, "curves": 292, "moves": 112,
            "slow": 76, "fft2": 1756, "fft3": 1140, "fft4": 964, "fft5": 1492, "fft7": 3624, "fft8": 4244,
            "spectral": 548, "affine_i8_to_i8": 2568, "affine_i16_to_i16": 1988, "normalize_f32": 804, "i8_of_f32": 892,
            "i16_of_f32": 728, "to_i8": 408, "to_i16": 444, "gather_f32": 104, "gather_i8": 332, "gather_i16": 320,
            "largest_f32": 392, "largest_i8": 880, "largest_i16": 992, "affine_i8_to_i8_positions": 548,
            "affine_i16_to_i16_positions": 508, "f32_sigmoid": 2176, "f32_tanh": 3308, "softmax_f32": 380,
            "affine_f32_banded": 1964, "log_wide_to_i16": 624,
        },
        "armv7e-m+fp": {
            "always": 608, "affine_f32": 2820, "affine_f16": 8232, "affine_w8": 3536, "affine_w4": 6628,
            "affine_i8": 1836, "sparse": 396, "affines": 684, "squashes": 552, "exp": 4676, "looped": 660, "lanes": 36,
            "copies": 12, "fixed_affines": 372, "values": 56, "curves": 208, "moves": 32, "slow": 36, "fft2": 776,
            "fft3": 1156, "fft4": 176, "fft5": 816, "fft7": 1224, "fft8": 2452, "rffts": 60, "spectral": 356,
            "normalize_f32": 496, "normalize_i16_to_i16": 600, "i8_of_f32": 776, "i16_of_f32": 76, "to_i16": 28,
            "q_table_i8": 516, "gather_i8": 212, "gather_i16": 164, "largest_f32": 424, "largest_i8": 864,
            "largest_i16": 980, "sum_i8_to_i8": 768, "sum_i16_to_i16": 744, "affine_w8_positions": 152,
            "affine_i8_to_i8_positions": 436, "affine_i16_to_i16_positions": 404, "f32_sigmoid": 2832, "f32_tanh": 2440,
            "softmax_f32": 264, "affine_f32_banded": 1852, "log_wide_to_i8": 516,
        },
        "armv7e-m+fp.dp": {
            "always": 620, "affine_f32": 2820, "affine_f16": 7760, "affine_w8": 3688, "affine_w4": 6384,
            "affine_i8": 1984, "sparse": 544, "affines": 524, "squashes": 680, "exp": 3572, "looped": 500, "lanes": 44,
            "copies": 12, "fixed_affines": 380, "values": 60, "curves": 200, "moves": 60, "slow": 8, "fft2": 784,
            "fft3": 1104, "fft4": 188, "fft5": 720, "fft7": 1092, "fft8": 2452, "rffts": 80, "spectral": 356,
            "normalize_f32": 436, "normalize_i16_to_i16": 896, "i8_of_f32": 324, "to_i16": 16, "q_table_i8": 488,
            "gather_i8": 212, "gather_i16": 132, "largest_f32": 228, "largest_i8": 372, "largest_i16": 464,
            "sum_i8_to_i8": 752, "sum_i16_to_i16": 724, "affine_w8_positions": 48, "affine_i8_to_i8_positions": 424,
            "affine_i16_to_i16_positions": 396, "f32_sigmoid": 988, "f32_tanh": 3084, "softmax_f32": 228,
            "affine_f32_banded": 1352, "log_wide_to_i8": 472,
        },
        "armv8-m.main+dsp+fp": {
            "always": 608, "affine_f32": 2884, "affine_f16": 8060, "affine_w8": 3600, "affine_w4": 6692,
            "affine_i8": 1704, "sparse": 460, "affines": 620, "squashes": 560, "exp": 4656, "looped": 608, "lanes": 36,
            "copies": 12, "fixed_affines": 372, "values": 56, "curves": 212, "moves": 44, "slow": 32, "fft2": 776,
            "fft3": 1156, "fft4": 200, "fft5": 840, "fft7": 1248, "fft8": 2452, "rffts": 48, "spectral": 356,
            "normalize_f32": 496, "normalize_i16_to_i16": 556, "i8_of_f32": 852, "i16_of_f32": 184, "to_i16": 28,
            "q_table_i8": 516, "gather_i8": 212, "gather_i16": 164, "largest_f32": 408, "largest_i8": 864,
            "largest_i16": 980, "sum_i8_to_i8": 736, "sum_i16_to_i16": 716, "affine_w8_positions": 164,
            "affine_i8_to_i8_positions": 436, "affine_i16_to_i16_positions": 404, "f32_sigmoid": 3016, "f32_tanh": 2360,
            "softmax_f32": 232, "affine_f32_banded": 1788, "log_wide_to_i8": 516,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code per trait; no measured object has more."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 64, "affine_f32": 628, "affine_f16": 628, "affine_w8": 628, "affine_w4": 1300, "affine_i8": 764,
            "sparse": 628, "squash": 536, "squashes": 180, "exp": 544, "looped": 280, "lanes": 8, "fixed_kernels": 356,
            "fixed_sparse": 172, "fixed_affines": 56, "curves": 20, "rows": 12, "fft3": 124, "fft5": 80, "fft7": 156,
            "fft8": 192, "rffts": 20, "spectral": 16, "affine_i8_to_i8": 472, "affine_i16_to_i16": 428,
            "normalize_f32": 56, "to_i8": 40, "to_i16": 40, "q_table_i8": 24, "q_table_i16": 12, "gather_f32": 16,
            "gather_i8": 16, "gather_i16": 16, "largest_f32": 16, "sum_i8_to_i8": 16, "sum_i16_to_i16": 24,
            "affine_f16_positions": 272, "affine_w8_positions": 256, "affine_i8_to_i8_positions": 8, "f32_tanh": 40,
            "softmax_f32": 84, "log_wide_to_i16": 16,
        },
        "armv7e-m+fp": {
            "always": 68, "affine_f32": 532, "affine_f16": 656, "affine_w8": 512, "affine_w4": 1264, "affine_i8": 712,
            "sparse": 172, "squash": 288, "exp": 376, "looped": 364, "lanes": 8, "copies": 4, "fixed_kernels": 296,
            "fixed_sparse": 144, "fixed_affines": 20, "values": 4, "curves": 8, "rows": 16, "fft2": 32, "fft3": 24,
            "fft5": 16, "fft7": 52, "fft8": 84, "rffts": 4, "spectral": 8, "affine_i8_to_i8": 24,
            "affine_i16_to_i16": 4, "normalize_f32": 24, "to_i8": 8, "to_i16": 8, "q_table_i16": 8, "largest_f32": 24,
            "largest_i8": 8, "sum_i8_to_i8": 16, "sum_i16_to_i16": 16, "affine_f32_positions": 8,
            "affine_f16_positions": 152, "affine_w8_positions": 16, "affine_i16_to_i16_positions": 16,
            "softmax_f32": 56, "log_wide_to_i16": 16,
        },
        "armv7e-m+fp.dp": {
            "always": 68, "affine_f32": 544, "affine_f16": 800, "affine_w8": 672, "affine_w4": 1440, "affine_i8": 680,
            "sparse": 216, "squash": 120, "exp": 108, "looped": 320, "lanes": 8, "copies": 4, "fixed_kernels": 284,
            "fixed_sparse": 136, "fixed_affines": 20, "values": 4, "curves": 8, "fft2": 48, "fft3": 24, "fft5": 28,
            "fft7": 52, "fft8": 36, "rffts": 20, "spectral": 4, "affine_i8_to_i8": 16, "affine_i16_to_i16": 8,
            "normalize_f32": 24, "i16_of_f32": 72, "to_i16": 4, "q_table_i16": 12, "largest_f32": 16, "largest_i8": 8,
            "largest_i16": 8, "sum_i8_to_i8": 40, "sum_i16_to_i16": 48, "affine_i16_to_i16_positions": 16,
            "f32_tanh": 4, "softmax_f32": 96, "log_wide_to_i16": 32,
        },
        "armv8-m.main+dsp+fp": {
            "always": 68, "affine_f32": 532, "affine_f16": 656, "affine_w8": 512, "affine_w4": 1264, "affine_i8": 712,
            "sparse": 172, "squash": 288, "exp": 376, "looped": 364, "lanes": 8, "copies": 4, "fixed_kernels": 296,
            "fixed_sparse": 144, "fixed_affines": 20, "values": 4, "curves": 8, "rows": 16, "fft2": 32, "fft3": 24,
            "fft5": 16, "fft7": 52, "fft8": 84, "rffts": 4, "spectral": 8, "affine_i8_to_i8": 24,
            "affine_i16_to_i16": 4, "normalize_f32": 24, "to_i8": 8, "to_i16": 8, "q_table_i16": 8, "largest_f32": 24,
            "largest_i8": 8, "sum_i8_to_i8": 16, "sum_i16_to_i16": 16, "affine_f32_positions": 8,
            "affine_f16_positions": 152, "affine_w8_positions": 16, "affine_i16_to_i16_positions": 16,
            "softmax_f32": 56, "log_wide_to_i16": 16,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `run` to the deepest kernel."""
