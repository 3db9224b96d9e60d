"""Modules that are one step with state, in the styles of public models; each with a small example, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

I, H = 5, 4


def zeros(*shape):
    return torch.zeros(shape)


def frame(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Part(nn.Module):
    """Parts by name, and a forward that a subclass defines."""

    def __init__(self):
        super().__init__()
        for name, part in self.parts().items():
            if isinstance(part, torch.Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)


def gru(inputs, **options):
    return nn.GRU(inputs, H, batch_first=True, **options)


def lstm(inputs, **options):
    return nn.LSTM(inputs, H, batch_first=True, **options)


class CachesByName(Part):
    """Speech enhancement: caches of convolutions and recurrent layers in a dictionary."""

    def parts(self):
        return {
            "conv": nn.Conv1d(I, 6, 3),
            "deep": nn.Conv1d(6, 6, 3, groups=6, dilation=2),
            "g": gru(6),
            "out": nn.Linear(H, I),
        }

    def forward(self, x, caches):
        one = torch.cat([caches["conv"], x.transpose(1, 2)], 2)
        two = torch.cat([caches["deep"], F.relu(self.conv(one))], 2)
        y, h = self.g(self.deep(two).transpose(1, 2), caches["inter"])
        return torch.sigmoid(self.out(y)) * x, {"inter": h, "conv": one[:, :, 1:], "deep": two[:, :, 1:]}


class ImageCaches(Part):
    """Speech enhancement over time and frequency: the cache of a 2-D convolution holds the frames before."""

    def parts(self):
        return {
            "conv": nn.Conv2d(2, 3, (3, 3), padding=(0, 1)),
            "deep": nn.Conv2d(3, 3, (2, 3), groups=3),
            "out": nn.Linear(12, 2),
        }

    def forward(self, x, caches):
        one = torch.cat([caches[0], x], 2)
        y = F.elu(self.conv(one))
        two = torch.cat([caches[1], y], 2)
        return self.out(self.deep(two[..., :6]).flatten(1)), [one[:, :, 1:], y]


class StatesInATuple(Part):
    """Deep filtering: an encoder and two decoders, states in a tuple, and outputs as wide as a state."""

    def parts(self):
        return {
            "encoder": gru(I), "bands": gru(H), "taps": gru(H, num_layers=2),
            "a": nn.Linear(H, 3), "b": nn.Linear(H, H), "c": nn.Linear(H, 1),
        }  # fmt: skip

    def forward(self, x, states):
        encoded, bands, taps = states
        y, encoded = self.encoder(x, encoded)
        one, bands = self.bands(y, bands)
        two, taps = self.taps(y, taps)
        return torch.sigmoid(self.a(one)), torch.tanh(self.b(two)), self.c(y), (encoded, bands, taps)


class ChunkWithStackedState(Part):
    """Voice activity: a convolution over the samples of a chunk, and an LSTM cell whose states are stacked."""

    def parts(self):
        return {"conv": nn.Conv1d(1, 3, 4, stride=2), "cell": nn.LSTMCell(15, H), "out": nn.Conv1d(H, 1, 1)}

    def forward(self, x, state):
        y = F.relu(self.conv(x.unsqueeze(1)))
        h, c = self.cell(y.flatten(1), (state[0], state[1]))
        return torch.sigmoid(self.out(F.relu(h).unsqueeze(-1))).squeeze(-1), torch.stack([h, c])


class StackedInATensor(Part):
    """Voice activity: nn.LSTM over one frame, its states in one tensor (2, 1, hidden)."""

    def parts(self):
        return {"rnn": nn.LSTM(I, H), "out": nn.Linear(H, 1)}

    def forward(self, x, state):
        y, (h, c) = self.rnn(x, (state[:1], state[1:]))
        return torch.sigmoid(self.out(y)), torch.cat([h, c])


class TwoStates(Part):
    """Noise suppression: two recurrent layers with a state each."""

    def parts(self):
        return {"before": nn.Linear(I, H), "a": gru(H), "b": gru(H), "out": nn.Linear(H, I)}

    def forward(self, x, h1, h2):
        y, h1 = self.a(F.relu(self.before(x)), h1)
        y, h2 = self.b(y, h2)
        return torch.sigmoid(self.out(y)), h1, h2


class ThreeStatesInAList(Part):
    """Noise suppression: gains and voice activity from three recurrent layers, states in a list, None at first."""

    def parts(self):
        return {"a": gru(I), "b": gru(H), "c": gru(H), "gains": nn.Linear(3 * H, I), "voice": nn.Linear(3 * H, 1)}

    def forward(self, x, states=None):
        a, b, c = (None, None, None) if states is None else states
        one, a = self.a(x, a)
        two, b = self.b(one, b)
        three, c = self.c(two, c)
        y = torch.cat([one, two, three], -1)
        return torch.sigmoid(self.gains(y)), torch.sigmoid(self.voice(y)), [a, b, c]


class ActorAndCritic(Part):
    """An agent with an LSTM that "done" resets; the value has the shape of the flag."""

    def parts(self):
        return {"before": nn.Linear(I, H), "rnn": nn.LSTM(H, H), "actor": nn.Linear(H, 3), "critic": nn.Linear(H, 1)}

    def forward(self, observation, state, done):
        h, c = ((1.0 - done).view(1, -1, 1) * each for each in state)
        y, state = self.rnn(torch.tanh(self.before(observation)).unsqueeze(0), (h, c))
        return self.actor(y[0]), self.critic(y[0]), state


class MasksBeforeState(Part):
    """An agent whose mask comes before its state, and whose value has the mask's shape."""

    def parts(self):
        return {"cell": nn.GRUCell(I, H), "actor": nn.Linear(H, 3), "critic": nn.Linear(H, 1)}

    def forward(self, observation, masks, h):
        h = self.cell(observation, h * masks)
        return self.actor(h), self.critic(h), h


