"""Fourier transforms in float32 as statements of C: calls of c_runtime/rfft_f32.h and fft_f32.h."""

from collections.abc import Sequence

import numpy as np

from edgernn.model import spectra
from edgernn.model.operation import Ref
from edgernn_export.targets.c.emitter import Emitter
from edgernn_export.targets.c.pack import literal, padded_vector
from edgernn_export.targets.c.spectra import Pass, halves, passes, points, turns


class Transforms:
    """Writes the transform of the operation of an emitter.

    Args:
        emitter: collects the code.
        x: the C expression of one position of the input.
    """

    def __init__(self, emitter: Emitter, x: str) -> None:
        self._emitter, self._x, self._result = emitter, x, emitter.op.outputs[0]
        ref, self._size, self._factors = emitter.op.args
        self._width, self._even, self._count = ref.width, self._size % 2 == 0, points(self._size)
        self._steps = passes(self._count)

    def rfft(self) -> Ref:
        """Pairs of numbers or single ones as points, the passes, and the bins."""
        y, buffer = self._places()
        a, b = buffer, (y if self._even else _plus(buffer, 2 * (self._count + 1)))
        if self._even and len(self._steps) % 2:
            a, b = b, a  # so that the last pass does not write the result
        load = "rfft_pairs_f32" if self._even else "rfft_points_f32"
        each = self._window(0.5 if self._even else 1.0)
        lines = [self._call(load, a, self._x, *each, self._width, self._count), *self._passes(a, b, swapped=False)]
        z, bins = (b if len(self._steps) % 2 else a), spectra.bins(self._size)
        if self._even:
            lines.append(self._call("rfft_bins_f32", y, z, self._halves(), self._count))
        else:
            pairs = ((y, z), (_plus(y, bins), _plus(z, self._count + 1)))
            lines += [self._emitter.copy(to, source, f"{bins} * sizeof(float)") for to, source in pairs]
        return self._emit(lines)

    def irfft(self) -> Ref:
        """Bins as points, the passes with real and imaginary parts exchanged, which inverts them, and the numbers."""
        y, a = self._places()
        b = _plus(a, 2 * (self._count + 1))
        first = (self._halves(),) if self._even else ()
        load = "irfft_pairs_f32" if self._even else "irfft_points_f32"
        lines = [self._call(load, a, self._x, *first, self._count), *self._passes(a, b, swapped=True)]
        z = b if len(self._steps) % 2 else a
        last = ("irfft_apart_f32", self._count) if self._even else ("irfft_real_f32",)
        lines.append(self._call(last[0], y, z, *self._window(1 / self._size), self._result.width, *last[1:]))
        return self._emit(lines)

    def _places(self) -> tuple[str, str]:
        """The C expressions of one position of the result, and of the memory beside it."""
        return self._emitter.at(self._emitter.place(self._result), self._result), self._emitter.work("float")

    def _window(self, by: float) -> tuple[str, str]:
        """The window times a factor, or NULL; and the factor."""
        if self._factors is None:
            return "NULL", literal(by)
        name = f"{self._emitter.named.weight(self._factors, self._emitter.op)}.window.{self._size}"
        values = padded_vector(self._factors.dense(np.float64) * by)
        return self._emitter.array(name, values, f"a window times {by:g}"), literal(by)

    def _passes(self, a: str, b: str, *, swapped: bool) -> list[str]:
        """The calls of the passes, from a to b and back."""
        if len(self._steps) > 1:
            comment = f"cosines and sines for {self._count} points"
            table = self._emitter.array(f"roots.{self._count}", turns(self._steps), comment)
        lines, at = [], 0
        for each in self._steps:
            parts = [(buffer, _plus(buffer, self._count + 1)) for buffer in (b, a)]
            pointers = [part for pair in parts for part in (pair[::-1] if swapped else pair)]
            rest = _arguments(each, _plus(table, at) if each.spans > 1 else "")
            lines.append(self._call(f"fft{each.radix}{each.kind}_f32", *pointers, *rest))
            at, a, b = at + each.turns.size, b, a
        return lines

    def _halves(self) -> str:
        comment = f"cosines and sines for the halves of {self._size} numbers"
        return self._emitter.array(f"halves.{self._size}", halves(self._size), comment)

    def _call(self, function: str, *arguments: object) -> str:
        return f"{self._emitter.call(function, *arguments)};"

    def _emit(self, lines: Sequence[str]) -> Ref:
        """Write the calls for each position."""
        self._emitter.headers.add("rfft_f32")
        return self._emitter.positions(lines)


def _arguments(each: Pass, table: str) -> tuple[object, ...]:
    """What the kernel of a pass takes behind the four arrays."""
    if each.kind == "_last":
        return (each.each,)
    return (table, each.spans) if each.kind == "_first" else (table, each.spans, each.each)


def _plus(name: str, offset: int) -> str:
    return f"{name} + {offset}" if offset else name
