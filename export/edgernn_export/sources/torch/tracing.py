"""Tracing: what a module does with its example, as a list of ATen operations (by torch.export)."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Node
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError
from edgernn.model.cell import dimensions
from edgernn.model.graph import Graph, Layer
from edgernn_export.sources.torch.copying import copied
from edgernn_export.sources.torch.exported import exported
from edgernn_export.sources.torch.repeated import run_twice

LEAF = "edgernn::leaf"


@dataclass(frozen=True)
class Traced:
    """A module in float64 with its operations on one example."""

    module: nn.Module
    example: tuple[Any, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Any]  # parameters, buffers, literals and generators, by placeholder
    inputs: tuple[Node, ...]  # placeholders of the example's tensors
    outputs: tuple[Any, ...]  # nodes, flat
    leaves: Mapping[str, nn.Module]  # path -> module with `edgernn_cell`


@torch.library.custom_op(LEAF, mutates_args=())
def leaf(x: Tensor, path: str, width: int) -> Tensor:
    """A module of the user's that is one cell, kept whole in the trace."""
    raise RuntimeError(f"leaf '{path}' {tuple(x.shape)} -> {width} stands for a module and computes nothing itself")


@leaf.register_fake
def _(x: Tensor, path: str, width: int) -> Tensor:
    del path
    return x.new_empty((*x.shape[:-1], width))


class _Leaf(nn.Module):
    """What stands in the place of a leaf while the module is traced."""

    def __init__(self, path: str, width: int, pair: bool) -> None:
        super().__init__()
        self.path, self.width, self.pair = path, width, pair

    def forward(self, x: Tensor, *_: Any) -> Any:
        y = torch.ops.edgernn.leaf(x, self.path, self.width)
        return (y, None) if self.pair else y


class _AllDouble(TorchFunctionMode):
    """A module's own casts to a smaller float are casts to float64 inside the proof."""

    SMALLER = (torch.float32, torch.float16, torch.bfloat16)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in {Tensor.float, Tensor.half, Tensor.bfloat16}:
            return Tensor.double(args[0])
        args, kwargs = pytree.tree_map_only(
            torch.dtype, lambda kind: torch.float64 if kind in self.SMALLER else kind, (args, kwargs or {})
        )
        return func(*args, **kwargs)