class DoneAsBool(Part):
    """An agent whose flag is a truth value."""

    def parts(self):
        return {"cell": nn.GRUCell(I, H), "actor": nn.Linear(H, 3)}

    def forward(self, observation, h, done):
        h = self.cell(observation, torch.where(done.unsqueeze(-1), torch.zeros_like(h), h))
        return self.actor(h), h


class DoneFills(DoneAsBool):
    """An agent whose state is filled where the episode is done."""

    def forward(self, observation, h, done):
        h = self.cell(observation, h.masked_fill(done[:, None], 0.5))
        return self.actor(h), h


class DoneBesideFrames(Part):
    """A few frames at once, and one flag that resets the state before them."""

    def parts(self):
        return {"g": gru(I)}

    def forward(self, x, h, done):
        y, h = self.g(x, h * (1 - done))
        return y, h


class ConstantBesideFrames(Part):
    """A few frames at once, and one embedding for all of them."""

    def parts(self):
        return {"g": gru(I + 3)}

    def forward(self, x, speaker, h):
        return self.g(torch.cat([x, speaker[:, None].expand(-1, x.shape[1], -1)], -1), h)


class PackedPairs(Part):
    """Two LSTMs whose states are packed as (1, layers, hidden, 2)."""

    def parts(self):
        return {"a": lstm(I), "b": lstm(H), "out": nn.Linear(H, I)}

    def forward(self, x, states):
        y, (h1, c1) = self.a(x, (states[:, 0:1, :, 0].contiguous(), states[:, 0:1, :, 1].contiguous()))
        y, (h2, c2) = self.b(y, (states[:, 1:2, :, 0].contiguous(), states[:, 1:2, :, 1].contiguous()))
        return torch.sigmoid(self.out(y)) * x, torch.cat([torch.stack([h1, c1], -1), torch.stack([h2, c2], -1)], 1)


class OptionalState(Part):
    """As TorchScript has it: a state that is made when it is None."""

    def parts(self):
        return {"g": gru(I, num_layers=2), "out": nn.Linear(H, 2)}

    def forward(self, x, h: torch.Tensor | None = None):
        if h is None:
            h = torch.zeros(2, x.size(0), H, dtype=x.dtype)
        y, h = self.g(x, h)
        return self.out(y), h


