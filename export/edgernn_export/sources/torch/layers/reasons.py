"""Why an operation is refused: the true reason, and what to do instead."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn_export.sources.torch.layers.hints import ATTENTION, HINTS, MATRICES, UNKNOWN
from edgernn_export.sources.torch.layers.value import Value

_WHOLE = "it runs over time, so it needs the whole sequence at once and has no value per frame; "
_LAST = "take the last step, y[:, -1], instead"
_RUN = 'pass running=("{}",) to from_torch to answer with the {} of the frames so far, or ' + _LAST
_COUNTED = "x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]"
_MEAN = _RUN.format("mean", "mean") + f"; to normalize each frame, use {_COUNTED}"
_SPREAD = (
    "write it with means, (x * x).mean(1) - x.mean(1) ** 2, and pass "
    'running=("mean",) to from_torch to take those of the frames so far'
)
_SUM = "a sum of all frames so far grows without bound: take the mean, " + _MEAN
_OVER_TIME = {
    "mean adaptive_avg_pool1d adaptive_avg_pool2d": _MEAN,
    "max amax any adaptive_max_pool1d adaptive_max_pool2d": _RUN.format("max", "largest number"),
    "min amin all": _RUN.format("max", "smallest number"),
    "var std var_mean std_mean": _SPREAD,
    "sum norm linalg_vector_norm count_nonzero": _SUM,
    "argmax argmin aminmax median mode prod logsumexp sort argsort topk": _LAST,
}
_RUNNING = (
    "it carries a result from frame to frame, which no layer does for this operation; use a recurrent layer, "
    f"torch.cummax, torch.cummin, or a cumulative mean, {_COUNTED}"
)
_STATISTICS = (
    "its statistics run over time; use nn.LayerNorm or nn.BatchNorm1d, or statistics of the frames so far: "
    "x.cumsum(-1) / torch.arange(1, x.shape[-1] + 1)"
)
_DECODER = (
    "it repeats the last step of the sequence as all of its frames, as a decoder begins, whose first frame needs the "
    "last one of the encoder; convert encoder and decoder apart, the decoder with one frame and its state"
)

_RUNS = "cumprod logcumsumexp"
_PRODUCTS = "matmul mm bmm einsum baddbmm tensordot"
_WRITES = "copy set fill zero index_put index_copy"
_REPEATS = "repeat expand expand_as repeat_interleave tile broadcast_to"


def reason(op: str, node: Node, arguments: Mapping[str, Any]) -> str:
    """Return why this operation is refused, and what to do.

    Args:
        op: its name without overload.
        node: its node in the trace.
        arguments: its arguments by name.
    """
    if op == "scaled_dot_product_attention" and within(arguments.get("query")):
        return MATRICES
    flowing = [leaf for leaf in pytree.tree_leaves(dict(arguments)) if isinstance(leaf, Value)]
    hint = next((text for names, text in HINTS.items() if op in names.split()), "")
    if not hint and torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        return (
            "it draws random numbers, so no two runs agree; store noise that is drawn once as a buffer, and draw "
            "samples from the scores after the step"
        )
    if op in _WRITES.split():
        return written(node, bool(flowing) and flowing[0] is next(iter(arguments.values()), None))
    if len(flowing) == 1 or (flowing and op in _REPEATS.split()):
        text = _of_one(op, flowing[0], arguments)
        if text:
            return text
    if len(flowing) > 1 and op in _PRODUCTS.split():
        return _of_product(op, flowing, arguments)
    return hint or UNKNOWN


def _of_one(op: str, x: Value, arguments: Mapping[str, Any]) -> str:
    """Return why an operation on one value of the stream is refused; "" when its axes are not the reason."""
    if x.time is not None and x.time in _axes(x, arguments):
        if op in _RUNS.split():
            return _RUNNING
        over = next((text for names, text in _OVER_TIME.items() if op in names.split()), "")
        if over:
            return _WHOLE + over
    if op in {"max_pool1d", "avg_pool1d", "lp_pool1d", "max_pool1d_with_indices"}:
        if x.time == len(x.shape) - 1:
            return "it pools several frames into one, and no cell does; a causal nn.Conv1d keeps every frame"
        return (
            "no cell pools the features of a frame by nn.MaxPool1d or nn.AvgPool1d; write "
            "x.unflatten(-1, (-1, size)).amax(-1), or .mean(-1)"
        )
    if op in {"group_norm", "instance_norm"}:
        return _STATISTICS
    if op in _REPEATS.split():
        return _DECODER if x.time is None else "it makes other frames than arrive; repeat the features of each frame"
    return ""


def _axes(x: Value, arguments: Mapping[str, Any]) -> set[int]:
    """Return the axes that an operation runs over: those in its arguments, or all; of a pooling, the last ones."""
    if "output_size" in arguments:
        sizes = arguments["output_size"]
        return set(range(len(x.shape) - (1 if isinstance(sizes, int) else len(sizes)), len(x.shape)))
    named = next((arguments[name] for name in ("dim", "dims", "axis") if arguments.get(name) is not None), None)
    axes = [named] if isinstance(named, int) else list(named or range(len(x.shape)))
    return {axis % len(x.shape) for axis in axes}


def _of_product(op: str, flowing: list[Value], arguments: Mapping[str, Any]) -> str:
    """Return why a product of two values of the stream is refused: it runs over time, or over matrices in a frame."""
    a, b, *_ = flowing
    if op == "einsum":
        left, _, right = str(arguments["equation"]).replace(" ", "").partition("->")
        names = {one[x.time] for one, x in zip(left.split(","), (a, b), strict=False) if x.time is not None}
        if len(names) == 1 and not names <= set(right):
            return _WHOLE + _LAST
        inside = len(names) <= 1
    else:
        inside = within(a) and within(b)
    return MATRICES if inside else ATTENTION


def within(x: Any) -> bool:
    """Return whether the last two axes of a value are of one frame."""
    return isinstance(x, Value) and (x.time is None or x.time < len(x.shape) - 2)


def written(node: Node, into_stream: bool) -> str:
    """Return why an in-place operation is refused: it writes into a tensor of the module, or into part of a result."""
    root: Any = node.args[0]
    while isinstance(root, Node) and getattr(root.target, "is_view", False):
        root = root.args[0]
    if isinstance(root, Node) and root.op == "placeholder" and not into_stream:
        return "it keeps state of its own; take the state as an argument and return it"
    return "it writes into a part of a tensor; join the parts with torch.cat or torch.stack instead"
