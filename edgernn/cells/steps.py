"""Recurrent cells whose state other layers compute: the formulas of Rnn, Gru and Lstm, with the state as an input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.cells.gru import Gru
from edgernn.cells.lstm import Lstm
from edgernn.cells.rnn import Rnn
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class RnnStep(Rnn):
    """One step of Rnn from a state that another layer computes."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V) -> V:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        return self.step(ops, x, (h,))[0]


@cell
@dataclass(frozen=True)
class GruStep(Gru):
    """One step of Gru from a state that another layer computes."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V) -> V:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        return self.step(ops, x, (h,))[0]


@cell
@dataclass(frozen=True)
class LstmStep(Lstm):
    """One step of Lstm from states that other layers compute."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V, c: V) -> V:
        """(inputs,), h (outputs,) and c (hidden,) -> h and c (outputs + hidden,)."""
        return ops.concat(*self.step(ops, x, (h, c))[1])