class Ring(Part):
    """The newest frames in a buffer that the caller keeps, moved in place."""

    def parts(self):
        return {"out": nn.Linear(4 * I, 3)}

    def forward(self, x, past):
        past = past.clone()
        past[..., :-1] = past[..., 1:].clone()
        past[..., -1] = x
        return self.out(past.flatten(1)), past


class RingInPlace(Ring):
    """The same in the caller's own tensor, which is not returned."""

    def forward(self, x, past):
        past[..., :-1] = past[..., 1:].clone()
        past[..., -1] = x
        return self.out(past.flatten(1))


class RingInABuffer(Part):
    """The same in a registered buffer."""

    def parts(self):
        return {"out": nn.Linear(4 * I, 3), "past": zeros(1, I, 4)}

    def forward(self, x):
        self.past[..., :-1] = self.past[..., 1:].clone()
        self.past[..., -1] = x
        return self.out(self.past.flatten(1))


class RingJoined(RingInABuffer):
    """The same by torch.cat."""

    def forward(self, x):
        self.past = torch.cat([self.past[..., 1:], x.unsqueeze(-1)], -1)
        return self.out(self.past.flatten(1))


class BuffersOverwritten(Part):
    """An LSTM whose states are registered buffers."""

    def parts(self):
        return {"rnn": lstm(I), "h": zeros(1, 1, H), "c": zeros(1, 1, H)}

    def forward(self, x):
        y, (h, c) = self.rnn(x, (self.h, self.c))
        self.h.copy_(h)
        self.c.copy_(c)
        return y


class BufferWrittenInParts(Part):
    """An LSTM whose states are parts of one registered buffer."""

    def parts(self):
        return {"rnn": lstm(I), "state": zeros(2, 1, 1, H)}

    def forward(self, x):
        y, (h, c) = self.rnn(x, (self.state[0], self.state[1]))
        self.state[0] = h
        self.state[1].copy_(c)
        return y


class KeptInADictionary(Part):
    """A module that keeps its caches in a dictionary of its own."""

    def parts(self):
        return {"g": gru(I), "conv": nn.Conv1d(H, 3, 2), "cache": {}}

    def forward(self, x):
        y, self.cache["h"] = self.g(x, self.cache.get("h"))
        both = torch.cat([self.cache.get("y", torch.zeros(1, H, 1, dtype=x.dtype)), y.transpose(1, 2)], 2)
        self.cache["y"] = both[..., -1:]
        return self.conv(both).transpose(1, 2)


class ListOfStates(Part):
    """A stack of cells, a state for each in a list."""

    def parts(self):
        cells = nn.ModuleList(nn.GRUCell(width, H) for width in (I, H, H))
        return {"cells": cells, "out": nn.Linear(H, 2)}

    def forward(self, x, states):
        after = []
        for cell, h in zip(self.cells, states, strict=True):
            x = cell(x, h)
            after.append(x)
        return self.out(x), after


class PackedInPlace(Part):
    """Two layers that write their states into parts of a new tensor."""

    def parts(self):
        return {"a": gru(I), "b": gru(H)}

    def forward(self, x, h):
        after = torch.empty_like(h)
        y, after[0:1] = self.a(x, h[0:1])
        y, one = self.b(y, h[1:2])
        after[1] = one[0]
        return y, after


class EqualCaches(Part):
    """Two cells whose states have equal shapes, returned in another order than they were passed."""

    def parts(self):
        return {"a": nn.GRUCell(I, H), "b": nn.GRUCell(H, H), "out": nn.Linear(H, 2)}

    def forward(self, x, caches):
        early = self.a(x, caches["early"])
        late = self.b(early, caches["late"])
        return self.out(late), {"late": late, "early": early}


