/* Fixed point with vectors of a Cortex-M (Helium): the functions of fixed.h on four values at once. */
#ifndef EDGERNN_FIXED_MVE_H
#define EDGERNN_FIXED_MVE_H

#include "blocks.h"

#if defined(EDGERNN_MVE)

#define EDGERNN_AT_ONCE 4
typedef int32x4_t q32;
typedef int32x4_t q64;

EDGERNN_FN q32 q_i8(const int8_t *p) { return vldrbq_s32(p); }
EDGERNN_FN q32 q_i16(const int16_t *p) { return vldrhq_s32(p); }
EDGERNN_FN q32 q_i32(const int32_t *p) { return vldrwq_s32(p); }
EDGERNN_FN void q_store_i8(int8_t *p, q32 a) { vstrbq_s32(p, a); }
EDGERNN_FN void q_store_i16(int16_t *p, q32 a) { vstrhq_s32(p, a); }
EDGERNN_FN q32 q_add(q32 a, q32 b) { return vaddq_s32(a, b); }
EDGERNN_FN q32 q_mul(q32 a, q32 b) { return vmulq_s32(a, b); }
EDGERNN_FN q32 q_times(q32 a, int32_t b) { return vmulq_n_s32(a, b); }
EDGERNN_FN q32 q_plus(q32 a, int32_t b) { return vaddq_n_s32(a, b); }
EDGERNN_FN q32 q_positive(q32 a) { return vmaxq_s32(a, vdupq_n_s32(0)); }
EDGERNN_FN q32 q_end(q64 a, int32_t low, int32_t high) {
    return vminq_s32(vmaxq_s32(a, vdupq_n_s32(low)), vdupq_n_s32(high));
}
/* Saturated at the upper bits, then moved down. */
EDGERNN_FN q32 to_i8(q64 a, int zero) { return vshrq_n_s32(vqshlq_n_s32(vqaddq_n_s32(a, zero), 24), 24); }
EDGERNN_FN q32 to_i16(q64 a, int zero) { return vshrq_n_s32(vqshlq_n_s32(vqaddq_n_s32(a, zero), 16), 16); }
EDGERNN_FN q32 q_hold(q32 a, q32 last, int32_t steps) {
    return vpselq_s32(a, last, vcmpgtq_n_s32(vabsq_s32(vsubq_s32(a, last)), steps));
}

/* (high * 2^bits + low) / 2^shift, rounded once, for `low` from 0 to 2^bits - 1 and shift from 1 to 62; a shift of at
 * least `bits` + 1 leaves nothing of `low`. */
EDGERNN_FN q64 q_halve(q32 high, q32 low, int bits, int shift) {
    const q64 y = vqrshlq_n_s32(high, bits - shift);
    if (shift > bits) return y;
    return vqaddq_s32(y, vreinterpretq_s32_u32(vrshlq_n_u32(vreinterpretq_u32_s32(low), -shift)));
}
EDGERNN_FN q32 q_bits(q32 a, int bits) { return vandq_s32(a, vdupq_n_s32((int32_t)((1u << bits) - 1))); }
/* A doubling product's high half is the product without its last 31 bits. */
EDGERNN_FN q64 rescale(q32 a, int32_t mantissa, int shift) {
    return q_halve(vqdmulhq_n_s32(a, mantissa), q_bits(vmulq_n_s32(a, mantissa), 31), 31, shift);
}
/* Factors of at most 2^30 are divided into the last 15 bits and the rest, so that 32 bits hold the sums of their products
 * with numbers of 16 bits. */
EDGERNN_FN q64 rescale_sum(q32 a, int32_t by_a, q32 b, int32_t by_b, int shift) {
    const q32 high = vmlaq_n_s32(vmulq_n_s32(a, by_a >> 15), b, by_b >> 15);
    const q32 low = vmlaq_n_s32(vmulq_n_s32(a, by_a & 0x7fff), b, by_b & 0x7fff);
    return q_halve(vaddq_s32(high, vshrq_n_s32(low, 15)), q_bits(low, 15), 15, shift);
}
/* One lane after the other: there are no sums of 64 bits in lanes. */
EDGERNN_FN int32_t one_rescaled(int32_t a, int32_t by, int64_t plus, int shift) {
    const int64_t y = ((int64_t)a * by + plus + ((int64_t)1 << (shift - 1))) >> shift;
    return y < INT32_MIN ? INT32_MIN : y > INT32_MAX ? INT32_MAX : (int32_t)y;
}
EDGERNN_FN q64 rescale_plus(q32 a, const int32_t *by, const int64_t *plus, int shift) {
    int32_t each[4];
    vstrwq_s32(each, a);
    for (int k = 0; k < 4; ++k) each[k] = one_rescaled(each[k], by[k], plus[k], shift);
    return vldrwq_s32(each);
}
EDGERNN_FN q64 rescale_each(q32 a, const int32_t *mantissa, const uint8_t *shift) {
    const q32 by = q_i32(mantissa), bits = vnegq_s32(vreinterpretq_s32_u32(vldrbq_u32(shift)));
    const uint32x4_t low = vreinterpretq_u32_s32(q_bits(vmulq_s32(a, by), 31));
    const q64 y = vqrshlq_s32(vqdmulhq_s32(a, by), vaddq_n_s32(bits, 31));
    return vqaddq_s32(y, vreinterpretq_s32_u32(vrshlq_u32(low, bits)));
}
EDGERNN_FN q32 q_table_i8(const int8_t *table, q32 i) {
    return vldrbq_gather_offset_s32(table, vreinterpretq_u32_s32(i));
}
EDGERNN_FN q32 q_table_i16(const int16_t *table, q32 i) {
    return vldrhq_gather_shifted_offset_s32(table, vreinterpretq_u32_s32(i));
}
EDGERNN_FN q32 q_table_u16(const uint16_t *table, q32 i) {
    return vreinterpretq_s32_u32(vldrhq_gather_shifted_offset_u32(table, vreinterpretq_u32_s32(i)));
}
EDGERNN_FN q32 tanh_fixed(const uint16_t *table, q64 position) {
    const q32 bounded = q_end(position, -262144, 262144), at = vabsq_s32(bounded);
    const q32 i = vminq_s32(vshrq_n_s32(at, 9), vdupq_n_s32(511));
    const q32 low = q_table_u16(table, i), rise = vsubq_s32(q_table_u16(table + 1, i), low);
    const q32 more = vmulq_s32(rise, vsubq_s32(at, vshlq_n_s32(i, 9)));
    const q32 t = vaddq_s32(low, vrshrq_n_s32(more, 9));
    return vpselq_s32(vnegq_s32(t), t, vcmpltq_n_s32(bounded, 0));
}
EDGERNN_FN q32 q_drop(q32 a, int bits) { return vrshlq_n_s32(a, -bits); }

#endif

#endif
