"""What a trait of the step takes in code and on the stack: the figures that bench/c_footprint.py prints."""

from collections.abc import Mapping
from types import MappingProxyType

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 464, "affine_f32": 2928, "affine_f16": 5316, "affine_w8": 3340, "affine_w4": 10532,
            "affine_i8": 5756, "sparse": 1336, "squashes": 744, "exp": 4420, "looped": 260, "lanes": 64, "copies": 40,
            "fixed": 620, "fixed_kernels": 140, "fixed_sparse": 712, "fixed_affines": 308, "curves": 288,
            "moves": 116, "slow": 40, "affine_i8_to_i8": 2420, "affine_i16_to_i16": 1848, "normalize_f32": 820,
            "i8_of_f32": 936, "i16_of_f32": 796, "to_i8": 424, "to_i16": 460, "gather_f32": 120, "gather_i8": 348,
            "gather_i16": 336, "largest_f32": 392, "largest_i8": 880, "largest_i16": 992, "sum_f32": 4,
            "affine_i8_to_i8_positions": 420, "affine_i16_to_i16_positions": 384, "f32_sigmoid": 3428,
            "f32_tanh": 2384, "softmax_f32": 304,
        },
        "armv7e-m+fp": {
            "always": 522, "affine_f32": 3288, "affine_f16": 8704, "affine_w8": 4000, "affine_w4": 7100,
            "affine_i8": 4816, "sparse": 864, "affines": 216, "squashes": 456, "exp": 3348, "looped": 628,
            "lanes": 44, "copies": 48, "fixed": 1208, "fixed_sparse": 716, "fixed_affines": 312, "curves": 240,
            "moves": 116, "affine_i8_to_i8": 1772, "affine_i16_to_i16": 1160, "normalize_f32": 604, "i8_of_f32": 420,
            "to_i8": 536, "to_i16": 636, "gather_f32": 76, "gather_i8": 296, "gather_i16": 248, "largest_f32": 460,
            "largest_i8": 864, "largest_i16": 980, "sum_f32": 84, "affine_w8_positions": 156,
            "affine_i8_to_i8_positions": 12, "f32_sigmoid": 3664, "f32_tanh": 2772, "softmax_f32": 376,
        },
        "armv7e-m+fp.dp": {
            "always": 642, "affine_f32": 3012, "affine_f16": 7952, "affine_w8": 3880, "affine_w4": 6576,
            "affine_i8": 4744, "sparse": 736, "affines": 332, "squashes": 660, "exp": 2676, "looped": 540,
            "lanes": 44, "copies": 24, "fixed": 836, "fixed_sparse": 788, "fixed_affines": 332, "curves": 228,
            "moves": 104, "slow": 12, "affine_i8_to_i8": 2136, "affine_i16_to_i16": 1572, "normalize_f32": 468,
            "to_i8": 548, "to_i16": 592, "gather_f32": 24, "gather_i8": 216, "gather_i16": 140, "largest_f32": 240,
            "largest_i8": 372, "largest_i16": 464, "affine_w8_positions": 48, "affine_i8_to_i8_positions": 296,
            "affine_i16_to_i16_positions": 276, "f32_sigmoid": 2792, "f32_tanh": 1716, "softmax_f32": 260,
        },
        "armv8-m.main+dsp+fp": {
            "always": 518, "affine_f32": 3308, "affine_f16": 8484, "affine_w8": 4020, "affine_w4": 7116,
            "affine_i8": 4636, "sparse": 884, "affines": 196, "squashes": 468, "exp": 3320, "looped": 600,
            "lanes": 44, "copies": 52, "fixed": 1208, "fixed_sparse": 716, "fixed_affines": 312, "curves": 240,
            "moves": 116, "affine_i8_to_i8": 1760, "affine_i16_to_i16": 1156, "normalize_f32": 608, "i8_of_f32": 464,
            "i16_of_f32": 60, "to_i8": 548, "to_i16": 636, "gather_f32": 80, "gather_i8": 300, "gather_i16": 252,
            "largest_f32": 444, "largest_i8": 864, "largest_i16": 980, "sum_f32": 84, "affine_w8_positions": 172,
            "affine_i8_to_i8_positions": 12, "f32_sigmoid": 3708, "f32_tanh": 2732, "softmax_f32": 344,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code per trait; no measured object has more."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 56, "affine_f32": 584, "affine_f16": 584, "affine_w8": 584, "affine_w4": 1288, "affine_i8": 720,
            "sparse": 584, "squash": 476, "squashes": 200, "exp": 512, "looped": 308, "lanes": 8, "copies": 4,
            "fixed_kernels": 356, "fixed_sparse": 160, "fixed_affines": 56, "curves": 20, "slow": 8,
            "affine_i8_to_i8": 464, "affine_i16_to_i16": 432, "normalize_f32": 64, "to_i8": 48, "to_i16": 48,
            "q_table_i8": 32, "q_table_i16": 4, "gather_f32": 24, "gather_i8": 24, "gather_i16": 24,
            "largest_f32": 16, "sum_i8_to_i8": 8, "sum_i16_to_i16": 16, "affine_f32_positions": 24,
            "affine_f16_positions": 312, "affine_w8_positions": 296, "affine_i8_to_i8_positions": 8,
            "f32_sigmoid": 24, "f32_tanh": 64, "softmax_f32": 48,
        },
        "armv7e-m+fp": {
            "always": 40, "affine_f32": 512, "affine_f16": 636, "affine_w8": 492, "affine_w4": 1244, "affine_i8": 728,
            "sparse": 168, "squash": 256, "exp": 204, "looped": 400, "lanes": 4, "copies": 8, "fixed_kernels": 388,
            "fixed_sparse": 240, "fixed_affines": 8, "curves": 32, "affine_i8_to_i8": 352, "affine_i16_to_i16": 312,
            "normalize_f32": 40, "f32_of_i8_on": 4, "to_i8": 56, "to_i16": 56, "gather_i16": 16, "largest_f32": 40,
            "largest_i8": 24, "affine_f32_positions": 24, "affine_f16_positions": 168, "affine_w8_positions": 32,
            "affine_i8_to_i8_positions": 8, "f32_sigmoid": 36, "softmax_f32": 72,
        },
        "armv7e-m+fp.dp": {
            "always": 48, "affine_f32": 512, "affine_f16": 872, "affine_w8": 744, "affine_w4": 1512, "affine_i8": 984,
            "sparse": 244, "squash": 64, "exp": 132, "looped": 400, "lanes": 4, "copies": 8, "fixed_kernels": 360,
            "fixed_sparse": 220, "fixed_affines": 24, "curves": 8, "affine_i8_to_i8": 384, "affine_i16_to_i16": 348,
            "normalize_f32": 36, "to_i8": 28, "to_i16": 24, "gather_i16": 4, "largest_f32": 28, "largest_i8": 20,
            "largest_i16": 16, "sum_i8_to_i8": 8, "sum_i16_to_i16": 8, "affine_f32_positions": 16,
            "affine_i8_to_i8_positions": 32, "f32_sigmoid": 40, "softmax_f32": 68,
        },
        "armv8-m.main+dsp+fp": {
            "always": 40, "affine_f32": 512, "affine_f16": 636, "affine_w8": 492, "affine_w4": 1244, "affine_i8": 728,
            "sparse": 168, "squash": 256, "exp": 204, "looped": 400, "lanes": 4, "copies": 8, "fixed_kernels": 388,
            "fixed_sparse": 240, "fixed_affines": 8, "curves": 32, "affine_i8_to_i8": 352, "affine_i16_to_i16": 312,
            "normalize_f32": 40, "f32_of_i8_on": 4, "to_i8": 56, "to_i16": 56, "gather_i16": 16, "largest_f32": 40,
            "largest_i8": 24, "affine_f32_positions": 24, "affine_f16_positions": 168, "affine_w8_positions": 32,
            "affine_i8_to_i8_positions": 8, "f32_sigmoid": 36, "softmax_f32": 72,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of stack per trait, from `run` to the deepest kernel."""