class TwoMicrophones(Part):
    """An echo canceller: two frames, and the states of two cells in one tensor."""

    def parts(self):
        return {"a": nn.GRUCell(I, H), "b": nn.GRUCell(I, H), "out": nn.Linear(2 * H, I)}

    def forward(self, mic, far, state):
        a, b = torch.split(state, H, dim=1)
        state = torch.cat((self.a(mic, a), self.b(far, b)), 1)
        return self.out(state), state


class BatchFirstStates(Part):
    """States as (batch, layers, hidden)."""

    def parts(self):
        return {"g": gru(I, num_layers=2)}

    def forward(self, x, h):
        y, h = self.g(x, h.transpose(0, 1).contiguous())
        return y, h.transpose(0, 1)


class NamedInAnotherOrder(Part):
    """A dictionary of results, whose names say which argument each is."""

    def parts(self):
        return {"cell": nn.LSTMCell(I, H), "out": nn.Linear(H, H)}

    def forward(self, x, h, c):
        h, c = self.cell(x, (h, c))
        return {"c_out": c, "scores": self.out(h), "h_out": h}


class StateSpace(Part):
    """A selective state space: the newest frames and a matrix of states, joined and stacked."""

    def parts(self):
        return {"taps": nn.Conv1d(I, I, 3, groups=I), "by": nn.Linear(I, 2), "out": nn.Linear(I, I)}

    def forward(self, x, past, matrix):
        past = torch.cat([past, x.unsqueeze(-1)], -1)
        u = F.silu(self.taps(past).squeeze(-1))
        b = self.by(u)
        matrix = 0.5 * matrix + torch.stack([u * b[:, :1], u * b[:, 1:]], 1)
        return self.out(matrix[:, 0] + matrix[:, 1]), past[..., 1:], matrix


def first(result):
    """The answer is the first result, and the others are the states."""
    return result[:1], list(result[1:])


def alone(result):
    return [result], []


@dataclass(frozen=True)
class Form:
    """A module, its example, the names in from_torch, which arguments are data, and what results are."""

    module: type
    example: tuple[Any, ...]
    states: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    data: tuple[int, ...] = (0,)
    results: Callable[[Any], tuple[Any, Any]] = first


FRAME, ONE = frame(1, I), frame(1, 1, I)
CACHES = {"conv": zeros(1, I, 2), "deep": zeros(1, 6, 4), "inter": zeros(1, 1, H)}
CHANGES = torch.tensor([False])

