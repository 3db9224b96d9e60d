"""The reasons why an operation cannot stream, by the axes it runs over, and what to do instead."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn_export.sources.torch.value import Value

_UNKNOWN = "no cell computes it; write it with supported layers, or define `edgernn_cell() -> Cell` in its module"
_WHOLE = "it needs the whole sequence at once, so it has no value per frame; take the last step instead"
_RUNNING = (
    "a running result over time is a state, and no layer carries this one; use a recurrent layer, or define "
    "`edgernn_cell() -> Cell` in a module, such as edgernn.cells.RunningMean"
)
_ATTENTION = "attention over the whole sequence needs frames that have not arrived; use a recurrent layer"
_LARGEST = (
    "no operation finds the position of the largest value of a frame; return the scores, and find it after the step"
)
_ORDER = "no operation sorts or reverses the features of a frame; do so outside the model"

_RUNS = "cumsum cumprod cummax cummin logcumsumexp"
_OVER_AXES = (
    f"{_RUNS} max min amax amin argmax argmin aminmax median mode var std var_mean std_mean logsumexp prod norm "
    "linalg_vector_norm all any flip roll sort argsort topk mean sum count_nonzero"
)
_PRODUCTS = "matmul mm bmm einsum baddbmm tensordot"
_POOLS = "max_pool1d avg_pool1d lp_pool1d max_pool1d_with_indices"
_WRITES = "copy set fill zero index_put index_copy"
_REPEATS = "repeat expand repeat_interleave tile"

_HINTS = {
    "adaptive_avg_pool1d adaptive_max_pool1d": _WHOLE,
    "scaled_dot_product_attention multi_head_attention_forward": _ATTENTION,
    "dropout": "pass training=self.training to F.dropout",
    "std_mean var_mean": "call torch.mean, and torch.std or torch.var",
    "logsumexp": "write torch.log(torch.exp(x).sum(-1, keepdim=True)), or use log_softmax",
    "argmax argmin aminmax topk": _LARGEST,
    "eq ne isclose": "no operation tells equal values; compare with <, <=, > or >=",
    "empty_like new_empty": "it allocates a tensor whose parts are written later; use torch.cat or torch.stack",
    "item": "it turns a tensor into a Python number, and the forward must not depend on the values in its input",
    "sort argsort median mode flip roll": _ORDER,
    "quantize_per_tensor quantize_per_channel dequantize dequantize_per_tensor dequantize_per_channel "
    "fake_quantize_per_tensor_affine fake_quantize_per_channel_affine": (
        "it belongs to torch's own quantization; convert the float model, then quantize the graph with "
        "edgernn.passes.quantize"
    ),
}


def reason(op: str, node: Node, arguments: Mapping[str, Any]) -> str:
    """Return why this operation is refused, and what to do.

    Args:
        op: its name without overload.
        node: its node in the trace.
        arguments: its arguments by name.
    """
    flowing = [leaf for leaf in pytree.tree_leaves(dict(arguments)) if isinstance(leaf, Value)]
    if op != "dropout" and torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        return (
            "it draws random numbers, so no two runs agree; store noise that is drawn once as a buffer, and draw "
            "samples from the scores after the step"
        )
    if op in _WRITES.split():
        return written(node, bool(flowing) and flowing[0] is next(iter(arguments.values()), None))
    if op in {"max", "min"} and "other" in arguments:
        op = f"{op}imum"
    if len(flowing) == 1 or (flowing and op in _REPEATS.split()):
        text = _of_one(op, flowing[0], arguments, tuple(getattr(node.meta.get("val"), "shape", ())))
        if text:
            return text
    if len(flowing) > 1 and op in _PRODUCTS.split():
        return _of_product(op, flowing, arguments)
    return next((text for names, text in _HINTS.items() if op in names.split()), _UNKNOWN)


def _of_one(op: str, x: Value, arguments: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    """Return why an operation on one value of the stream is refused; "" when its axes are not the reason."""
    if op in _OVER_AXES.split() and x.time is not None and x.time in _axes(x, arguments):
        return _RUNNING if op in _RUNS.split() else _WHOLE
    if op in _POOLS.split():
        over = "frames" if x.time == len(x.shape) - 1 else "features of a frame"
        return f"it pools several {over} into one, and no cell does; a causal nn.Conv1d keeps every frame"
    if op in {"group_norm", "instance_norm"}:
        if x.time is not None and x.time >= 2:
            return "its statistics run over time; use nn.LayerNorm or nn.BatchNorm1d"
        return "no operation normalizes some of the features of a frame; use nn.LayerNorm or nn.BatchNorm1d"
    if op in _REPEATS.split() and x.time is None and shape[-1:] == x.shape[-1:]:
        return "it repeats the last step as several frames, which would all have to wait for it"
    if op in _REPEATS.split():
        return "no operation repeats the features of a frame; use torch.cat, or a layer with more inputs"
    return ""


def _axes(x: Value, arguments: Mapping[str, Any]) -> set[int]:
    """Return the axes that an operation runs over: those in its arguments, or all."""
    named = next((arguments[name] for name in ("dim", "dims", "axis") if arguments.get(name) is not None), None)
    axes = [named] if isinstance(named, int) else list(named or range(len(x.shape)))
    return {axis % len(x.shape) for axis in axes}


def _of_product(op: str, flowing: list[Value], arguments: Mapping[str, Any]) -> str:
    """Return why a product of two values of the stream is refused: it runs over time, or over matrices in a frame."""
    a, b, *_ = flowing
    if op == "einsum":
        left, _, right = str(arguments["equation"]).replace(" ", "").partition("->")
        names = {one[x.time] for one, x in zip(left.split(","), (a, b), strict=False) if x.time is not None}
        within = len(names) <= 1 and names <= set(right)
    else:
        within = all(x.time is None or x.time < len(x.shape) - 2 for x in (a, b))
    if within:
        return "it multiplies two values of the stream as matrices; write a sum of products as (a * b).sum(-1)"
    return _ATTENTION


def written(node: Node, into_stream: bool) -> str:
    """Return why an in-place operation is refused: it writes into a tensor of the module, or into part of a result."""
    root: Any = node.args[0]
    while isinstance(root, Node) and getattr(root.target, "is_view", False):
        root = root.args[0]
    if isinstance(root, Node) and root.op == "placeholder" and not into_stream:
        return "it keeps state of its own; take the state as an argument and return it"
    return "it writes into a part of a tensor; join the parts with torch.cat or torch.stack instead"
