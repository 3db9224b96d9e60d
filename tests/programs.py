"""Random modules of what people write in PyTorch: operations that stream, that do not, and that only seem to."""

import torch
from torch import nn
from torch.nn import functional as F


class Program(nn.Module):
    """A recurrent layer, then operations by name in a row; each may keep weights, made at its first use."""

    def __init__(self, names, inputs, steps=9):
        super().__init__()
        self.names, self.constants, self.layers = names, {}, nn.ModuleDict()
        self.gru = nn.GRU(inputs, 6, batch_first=True)
        self.eval()
        with torch.no_grad():
            self(torch.randn(1, steps, inputs))

    def layer(self, at, make):
        if str(at) not in self.layers:
            self.layers[str(at)] = make().eval()
        return self.layers[str(at)]

    def weight(self, at, *shape):
        if f"w{at}" not in self._parameters:
            self.register_parameter(f"w{at}", nn.Parameter(torch.randn(shape) / 2))
        return self._parameters[f"w{at}"]

    def plain(self, at, *shape):
        if at not in self.constants:
            self.constants[at] = torch.randn(shape) / 2
        return self.constants[at]

    def forward(self, x):
        y, _ = self.gru(x)
        seen = [y]
        for at, name in enumerate(self.names):
            y = OPERATIONS[name](self, at, y, seen)
            seen.append(y)
        return y


def width(y):
    return y.shape[-1]


def last(y):
    return y[:, -1] if y.dim() == 3 else y


def recurrent(kind, **options):
    def run(m, at, y, _):
        return m.layer(at, lambda: kind(width(y), 4, batch_first=True, **options))(y)[0]

    return run


def chunked(m, at, y, _):
    a, b = torch.cat([y, -y], -1).chunk(2, -1)
    return torch.cat([torch.tanh(b), a], -1)


def written(m, at, y, _):
    z = torch.zeros_like(y)
    z[..., :1] = y[..., :1]
    return z


def in_place_on_a_part(m, at, y, _):
    y[..., :1].mul_(2)
    return y


def view_before_in_place(m, at, y, _):
    old = y.transpose(0, 1)
    y.add_(1)
    return old.transpose(0, 1)


def decides(m, at, y, _):
    return y if y.sum() > 0 else -y


def conv(m, at, y, _):
    return m.layer(at, lambda: nn.Conv1d(width(y), 4, 3))(F.pad(y.transpose(1, 2), (2, 0))).transpose(1, 2)


def same_conv(m, at, y, _):
    return m.layer(at, lambda: nn.Conv1d(width(y), 4, 3, padding=1))(y.transpose(1, 2)).transpose(1, 2)


def group_norm(m, at, y, _):
    return m.layer(at, lambda: nn.GroupNorm(1, width(y)))(y.transpose(1, -1)).transpose(1, -1)


def batch_norm(m, at, y, _):
    return m.layer(at, lambda: nn.BatchNorm1d(width(y)))(y.transpose(1, -1)).transpose(1, -1)


def shared(y, seen, combine):
    """Something of this value and the oldest one, when their shapes allow it."""
    return combine(y, seen[0]) if y.shape == seen[0].shape else y


