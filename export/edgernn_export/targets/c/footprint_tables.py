"""What a trait of the step takes in code and on the stack: the figures that bench/c_footprint.py prints."""

from collections.abc import Mapping
from types import MappingProxyType

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 484, "affine_f32": 2712, "affine_f16": 5100, "affine_w8": 3120, "affine_w4": 10312,
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
            "always": 630, "affine_f32": 3228, "affine_f16": 8640, "affine_w8": 3940, "affine_w4": 7036,
            "affine_i8": 4752, "sparse": 804, "affines": 276, "squashes": 472, "exp": 4268, "looped": 308, "lanes": 64,
            "copies": 24, "fixed": 984, "fixed_sparse": 716, "fixed_affines": 456, "curves": 176, "moves": 104,
            "fft2": 756, "fft3": 1148, "fft4": 284, "fft5": 948, "fft7": 1348, "fft8": 2460, "spectral": 420,
            "affine_i8_to_i8": 1364, "affine_i16_to_i16": 1240, "normalize_f32": 524, "i8_of_f32": 320, "to_i8": 680,
            "to_i16": 780, "gather_i8": 216, "gather_i16": 168, "largest_f32": 452, "largest_i8": 864,
            "largest_i16": 980, "affine_w8_positions": 156, "affine_i8_to_i8_positions": 12, "f32_sigmoid": 3772,
            "f32_tanh": 2460, "softmax_f32": 292, "affine_f32_banded": 1512, "log_wide_to_i16": 88,
        },
        "armv7e-m+fp.dp": {
            "always": 642, "affine_f32": 3036, "affine_f16": 7976, "affine_w8": 3904, "affine_w4": 6600,
            "affine_i8": 4768, "sparse": 760, "affines": 308, "squashes": 620, "exp": 3320, "looped": 300, "lanes": 64,
            "copies": 24, "fixed": 836, "fixed_sparse": 788, "fixed_affines": 360, "curves": 220, "moves": 88,
            "fft2": 764, "fft3": 1092, "fft4": 244, "fft5": 804, "fft7": 1164, "fft8": 2464, "rffts": 48,
            "spectral": 424, "affine_i8_to_i8": 2056, "affine_i16_to_i16": 1544, "normalize_f32": 468, "i8_of_f32": 44,
            "to_i8": 548, "to_i16": 592, "gather_f32": 24, "gather_i8": 216, "gather_i16": 140, "largest_f32": 240,
            "largest_i8": 372, "largest_i16": 464, "affine_w8_positions": 48, "affine_i8_to_i8_positions": 416,
            "affine_i16_to_i16_positions": 248, "f32_sigmoid": 1192, "f32_tanh": 3420, "softmax_f32": 260,
            "affine_f32_banded": 1220, "log_wide_to_i16": 332,
        },
        "armv8-m.main+dsp+fp": {
            "always": 630, "affine_f32": 3216, "affine_f16": 8396, "affine_w8": 3928, "affine_w4": 7028,
            "affine_i8": 4548, "sparse": 792, "affines": 288, "squashes": 484, "exp": 4296, "looped": 300, "lanes": 64,
            "copies": 24, "fixed": 964, "fixed_sparse": 716, "fixed_affines": 476, "curves": 172, "moves": 100,
            "fft2": 756, "fft3": 1148, "fft4": 292, "fft5": 948, "fft7": 1348, "fft8": 2460, "spectral": 420,
            "affine_i8_to_i8": 1296, "affine_i16_to_i16": 1240, "normalize_f32": 524, "i8_of_f32": 288, "to_i8": 712,
            "to_i16": 800, "gather_i8": 216, "gather_i16": 168, "largest_f32": 436, "largest_i8": 864,
            "largest_i16": 980, "affine_w8_positions": 172, "affine_i8_to_i8_positions": 12, "f32_sigmoid": 3796,
            "f32_tanh": 2380, "softmax_f32": 260, "affine_f32_banded": 1516, "log_wide_to_i16": 52,
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
            "always": 68, "affine_f32": 532, "affine_f16": 636, "affine_w8": 492, "affine_w4": 1244, "affine_i8": 728,
            "sparse": 172, "squash": 288, "exp": 376, "looped": 364, "lanes": 8, "copies": 4, "fixed_kernels": 372,
            "fixed_sparse": 260, "fixed_affines": 4, "curves": 36, "rows": 16, "fft2": 32, "fft3": 24, "fft5": 16,
            "fft7": 52, "fft8": 84, "rffts": 4, "spectral": 4, "affine_i8_to_i8": 384, "affine_i16_to_i16": 332,
            "normalize_f32": 24, "to_i8": 40, "to_i16": 40, "q_table_i16": 20, "largest_f32": 24, "largest_i8": 8,
            "affine_f32_positions": 8, "affine_f16_positions": 176, "affine_w8_positions": 40,
            "affine_i8_to_i8_positions": 8, "softmax_f32": 80, "log_wide_to_i8": 16,
        },
        "armv7e-m+fp.dp": {
            "always": 64, "affine_f32": 532, "affine_f16": 792, "affine_w8": 664, "affine_w4": 1432, "affine_i8": 904,
            "sparse": 212, "squash": 124, "exp": 104, "looped": 320, "lanes": 12, "copies": 4, "fixed_kernels": 352,
            "fixed_sparse": 228, "fixed_affines": 24, "curves": 8, "rows": 8, "fft2": 48, "fft3": 24, "fft5": 28,
            "fft7": 52, "fft8": 40, "rffts": 16, "spectral": 4, "affine_i8_to_i8": 400, "affine_i16_to_i16": 360,
            "normalize_f32": 28, "i16_of_f32": 80, "to_i8": 20, "to_i16": 16, "largest_f32": 20, "largest_i8": 12,
            "largest_i16": 12, "sum_i8_to_i8": 12, "sum_i16_to_i16": 12, "affine_f16_positions": 8,
            "affine_i8_to_i8_positions": 4, "softmax_f32": 96, "log_wide_to_i16": 48,
        },
        "armv8-m.main+dsp+fp": {
            "always": 68, "affine_f32": 532, "affine_f16": 636, "affine_w8": 492, "affine_w4": 1244, "affine_i8": 728,
            "sparse": 172, "squash": 288, "exp": 376, "looped": 364, "lanes": 8, "copies": 4, "fixed_kernels": 372,
            "fixed_sparse": 260, "fixed_affines": 4, "curves": 36, "rows": 16, "fft2": 32, "fft3": 24, "fft5": 16,
            "fft7": 52, "fft8": 84, "rffts": 4, "spectral": 4, "affine_i8_to_i8": 384, "affine_i16_to_i16": 332,
            "normalize_f32": 24, "to_i8": 40, "to_i16": 40, "q_table_i16": 20, "largest_f32": 24, "largest_i8": 8,
            "affine_f32_positions": 8, "affine_f16_positions": 176, "affine_w8_positions": 40,
            "affine_i8_to_i8_positions": 8, "softmax_f32": 80, "log_wide_to_i8": 16,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `run` to the deepest kernel."""
