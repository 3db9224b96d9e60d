"""What a random module of PyTorch answers: to a whole sequence, to prefixes of one, or frame by frame with its states."""

from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from random_programs import Program

STEPS = 100
ENDS = (0, 1, 2, 5, 30, STEPS - 1)
"""Where a module that answers the last step of a sequence is compared."""


def answers(program: Program, module: torch.nn.Module, frames: np.ndarray) -> dict[int, np.ndarray]:
    """The outputs of the module side by side, at each step or at some, when it runs over these frames."""
    dtype = next(module.parameters()).dtype
    xs, start = [], 0
    for shape in program.inputs.values():
        part = torch.from_numpy(frames[:, start : start + shape.width]).to(dtype)
        xs.append(shape.of_frames(part))
        start += shape.width
    with torch.no_grad():
        if program.steps:
            return _stepped(program, module, xs, dtype)
        if not any(head.last for head in program.heads):
            leaves = pytree.tree_leaves(_plain(module(*xs)))
            rows = [head.shape.frames(leaf) for head, leaf in zip(program.heads, leaves, strict=True)]
            return dict(enumerate(np.concatenate(rows, axis=1)))
        return {t: _at_end(program, module, xs, t) for t in ENDS}


def _at_end(program: Program, module: torch.nn.Module, xs: list[torch.Tensor], t: int) -> np.ndarray:
    times = [shape.time for shape in program.inputs.values()]
    prefix = [x.narrow(time, 0, t + 1) for x, time in zip(xs, times, strict=True)]
    leaves = pytree.tree_leaves(_plain(module(*prefix)))
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
            x.narrow(shape.time, t, 1).reshape((1, -1) if program.flat else shape.of_length(1))
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