STREAMS = {
    "linear": lambda m, at, y, _: m.layer(at, lambda: nn.Linear(width(y), 5))(y),
    "gru": recurrent(nn.GRU),
    "lstm": recurrent(nn.LSTM),
    "rnn": recurrent(nn.RNN, nonlinearity="relu"),
    "conv": conv,
    "batch norm": batch_norm,
    "layer norm": lambda m, at, y, _: F.layer_norm(y, (width(y),)),
    "tanh": lambda m, at, y, _: torch.tanh(y),
    "relu_": lambda m, at, y, _: F.relu(y + 0.1, inplace=True),
    "sigmoid gate": lambda m, at, y, _: y * torch.sigmoid(y),
    "softmax": lambda m, at, y, _: y.softmax(-1),
    "log softmax": lambda m, at, y, _: F.log_softmax(y, -1),
    "clamp": lambda m, at, y, _: y.clamp(-0.3, 0.4),
    "silu": lambda m, at, y, _: F.silu(y),
    "leaky": lambda m, at, y, _: F.leaky_relu(y, 0.2),
    "hard swish": lambda m, at, y, _: F.hardswish(y),
    "chunked": chunked,
    "sliced": lambda m, at, y, _: y[..., : max(1, width(y) - 1)],
    "joined": lambda m, at, y, _: torch.cat([y, y * 2], -1),
    "scaled": lambda m, at, y, _: 1.5 - y / 2,
    "residual": lambda m, at, y, seen: shared(y, seen, torch.add),
    "plain": lambda m, at, y, _: y - m.plain(at, width(y)),
    "weighted": lambda m, at, y, _: y * m.weight(at, width(y)),
    "matmul": lambda m, at, y, _: y @ m.weight(at, width(y), 4),
    "grouped": lambda m, at, y, _: torch.einsum(
        "...gi,gio->...go", y.unflatten(-1, (-1, 1)), m.weight(at, width(y), 1, 2)
    ).flatten(-2),
    "einsum transposed": lambda m, at, y, _: torch.einsum("...i,oi->...o", y, m.weight(at, 3, width(y))),
    "bmm": lambda m, at, y, _: (y.unsqueeze(-2) @ m.weight(at, width(y), 3)).squeeze(-2),
    "matrix on the left": lambda m, at, y, _: (m.weight(at, 3, width(y)) @ y.unsqueeze(-1)).squeeze(-1),
    "mean": lambda m, at, y, _: y - y.mean(-1, keepdim=True),
    "sum": lambda m, at, y, _: y.sum(-1, keepdim=True),
    "variance": lambda m, at, y, _: y + y.var(-1, keepdim=True, correction=0),
    "square": lambda m, at, y, _: y**2,
    "elu": lambda m, at, y, _: F.elu(y),
    "gelu": lambda m, at, y, _: F.gelu(y),
    "abs": lambda m, at, y, _: y.abs(),
    "sqrt": lambda m, at, y, _: torch.sqrt(y * y + 1e-3),
    "std": lambda m, at, y, _: y.std(-1, keepdim=True, correction=0),
    "norm": lambda m, at, y, _: y / (y.norm(dim=-1, keepdim=True) + 1),
    "divided": lambda m, at, y, _: y / (y * y + 1),
    "largest": lambda m, at, y, _: y.amax(-1, keepdim=True),
    "max": lambda m, at, y, _: y.max(-1, keepdim=True).values,
    "maximum": lambda m, at, y, seen: shared(y, seen, torch.maximum),
    "where": lambda m, at, y, _: torch.where(y > 0, y, -y),
    "mask": lambda m, at, y, _: y * (y > 0),
    "masked": lambda m, at, y, _: y.masked_fill(y < 0, 0.0),
    "expand": lambda m, at, y, _: y.mean(-1, keepdim=True).expand(*y.shape),
    "last": lambda m, at, y, _: last(y),
    "axes": lambda m, at, y, _: y.unsqueeze(1).movedim(1, 0).squeeze(0),
    "dropout": lambda m, at, y, _: F.dropout(y, 0.5, m.training),
    "as is": lambda m, at, y, _: y.contiguous().clone().detach(),
    "glu": lambda m, at, y, _: F.glu(torch.cat([y, y], -1), -1),
    "flip": lambda m, at, y, _: y.flip(-1),
    "rolled": lambda m, at, y, _: torch.roll(y, 1, -1),
    "repeat": lambda m, at, y, _: torch.cat([y, y], -1).repeat_interleave(2, -1),
    "indexed": lambda m, at, y, _: y[..., [0]],
    "zeros": lambda m, at, y, _: y + torch.zeros_like(y) + y.new_ones(width(y)),
}
"""Operations that are converted, alone and after most others."""

