/* Fixed point with SIMD of WebAssembly: the functions of fixed.h on four values at once. */
#ifndef EDGERNN_FIXED_WASM_H
#define EDGERNN_FIXED_WASM_H

#include "blocks.h"

#if defined(EDGERNN_WASM)

#define EDGERNN_AT_ONCE 4
typedef v128_t q32;
typedef v128_t q64;

EDGERNN_FN q32 q_i8(const int8_t *p) {
    return wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p)));
}
EDGERNN_FN q32 q_i16(const int16_t *p) { return wasm_i32x4_load16x4(p); }
EDGERNN_FN q32 q_i32(const int32_t *p) { return wasm_v128_load(p); }
EDGERNN_FN void q_store_i16(int16_t *p, q32 a) { wasm_v128_store64_lane(p, wasm_i16x8_narrow_i32x4(a, a), 0); }
EDGERNN_FN void q_store_i8(int8_t *p, q32 a) {
    const v128_t pairs = wasm_i16x8_narrow_i32x4(a, a);
    wasm_v128_store32_lane(p, wasm_i8x16_narrow_i16x8(pairs, pairs), 0);
}
EDGERNN_FN q32 q_add(q32 a, q32 b) { return wasm_i32x4_add(a, b); }
EDGERNN_FN q32 q_mul(q32 a, q32 b) { return wasm_i32x4_mul(a, b); }
EDGERNN_FN q32 q_times(q32 a, int32_t b) { return wasm_i32x4_mul(a, wasm_i32x4_splat(b)); }
EDGERNN_FN q32 q_plus(q32 a, int32_t b) { return wasm_i32x4_add(a, wasm_i32x4_splat(b)); }
EDGERNN_FN q32 q_positive(q32 a) { return wasm_i32x4_max(a, wasm_i32x4_splat(0)); }
EDGERNN_FN q32 q_end(q64 a, int32_t low, int32_t high) {
    return wasm_i32x4_min(wasm_i32x4_max(a, wasm_i32x4_splat(low)), wasm_i32x4_splat(high));
}
EDGERNN_FN q32 to_i8(q64 a, int zero) { return q_plus(q_end(a, -128 - zero, 127 - zero), zero); }
EDGERNN_FN q32 to_i16(q64 a, int zero) { return q_plus(q_end(a, -32768 - zero, 32767 - zero), zero); }
EDGERNN_FN q32 q_hold(q32 a, q32 last, int32_t steps) {
    const v128_t far = wasm_i32x4_gt(wasm_i32x4_abs(wasm_i32x4_sub(a, last)), wasm_i32x4_splat(steps));
    return wasm_v128_bitselect(a, last, far);
}

/* Four lanes of 64 bits, saturated at 32 bits: those fit whose high half repeats the sign of the low one. */
EDGERNN_FN q64 q_ended(v128_t first, v128_t last) {
    const v128_t low = wasm_i32x4_shuffle(first, last, 0, 2, 4, 6), high = wasm_i32x4_shuffle(first, last, 1, 3, 5, 7);
    const v128_t most = wasm_v128_xor(wasm_i32x4_shr(high, 31), wasm_i32x4_splat(INT32_MAX));
    return wasm_v128_bitselect(low, most, wasm_i32x4_eq(high, wasm_i32x4_shr(low, 31)));
}
/* Processors lack an arithmetic shift of 64 bits: 2^62 is added before, which makes all numbers positive, and the shifted
 * 2^62 is subtracted again. */
