"""What a random module of PyTorch answers: to a whole sequence, to prefixes of one, or frame by frame with its states."""

from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from random_programs import Program

STEPS = 100
ENDS = (0, 1, 2, 5, 30, STEPS - 1)
"""Where a module that answers the last step of a sequence is compared."""


def noise(program: Program) -> list[torch.Tensor]:
    """A random sequence of STEPS steps for each input, not arranged as the program takes it."""
    random = torch.Generator().manual_seed(program.seed + 1)
    length = STEPS * program.every
    return [torch.randn(shape.of_length(length), generator=random) for shape in program.inputs.values()]


def as_frames(program: Program, xs: list[torch.Tensor]) -> np.ndarray:
    """The sequences as frames of a stream, all inputs side by side."""
    back, time = program.layout.back, program.layout.time
    flat = [x[0] if time is None else back(x).movedim(time, 0).flatten(1) for x in xs]
    return torch.cat(flat, 1).numpy()


def answers(program: Program, module: torch.nn.Module, xs: list[torch.Tensor]) -> dict[int, np.ndarray]:
    """The outputs of the module side by side, at each step or at some, when it runs over these sequences."""
    dtype = next(module.parameters()).dtype
    xs = [x.to(dtype) for x in xs]
    with torch.no_grad():
        if program.steps:
            return _stepped(program, module, xs, dtype)
        if not any(head.last for head in program.heads):
            leaves = _whole(program, module, xs)
            rows = [head.shape.frames(leaf) for head, leaf in zip(program.heads, leaves, strict=True)]
            steps = range(max(program.later), min(STEPS, *(map(sum, zip(map(len, rows), program.later, strict=True)))))
            return {
                t: np.concatenate([row[t - late] for row, late in zip(rows, program.later, strict=True)]) for t in steps
            }
        return {t: _at_end(program, module, xs, t) for t in ENDS if t >= max(program.later)}


def _whole(program: Program, module: torch.nn.Module, xs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the outputs of a sequence from states of zeros."""
    arranged = [program.layout.back(x).contiguous() for x in xs]
    result = _plain(module(*arranged, *program.example_states(xs[0].dtype)))
    return pytree.tree_leaves(result)[: len(program.heads)]


def _at_end(program: Program, module: torch.nn.Module, xs: list[torch.Tensor], t: int) -> np.ndarray:
    length = (t + 1) * program.every
    prefix = [x.narrow(shape.time, 0, length) for x, shape in zip(xs, program.inputs.values(), strict=True)]
    leaves = _whole(program, module, prefix)
    return np.concatenate(
        [
            leaf.reshape(-1).numpy() if head.last else head.shape.frames(leaf)[-1]
            for head, leaf in zip(program.heads, leaves, strict=True)
        ]
    )


def _stepped(
    program: Program, module: torch.nn.Module, xs: list[torch.Tensor], dtype: torch.dtype
) -> dict[int, np.ndarray]:
    states, rows = program.example_states(dtype), {}
    for t in range(STEPS):
        frame = [
            program.layout.back(x.narrow(shape.time, t, 1)).contiguous()
            for x, shape in zip(xs, program.inputs.values(), strict=True)
        ]
        result = _plain(module(*frame, *states))
        result = list(result.values()) if isinstance(result, dict) else result
        result = list(result) if isinstance(result, tuple | list) else [result]
        states = result[len(program.heads) :]
        rows[t] = np.concatenate([each.reshape(-1).numpy() for each in result[: len(program.heads)]])
    return rows


def _plain(result: Any) -> Any:
    return list(vars(result).values()) if hasattr(result, "__dataclass_fields__") else result
