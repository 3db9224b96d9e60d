/* y = W x + b in float32, where each row of W has few weights that are not zero, side by side.
 *
 * `bands` has two numbers for each row: the first column, and how many eights of weights follow one another in `w`. Zeros
 * fill up the last eight; no eight reaches beyond the last column.
 */
#ifndef EDGERNN_AFFINE_BANDED_H
#define EDGERNN_AFFINE_BANDED_H

#include "eights.h"

EDGERNN_FN void affine_f32_banded(float *EDGERNN_ALONE y, const float *EDGERNN_ALONE w, const uint16_t *bands,
                                  const float *bias, const float *EDGERNN_ALONE x, size_t rows) {
    for (size_t row = 0; row < rows; ++row, bands += 2) {
        const float *const from = x + bands[0];
        const size_t end = 8 * (size_t)bands[1];
        f32x8 sum = {0};
        for (size_t i = 0; i < end; i += EDGERNN_F32X8) sum += *(const f32x8 *)(w + i) * *(const f32x8 *)(from + i);
        w += end;
        y[row] = eights_sum(&sum) + (bias ? bias[row] : 0);
    }
}

#endif