@contextmanager
def double() -> Iterator[None]:
    """New tensors are float64 inside, as the module under proof is."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad(), _AllDouble():
            yield
    finally:
        torch.set_default_dtype(before)


def tensors_of(example: Any) -> tuple[Any, ...]:
    """The example as the module's arguments, every floating tensor in float64.

    Raises:
        UnsupportedError: it holds something else than real tensors with finite values.
    """
    args = example if isinstance(example, tuple) else (example,)
    leaves = pytree.tree_leaves(args)
    if not args or not isinstance(args[0], Tensor) or not all(isinstance(leaf, Tensor) for leaf in leaves):
        kinds = ", ".join(type(leaf).__name__ for leaf in args)
        hint = "; leave out an argument that is None" if None in [leaf for leaf in leaves if leaf is None] else ""
        raise UnsupportedError(
            f"an example of ({kinds}) arrived; expected one tensor, or a tuple of frame and states{hint}"
        )
    for leaf in leaves:
        if leaf.is_complex() or leaf.is_meta or leaf.is_quantized or leaf.layout != torch.strided:
            raise UnsupportedError(
                f"the example has a tensor of {leaf.dtype} on {leaf.device} ({leaf.layout}); expected real numbers, "
                "dense and with values: give real and imaginary parts side by side as features"
            )
    if not all(torch.isfinite(leaf).all() for leaf in leaves):
        raise UnsupportedError("the example holds values that are not finite; give a sequence of real data or noise")
    made: tuple[Any, ...] = pytree.tree_map_only(
        Tensor, lambda t: (t.detach().cpu().double() if t.is_floating_point() else t.detach().cpu()).clone(), args
    )
    return made


def traced(module: nn.Module, example: Any) -> Traced:
    """Run a copy of the module on the example and write down its operations.

    Raises:
        UnsupportedError: torch.export cannot follow the module, or it does not accept the example.
    """
    if not isinstance(module, nn.Module):
        raise UnsupportedError(f"a {type(module).__name__} arrived; expected a torch.nn.Module")
    if module.training:
        raise UnsupportedError("the module is in training mode; call module.eval() first")
    args = tensors_of(example)
    with double():
        module = copied(module)
        followed, leaves = _with_leaves(module, run_twice(module, args))
        program = exported(followed, args)
    return _traced(module, args, program, leaves)


def _traced(
    module: nn.Module, args: tuple[Any, ...], program: ExportedProgram, leaves: Mapping[str, nn.Module]
) -> Traced:
    signature, held = program.graph_signature, {**program.state_dict, **program.constants}
    lifted = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
        **signature.inputs_to_lifted_custom_objs,
    }
    nodes = tuple(program.graph.nodes)
    results = zip(nodes[-1].args[0], signature.output_specs, strict=True)
    return Traced(
        module=module,
        example=args,
        nodes=nodes,
        constants={name: _value(held[key]) for name, key in lifted.items()},
        inputs=tuple(node for node in nodes if node.op == "placeholder" and node.name in signature.user_inputs),
        outputs=tuple(node for node, spec in results if spec.kind is OutputKind.USER_OUTPUT and isinstance(node, Node)),
        leaves=leaves,
    )


def _value(constant: Any) -> Any:
    """A copy, since operations in place write into constants too."""
    return constant.detach().clone() if isinstance(constant, Tensor) else constant


def evaluate(node: Node, values: Mapping[Node, Any], leaves: Mapping[str, nn.Module]) -> Any:
    """What one operation computes from real tensors."""
    args, kwargs = arguments(node, values)
    if is_leaf(node):
        y = leaves[args[1]](args[0])
        return y[0] if isinstance(y, tuple) else y
    target: Any = node.target
    return target(*args, **kwargs)


def arguments(node: Node, values: Mapping[Node, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the operation is called with."""
    args: Any = torch.fx.node.map_arg(node.args, lambda n: values[n])
    kwargs: Any = torch.fx.node.map_arg(node.kwargs, lambda n: values[n])
    return args, kwargs


def named(node: Node, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by the names of the operation's schema, with its defaults; empty when it has none."""
    schema = getattr(node.target, "_schema", None)
    known = () if schema is None else schema.arguments
    defaults = {each.name: each.default_value for each in known if each.has_default_value()}
    return {**defaults, **dict(zip((each.name for each in known), args, strict=False)), **kwargs}


def cell_of(module: nn.Module) -> Any:
    """The cell that a leaf says it is."""
    says: Any = module.edgernn_cell
    return says()


def is_leaf(node: Node) -> bool:
    """Whether the operation stands for a module of the user's."""
    return str(node.target).startswith("edgernn.leaf")


def path_of(node: Node) -> str:
    """The path of the module whose forward says the operation, such as "encoder.gru"; "" for the model itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


def _with_leaves(module: nn.Module, pairs: Mapping[str, bool]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A copy of the module with a stand-in for each leaf."""
    if not pairs:
        return module, {}
    leaves = {path: module.get_submodule(path) for path in pairs}
    followed = copy.deepcopy(module)
    for path, inner in leaves.items():
        width = _width(path, inner)
        if path:
            followed.set_submodule(path, _Leaf(path, width, pairs[path]))
        else:
            followed = nn.Sequential(_Leaf(path, width, pairs[path]))
    return followed, leaves


def _width(path: str, inner: nn.Module) -> int:
    cell = cell_of(inner)
    inputs = dimensions(cell).get("inputs")
    if inputs is None:
        raise UnsupportedError(f"the cell of module '{path}' declares no axis 'inputs'; it cannot be a leaf")
    return Graph((Layer("leaf", cell),), inputs).outputs