FORMS = {
    "caches by name": Form(CachesByName, (ONE, CACHES), ["caches_conv.past", "caches_deep.past", "g.h"]),
    "caches of images": Form(
        ImageCaches, (frame(1, 2, 1, 6), [zeros(1, 2, 2, 6), zeros(1, 3, 1, 6)]), ["caches_0.past", "caches_1.past"]
    ),
    "states in a tuple": Form(
        StatesInATuple, (ONE, (zeros(1, 1, H), zeros(1, 1, H), zeros(2, 1, H))),
        ["encoder.h", "bands.h", "taps_l0.h", "taps_l1.h"], results=lambda r: (r[:3], [r[3]]),
    ),
    "chunk with a stacked state": Form(ChunkWithStackedState, (frame(1, 12), zeros(2, 1, H)), ["state.past"]),
    "states stacked in a tensor": Form(StackedInATensor, (ONE, zeros(2, 1, H)), ["state.past"]),
    "two states": Form(TwoStates, (ONE, zeros(1, 1, H), zeros(1, 1, H)), ["a.h", "b.h"]),
    "three states in a list": Form(
        ThreeStatesInAList, (ONE, [zeros(1, 1, H)] * 3), ["a.h", "b.h", "c.h"], results=lambda r: (r[:2], [r[2]])
    ),
    "three states in a list, None": Form(
        ThreeStatesInAList, (frame(1, 7, I), None), ["a.h", "b.h", "c.h"], results=lambda r: (r[:2], [r[2]])
    ),
    "actor and critic": Form(
        ActorAndCritic, (FRAME, (zeros(1, 1, H), zeros(1, 1, H)), zeros(1)), ["state_0.past", "state_1.past"],
        data=(0, 2), results=lambda r: (r[:2], [r[2]]),
    ),
    "masks before the state": Form(
        MasksBeforeState, (FRAME, torch.ones(1, 1), zeros(1, H)), ["h.past"], data=(0, 1), results=lambda r: (r[:2], [r[2]])
    ),
    "done as a truth value": Form(DoneAsBool, (FRAME, zeros(1, H), CHANGES), ["h.past"], data=(0, 2)),
    "done fills the state": Form(DoneFills, (FRAME, zeros(1, H), CHANGES), ["h.past"], data=(0, 2)),
    "done beside frames": Form(DoneBesideFrames, (frame(1, 4, I), zeros(1, 1, H), zeros(1, 1, 1)), ["h.past"], data=(0, 2)),
    "done beside frames, named": Form(
        DoneBesideFrames, (frame(1, 4, I), zeros(1, 1, H), zeros(1, 1, 1)), ["h.past"], {"inputs": ("x", "done")}, (0, 2)
    ),
    "done beside one frame": Form(DoneBesideFrames, (ONE, zeros(1, 1, H), zeros(1, 1, 1)), ["h.past"], data=(0, 2)),
    "a constant beside frames": Form(
        ConstantBesideFrames, (frame(1, 4, I), frame(1, 3), zeros(1, 1, H)), ["g.h"], {"inputs": ("x", "speaker")}, (0, 1)
    ),
    "packed pairs": Form(PackedPairs, (ONE, zeros(1, 2, H, 2)), ["states.past"]),
    "optional state": Form(OptionalState, (ONE, zeros(2, 1, H)), ["g_l0.h", "g_l1.h"]),
    "optional state, None": Form(OptionalState, (frame(1, 7, I), None), ["g_l0.h", "g_l1.h"]),
    "ring": Form(Ring, (FRAME, zeros(1, I, 4)), ["past.past"]),
    "ring in the caller's tensor": Form(RingInPlace, (FRAME, zeros(1, I, 4)), ["past.past"], results=alone),
    "ring in a buffer": Form(RingInABuffer, (FRAME,), ["past.past"], results=alone),
    "ring by cat": Form(RingJoined, (FRAME,), ["past.past"], results=alone),
    "buffers overwritten": Form(BuffersOverwritten, (frame(1, 7, I),), ["rnn.h", "rnn.c"], results=alone),
    "buffer written in parts": Form(BufferWrittenInParts, (frame(1, 7, I),), ["state.past"], results=alone),
    "kept in a dictionary": Form(KeptInADictionary, (frame(1, 7, I),), ["cache.past", "g.h"], results=alone),
    "list of states": Form(ListOfStates, (FRAME, [zeros(1, H)] * 3), ["cells_0.h", "cells_1.h", "cells_2.h"]),
    "packed in place": Form(PackedInPlace, (ONE, zeros(2, 1, H)), ["h.past"]),
    "packed in place, a few frames": Form(PackedInPlace, (frame(1, 4, I), zeros(2, 1, H)), ["h.past"]),
    "equal caches in another order": Form(
        EqualCaches, (FRAME, {"early": zeros(1, H), "late": zeros(1, H)}), ["a.h", "b.h"],
        results=lambda r: (r[:1], [{name: r[1][name] for name in ("early", "late")}]),
    ),
    "two microphones": Form(
        TwoMicrophones, (FRAME, FRAME, zeros(1, 2 * H)), ["state.past"], {"inputs": ("mic", "far")}, (0, 1)
    ),
    "states batch first": Form(BatchFirstStates, (ONE, zeros(1, 2, H)), ["h.past"]),
    "named in another order": Form(
        NamedInAnotherOrder, (FRAME, zeros(1, H), zeros(1, H)), ["cell.h", "cell.c"],
        results=lambda r: ([r["scores"]], [r["h_out"], r["c_out"]]),
    ),
    "state space": Form(StateSpace, (FRAME, zeros(1, I, 2), zeros(1, 2, I)), ["past.past", "matrix.past"]),
}  # fmt: skip
"""Name -> a module, its example, and the states of its graph."""