OTHERS = {
    "exp": lambda m, at, y, _: torch.exp(y),
    "argmax": lambda m, at, y, _: y.argmax(-1, keepdim=True).to(y.dtype),
    "sorted": lambda m, at, y, _: y.sort(-1).values,
    "cumsum": lambda m, at, y, _: y.cumsum(-1),
    "cumsum over time": lambda m, at, y, _: y.cumsum(1),
    "mean over time": lambda m, at, y, _: y.mean(1),
    "max over time": lambda m, at, y, _: y.amax(1),
    "std over time": lambda m, at, y, _: y.std(1),
    "softmax over time": lambda m, at, y, _: y.softmax(1),
    "flip time": lambda m, at, y, _: y.flip(1),
    "roll time": lambda m, at, y, _: torch.roll(y, 1, 1),
    "difference in time": lambda m, at, y, _: y.diff(dim=1, prepend=y[:, :1]),
    "first": lambda m, at, y, _: y[:, 0],
    "every second": lambda m, at, y, _: y[:, ::2],
    "newest dropped": lambda m, at, y, _: y[:, :-1],
    "newest three": lambda m, at, y, _: y[:, -3:],
    "attention": lambda m, at, y, _: torch.softmax(y @ y.mT, -1) @ y if y.dim() == 3 else y,
    "einsum attention": lambda m, at, y, _: torch.einsum("bti,bsi->bts", y, y) if y.dim() == 3 else y,
    "einsum within": lambda m, at, y, _: torch.einsum("...i,...i->...", y, y).unsqueeze(-1),
    "outer": lambda m, at, y, _: (y.unsqueeze(-1) @ y.unsqueeze(-2)).flatten(-2),
    "time mixed": lambda m, at, y, _: torch.einsum("bti,st->bsi", y, m.weight(at, y.shape[1], y.shape[1])) if y.dim() == 3 else y,
    "positional": lambda m, at, y, _: y + m.weight(at, y.shape[1], 1),
    "times by position": lambda m, at, y, _: y + torch.arange(y.shape[1]).view(-1, 1) if y.dim() == 3 else y,
    "exchanged": lambda m, at, y, _: torch.cat([y, y], -1).unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2),
    "repeat frames": lambda m, at, y, _: last(y).unsqueeze(1).repeat(1, 4, 1),
    "pool": lambda m, at, y, _: F.avg_pool1d(y.transpose(1, 2), 2).transpose(1, 2) if y.dim() == 3 and y.shape[1] > 1 else y,
    "pool features": lambda m, at, y, _: F.max_pool1d(y, 2) if width(y) > 1 else y,
    "group norm": group_norm,
    "same convolution": same_conv,
    "bidirectional": recurrent(nn.GRU, bidirectional=True),
    "written": written,
    "in place on a part": in_place_on_a_part,
    "view before in place": view_before_in_place,
    "noise": lambda m, at, y, _: y + torch.randn(width(y)),
    "seeded noise": lambda m, at, y, _: y + torch.randn(width(y), generator=torch.Generator().manual_seed(at)),
    "seeded dropout": lambda m, at, y, _: (torch.manual_seed(at), F.dropout(y, 0.5, True))[1],
    "bernoulli": lambda m, at, y, _: (torch.manual_seed(at), torch.bernoulli(torch.sigmoid(y)))[1],
    "decides": decides,
    "item": lambda m, at, y, _: y * float(y.sum().item()),
    "selected": lambda m, at, y, _: y[y > 0].sum().view(1, 1),
    "gathered": lambda m, at, y, _: y.gather(-1, torch.zeros(*y.shape[:-1], 1, dtype=torch.long)),
    "unfold": lambda m, at, y, _: y.unfold(1, 2, 1).flatten(2) if y.dim() == 3 and y.shape[1] > 1 else y,
    "spectrum": lambda m, at, y, _: torch.fft.rfft(y, dim=-1).real,
    "flattened": lambda m, at, y, _: y.flatten(1),
    "all in a row": lambda m, at, y, _: y.reshape(1, -1),
    "stacked": lambda m, at, y, _: torch.stack([y, y], -1).sum(-1),
    "padded features": lambda m, at, y, _: F.pad(y, (1, 1)),
    "padded with ones": lambda m, at, y, _: torch.cat([y, torch.ones_like(y)], -1),
    "padded time": lambda m, at, y, _: F.pad(y, (0, 0, 1, 0)),
    "joined in time": lambda m, at, y, _: torch.cat([y, y], 1),
    "cube": lambda m, at, y, _: y**3,
    "root": lambda m, at, y, _: (y * y) ** 0.5,
    "part of the mean": lambda m, at, y, _: torch.cat([y, y], -1).unflatten(-1, (2, -1)).mean(-1),
    "to long": lambda m, at, y, _: y.long().float(),
    "to numpy": lambda m, at, y, _: torch.from_numpy(y.detach().numpy()),
    "as tensor": lambda m, at, y, _: torch.tensor(y.tolist()),
}  # fmt: skip
"""Operations that are refused, or converted where that happens to be right."""

OPERATIONS = STREAMS | OTHERS


def answers(module, xs, width, each=1):
    """What the module answers, of this width: at each step; or, where it has fewer answers, at the ends of two sequences.

    A step takes `each` frames.
    """
    with torch.no_grad():
        whole = module(xs.clone())
        if whole.dim() == 3 and whole.shape[1] == xs.shape[1]:
            return dict(enumerate(whole[0]))
        steps = xs.shape[1] // each
        ends = {max(1, steps // 2), steps}
        return {end - 1: module(xs[:, : end * each].clone()).reshape(-1, width)[-1] for end in ends}
