"""The integer form of `normalize`: the mean, the variance and the reciprocal root of a vector, without floats.

The method is that of I-BERT (S. Kim et al., arXiv:2101.01321), with the reciprocal root by Newton steps, as in the
integer kernels of TFLite (`GetInvSqrtQuantizedMultiplierExp`).
"""

from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np

from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import ROOT_POINT, Integers, halve, inverse_root, rescale, together
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, saturate
from edgernn.model.operation import Op

WIDEST = 1 << 14  # elements of a vector; for more, n * q - total may exceed 32 bits
VARIANCE_BITS = 61  # bits of the variance plus eps


@dataclass(frozen=True, eq=False)
class Normalized:
    """q = to.zero + (z * gain + plus) / 2 ** shift, where z = (x - mean) / sqrt(variance + eps) in fixed point.

    With n elements, S1 = sum(q) and S2 = sum(q * q), all exact:

        spread = n * S2 - S1 ** 2                           n ** 2 times the variance, in squared steps of x
        v = max(spread * 2 ** bits + eps, least)            low bits are dropped when `bits` is negative
        x, e = inverse_root(v)                              edgernn.integer.fixedpoint
        z = (n * q - S1) * x / 2 ** (point + e)             rounded once, halves up

    The zero of x has no effect: neither the variance nor n * q - S1 depends on it. For a vector of equal elements,
    n * q - S1 and z are 0, and the result is the bias for any eps.

    Bounds, for b = 8 or 16 bits and n up to WIDEST = 2 ** 14:

    - |S1| is at most n * 2 ** (b - 1), below 2 ** 30: 32 bits hold it. S2 is at most n * 2 ** (2 * b - 2): 2 ** 28 for
      8 bits (32 bits hold it) and 2 ** 44 for 16 bits; n * S2 and S1 ** 2 are at most 2 ** 58.
    - spread is at most n ** 2 * (2 ** b - 1) ** 2 / 4 (Popoviciu). `bits` is chosen such that this plus eps, times
      2 ** bits, is at most 2 ** VARIANCE_BITS; with the rounding of eps, v stays below 2 ** 62.
    - |n * q - S1| is at most (n - 1) * (2 ** b - 1), below 2 ** 30, and x at most 2 ** 30 + 2: |z| before its shift is
      below 2 ** 61.
    - |z| is at most sqrt(n), and at most n * (2 ** b - 1) / sqrt(eps); `point` is chosen such that it has 29 bits. So
      point + e is from 1 to 40: where z is not 0, spread is at least 1 and v at least 2 ** bits. `least` is 2 ** bits
      for the same reason (1 where bits are dropped, which happens only for an eps beyond all spread).
    - gain has 30 bits and plus 60: z * gain + plus + half is below 2 ** 62.

    Beside the last rounding of half a step, the error is below 0.1 steps when the result does not saturate: relative
    2 ** -28 by the root, 2 ** -29 of the largest z by its rounding, and up to relative 2 ** -19 by the rounding of eps,
    where n is 2 ** 14 and all elements but one are equal.
    """

    width: int
    bits: int  # fractional bits of v; even, and at least -62, where no bit of spread is left
    eps: int  # n ** 2 * eps / x.scale ** 2, in units of 2 ** -bits
    least: int  # the smallest v
    point: int
    gain: Integers  # (width,), 32 bits
    plus: Integers  # (width,), 64 bits
    shift: int
    to: QuantizationParameters

    def __call__(self, q: Integers) -> Integers:
        total, squares = q.sum(axis=-1, keepdims=True), np.square(q).sum(axis=-1, keepdims=True)
        spread = self.width * squares - total * total
        spread = spread << self.bits if self.bits >= 0 else spread >> -self.bits
        x, e = inverse_root(np.maximum(spread + self.eps, self.least))
        z = rescale(self.width * q - total, x, self.point + e)
        return saturate(halve(z * self.gain + self.plus, self.shift), self.to)


def normalize(op: Op, plan: IntegerPlan) -> Normalized:
    """Return the integer form of `(x - mean(x)) / sqrt(var(x) + eps) * gain + bias`.

    Raises:
        CalibrationError: a vector has more than WIDEST elements, or the gain is far too large for the range.
    """
    ref, gain, bias, eps = op.args
    n, x, to = ref.width, plan.quantization[ref.name], plan.quantization[op.outputs[0].name]
    if n > WIDEST:
        raise CalibrationError(
            f"layer '{op.layer}' normalizes {n} elements; in integers, expected {WIDEST} at most: keep the layer in "
            f"float with keep=('{op.layer}',)"
        )
    reach = n * ((1 << x.bits) - 1)
    offset = float(n) ** 2 * eps / float(x.scale) ** 2
    bits = (VARIANCE_BITS - ceil(log2(reach**2 / 4 + offset))) // 2 * 2
    largest = min(sqrt(n), reach / sqrt(offset)) if offset else sqrt(n)
    fraction = 29 - int(np.frexp(largest)[1])
    each = np.ones(n) if gain is None else gain.dense(np.float64)
    plus = np.zeros(n) if bias is None else bias.dense(np.float64)
    gains, offsets, shift = together(np.ldexp(each / to.scale, -fraction), plus / to.scale)
    return Normalized(
        width=n,
        bits=max(bits, -62),
        eps=round(np.ldexp(offset, bits)),
        least=1 << max(bits, 0),
        point=ROOT_POINT - bits // 2 - fraction,
        gain=gains,
        plus=offsets,
        shift=shift,
        to=to,
    )
