"""Tracing: what a module does with its example, as a list of ATen operations (by torch.export)."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from edgernn.cell import dimensions
from edgernn.errors import UnsupportedError
from edgernn.graph import Graph, Layer

LEAF = "edgernn::leaf"


@dataclass(frozen=True)
class Traced:
    """A module in float64 with its operations on one example."""

    module: nn.Module
    example: tuple[Any, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]  # parameters, buffers and literals, by placeholder
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
    """The example as the module's arguments, every floating tensor in float64."""
    args = example if isinstance(example, tuple) else (example,)
    leaves = pytree.tree_leaves(args)
    if not args or not isinstance(args[0], Tensor) or not all(isinstance(leaf, Tensor) for leaf in leaves):
        kinds = ", ".join(type(leaf).__name__ for leaf in (args if isinstance(args, tuple) else (args,)))
        raise UnsupportedError(f"an example of ({kinds}) arrived; expected one tensor, or a tuple of frame and states")
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
    module = _copied(module)
    with double():
        pairs = _run_twice(copy.deepcopy(module), args)
        followed, leaves = _with_leaves(module, pairs)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The tensor attributes? self.*assigned during export")
            try:
                exported = torch.export.export(followed, args, strict=False)
            except Exception as error:  # torch.export raises dozens of types, of its own and of Python
                raise UnsupportedError(
                    f"torch.export cannot follow {type(module).__name__}: {_first_line(error)}; the forward must not "
                    "depend on the values in its input: move packing and decisions outside the module"
                ) from error
    signature, held = exported.graph_signature, {**exported.state_dict, **exported.constants}
    lifted = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    nodes = tuple(exported.graph.nodes)
    return Traced(
        module=module,
        example=args,
        nodes=nodes,
        constants={name: held[key].detach() for name, key in lifted.items()},
        inputs=tuple(node for node in nodes if node.op == "placeholder" and node.name in signature.user_inputs),
        outputs=tuple(node for node in nodes[-1].args[0] if isinstance(node, Node)),
        leaves=leaves,
    )


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


def _copied(module: nn.Module) -> nn.Module:
    """A copy in float64 on the CPU; tensors that were computed and kept, as old weight norms do, are copied too."""
    lazy = (nn.UninitializedParameter, nn.UninitializedBuffer)
    if any(isinstance(each, lazy) for each in [*module.parameters(), *module.buffers()]):
        raise UnsupportedError("the module has lazy layers without weights; run it once on the example first")
    kept = [value for inner in module.modules() for value in vars(inner).values() if isinstance(value, Tensor)]
    try:
        return copy.deepcopy(module, {id(value): value.detach().clone() for value in kept}).cpu().double()
    except Exception as error:  # an attribute of the user's may refuse in any way
        raise UnsupportedError(
            f"{type(module).__name__} cannot be copied: {_first_line(error)}; keep what is no weight out of the module"
        ) from error


def _run_twice(module: nn.Module, args: tuple[Any, ...]) -> dict[str, bool]:
    """Run the module for real, twice, since no call may depend on an earlier one: leaf -> whether it gives a pair."""
    pairs: dict[str, bool] = {}

    def watch(path: str, inner: nn.Module) -> Any:
        return inner.register_forward_hook(lambda *call: pairs.update({path: isinstance(call[2], tuple)}))

    hooks = [watch(path, inner) for path, inner in module.named_modules() if hasattr(inner, "edgernn_cell")]
    try:
        first, second = (pytree.tree_leaves(module(*fresh(args))) for _ in range(2))
    except Exception as error:  # whatever the user's own code raises
        raise UnsupportedError(
            f"{type(module).__name__} does not run on the example: {_first_line(error)}; give one sequence, shaped as "
            "the module takes it, or for a cell its tuple (frame, state)"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    for one, two in zip(first, second, strict=True):
        if isinstance(one, Tensor) and not torch.equal(one.nan_to_num(), two.nan_to_num()):
            raise UnsupportedError(
                f"{type(module).__name__} answers twice with different numbers: it keeps state of its own, or draws "
                "random numbers; take the state as an argument and return it, or leave it to nn.GRU and the like, and "
                "give F.dropout training=self.training"
            )
    return pairs


def fresh(args: Any) -> Any:
    """Copies of tensors, for a module that may write into its input."""
    return pytree.tree_map_only(Tensor, torch.clone, args)


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


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
