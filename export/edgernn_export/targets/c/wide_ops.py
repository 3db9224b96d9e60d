"""The operations on wide integers as statements of C: they write down the constants of edgernn.integer.wide_forms."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.integer.fixedpoint import logarithm_table
from edgernn.integer.spectrum import Spectrum, Step
from edgernn.integer.wide_forms import WideAffine, WideLogarithm, WideScale
from edgernn.model.operation import Ref
from edgernn.model.replay import MethodInterpreter
from edgernn_export.targets.c.emitter import Emitter


class WideOps(MethodInterpreter):
    """The operations on wide values of an interpreter in integers."""

    emitter: Emitter
    forms: Mapping[Ref, Callable[..., Any]]

    def rfft(self, x: Ref, size: int, _window: object = None) -> Ref:
        """The samples as points, the passes, and the bins."""
        emitter, result = self.emitter, self.emitter.op.outputs[0]
        form, even = self._wide_form(Spectrum), size % 2 == 0
        y, work = emitter.at(emitter.place(result), result), emitter.work("int32_t")
        a, b = work, (y if even else f"{work} + {2 * (form.points + 1)}")
        if even and len(form.steps) % 2:
            a, b = b, a
        window = self._array("window", form.window.astype(np.int32), "the window")
        load = "rfft_pairs_fixed" if even else "rfft_points_fixed"
        lines = [f"{emitter.call(load, a, emitter.position(x), window, form.shift, x.width, form.points)};"]
        for step in form.steps:
            lines.append(f"{self._pass(step, form.points, b, a)};")
            a, b = b, a
        if even:
            halves = emitter.array(f"halves.{size}.fixed", form.halves.astype(np.int32).ravel(), "cosines and sines")
            lines.append(f"{emitter.call('rfft_bins_fixed', y, a, halves, form.points)};")
        else:
            bins = result.width // 2
            lines.append(emitter.copy(y, a, f"{bins} * sizeof(int32_t)"))
            lines.append(emitter.copy(f"{y} + {bins}", f"{a} + {form.points + 1}", f"{bins} * sizeof(int32_t)"))
        emitter.headers.add("rfft_fixed")
        return emitter.positions(lines)

    def wide_multiply(self, a: Ref, b: Ref) -> Ref:
        return self.emitter.whole("wide_fixed", "multiply_wide", *self._pointers(a, b), a.size)

    def wide_add(self, a: Ref, b: Ref) -> Ref:
        return self.emitter.whole("wide_fixed", "add_wide", *self._pointers(a, b), a.size)

    def wide_scale(self, x: Ref, *_: object) -> Ref:
        each = self._wide_form(WideScale).each
        by, plus = (np.broadcast_to(part, x.width) for part in (each.by, each.plus))
        constants = self._array("by", by.astype(np.int32), "factors"), self._array("plus", plus, "offsets")
        return self.emitter.whole(
            "wide_fixed", "scale_wide", *self._pointers(x), *constants, each.drop, x.positions, x.width
        )

    def wide_affine(self, _weight: object, x: Ref, _bias: object = None) -> Ref:
        each, rows = self._wide_form(WideAffine).each, self.emitter.op.widths[0]
        weights, bands = banded(each.by)
        plus = np.broadcast_to(each.plus, rows)
        arrays = self._array("weights", weights, "weights"), self._array("bands", bands, "first column, weights")
        constants = *arrays, self._array("plus", plus, "offsets"), each.drop
        return self.emitter.kernel("wide_fixed", "affine_wide", *constants, self.emitter.position(x), rows)

    def wide_log(self, x: Ref) -> Ref:
        form = self._wide_form(WideLogarithm)
        table = self.emitter.array("table.log2", logarithm_table().astype(np.int32), "log2(1 + f), f from 0 to 1")
        constants = table, form.by, f"{form.plus}LL", form.shift, form.to.zero, x.size
        return self.emitter.whole("wide_fixed", f"log_wide_to_i{form.to.bits}", *self._pointers(x), *constants)

    def _pass(self, step: Step, points: int, y: str, x: str) -> str:
        """The call of a pass."""
        turns = "NULL"
        if step.spans > 1:
            name = f"roots.{points}.{step.each}.fixed"
            turns = self.emitter.array(name, step.turns.astype(np.int32).ravel(), "cosines and sines")
        if step.radix % 2:
            circle = step.roots.astype(np.int32).ravel()
            roots = self.emitter.array(f"roots.{step.radix}.fixed", circle, "cosines and sines")
            return self.emitter.call("fft_odd_fixed", y, x, turns, step.spans, step.each, roots, step.radix)
        if step.spans > 1:
            return self.emitter.call(f"fft{step.radix}_fixed", y, x, turns, step.spans, step.each)
        return self.emitter.call(f"fft{step.radix}_last_fixed", y, x, step.each)

    def _array(self, role: str, values: Array, comment: str) -> str:
        result = self.emitter.op.outputs[0].name
        return self.emitter.array(f"{result}.{role}", np.ascontiguousarray(values), f"{result}: {comment}")

    def _pointers(self, *refs: Ref) -> list[str]:
        return [self.emitter.names[ref.name] for ref in refs]

    def _wide_form(self, kind: type[Any]) -> Any:
        """The integer form of the operation, which is an instance of this class."""
        form = self.forms[self.emitter.op.outputs[0]]
        assert isinstance(form, kind)
        return form


def banded(weights: Array) -> tuple[Array, Array]:
    """int16 weights of each row from the first to the last that is not zero, and uint16 (first, number) of each row."""
    filled = weights != 0
    first = np.argmax(filled, axis=1)
    count = (weights.shape[1] - np.argmax(filled[:, ::-1], axis=1) - first) * filled.any(axis=1)
    rows = [row[at : at + each] for row, at, each in zip(weights, first, count, strict=True)]
    return np.concatenate(rows).astype(np.int16), np.stack([first, count], axis=1).astype(np.uint16).ravel()