EDGERNN_FN q64 q_halve(v128_t first, v128_t last, int shift) {
    const int64_t room = INT64_C(1) << 62;
    const v128_t more = wasm_i64x2_splat(room + (INT64_C(1) << (shift - 1))), less = wasm_i64x2_splat(room >> shift);
    first = wasm_u64x2_shr(wasm_i64x2_add(first, more), (uint32_t)shift);
    last = wasm_u64x2_shr(wasm_i64x2_add(last, more), (uint32_t)shift);
    return q_ended(wasm_i64x2_sub(first, less), wasm_i64x2_sub(last, less));
}
EDGERNN_FN q64 rescale(q32 a, int32_t mantissa, int shift) {
    const v128_t by = wasm_i32x4_splat(mantissa);
    return q_halve(wasm_i64x2_extmul_low_i32x4(a, by), wasm_i64x2_extmul_high_i32x4(a, by), shift);
}
EDGERNN_FN q64 rescale_sum(q32 a, int32_t by_a, q32 b, int32_t by_b, int shift) {
    const v128_t x = wasm_i32x4_splat(by_a), y = wasm_i32x4_splat(by_b);
    const v128_t first = wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(a, x), wasm_i64x2_extmul_low_i32x4(b, y));
    const v128_t last = wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(a, x), wasm_i64x2_extmul_high_i32x4(b, y));
    return q_halve(first, last, shift);
}
EDGERNN_FN q64 rescale_plus(q32 a, const int32_t *by, const int64_t *plus, int shift) {
    const q32 x = q_i32(by);
    const v128_t first = wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(a, x), wasm_v128_load(plus));
    return q_halve(first, wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(a, x), wasm_v128_load(plus + 2)), shift);
}
/* All lanes of a vector are shifted by as many bits: rows whose shifts differ are shifted one after the other. */
EDGERNN_FN int64_t one_halved(int64_t a, int shift) { return (a + (INT64_C(1) << (shift - 1))) >> shift; }
EDGERNN_FN q64 rescale_each(q32 a, const int32_t *mantissa, const uint8_t *shift) {
    const q32 x = q_i32(mantissa);
    const v128_t first = wasm_i64x2_extmul_low_i32x4(a, x), last = wasm_i64x2_extmul_high_i32x4(a, x);
    uint32_t four;
    memcpy(&four, shift, sizeof four);
    if (four == shift[0] * UINT32_C(0x01010101)) return q_halve(first, last, shift[0]);
    return q_ended(wasm_i64x2_make(one_halved(wasm_i64x2_extract_lane(first, 0), shift[0]),
                                   one_halved(wasm_i64x2_extract_lane(first, 1), shift[1])),
                   wasm_i64x2_make(one_halved(wasm_i64x2_extract_lane(last, 0), shift[2]),
                                   one_halved(wasm_i64x2_extract_lane(last, 1), shift[3])));
}
#define EDGERNN_LOOKUP(name, kind)                                                                                     \
    EDGERNN_FN q32 name(const kind *table, q32 i) {                                                                    \
        return wasm_i32x4_make(table[wasm_i32x4_extract_lane(i, 0)], table[wasm_i32x4_extract_lane(i, 1)],             \
                               table[wasm_i32x4_extract_lane(i, 2)], table[wasm_i32x4_extract_lane(i, 3)]);            \
    }
EDGERNN_LOOKUP(q_table_i8, int8_t)
EDGERNN_LOOKUP(q_table_i16, int16_t)
EDGERNN_LOOKUP(q_table_u16, uint16_t)
#undef EDGERNN_LOOKUP
EDGERNN_FN q32 tanh_fixed(const uint16_t *table, q64 position) {
    const q32 bounded = q_end(position, -262144, 262144), at = wasm_i32x4_abs(bounded), sign = wasm_i32x4_shr(bounded, 31);
    const q32 i = wasm_i32x4_min(wasm_i32x4_shr(at, 9), wasm_i32x4_splat(511));
    const q32 low = q_table_u16(table, i), rise = wasm_i32x4_sub(q_table_u16(table + 1, i), low);
    const q32 more = wasm_i32x4_mul(rise, wasm_i32x4_sub(at, wasm_i32x4_shl(i, 9)));
    const q32 t = wasm_i32x4_add(low, wasm_i32x4_shr(q_plus(more, 256), 9));
    return wasm_i32x4_sub(wasm_v128_xor(t, sign), sign);
}
EDGERNN_FN q32 q_drop(q32 a, int bits) { return wasm_i32x4_shr(q_plus(a, 1 << (bits - 1)), (uint32_t)bits); }

#endif

#endif
