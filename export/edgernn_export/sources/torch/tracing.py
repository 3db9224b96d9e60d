"""Tracing: the operations of a module on its example, as a list of ATen operations (by torch.export)."""

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
from edgernn_export.sources.torch.feedback import Names, fed_back
from edgernn_export.sources.torch.kept import KeepsStateError, check_same, handed_over
from edgernn_export.sources.torch.repeated import run_twice

LEAF = "edgernn::leaf"


@dataclass(frozen=True)
class Traced:
    """A module in float64 with its operations on one example.

    Attributes:
        module: takes the example; state that it keeps in attributes is an argument and a result too.
        example: the frames, and what the module takes besides them.
        states: the arguments besides the frames before the first call, in the order of `inputs`.
        feedback: the position of the result that each of them is in the next call.
        names: of each of them.
        kept: how many of them, the last, the module keeps in attributes.
    """

    module: nn.Module
    example: tuple[Any, ...]
    states: tuple[Tensor, ...]
    feedback: tuple[int, ...]
    names: tuple[str, ...]
    kept: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, Any]  # parameters, buffers, literals and generators, by placeholder
    inputs: tuple[Node, ...]  # placeholders of the example's tensors
    outputs: tuple[Any, ...]  # nodes, flat
    leaves: Mapping[str, nn.Module]  # path -> module with `edgernn_cell`
    substituted: nn.Module  # the module with a stand-in for each leaf, which was traced


@torch.library.custom_op(LEAF, mutates_args=())
def leaf(x: Tensor, path: str, width: int) -> Tensor:
    """Stand for a user's module that is one cell, as a whole operation in the trace."""
    raise RuntimeError(f"leaf '{path}' {tuple(x.shape)} -> {width} stands for a module and computes nothing itself")


@leaf.register_fake
def _(x: Tensor, path: str, width: int) -> Tensor:
    del path
    return x.new_empty((*x.shape[:-1], width))


class _Leaf(nn.Module):
    """The stand-in for a leaf while the module is traced."""

    def __init__(self, path: str, width: int, pair: bool) -> None:
        super().__init__()
        self.path, self.width, self.pair = path, width, pair

    def forward(self, x: Tensor, *_: Any) -> Any:
        y = torch.ops.edgernn.leaf(x, self.path, self.width)
        return (y, None) if self.pair else y


class _AllDouble(TorchFunctionMode):
    """Turns a module's casts to smaller floats into casts to float64, for the proof."""

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
    """Make new tensors float64, as the module under proof is."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad(), _AllDouble():
            yield
    finally:
        torch.set_default_dtype(before)


def tensors_of(example: Any) -> tuple[Any, ...]:
    """Return the example as the module's arguments, every floating tensor in float64.

    Raises:
        UnsupportedError: it holds other objects than real tensors with finite values.
    """
    args = example if isinstance(example, tuple) else (example,)
    leaves = pytree.tree_leaves(args)
    known = all(leaf is None or isinstance(leaf, Tensor) for leaf in leaves)
    if not args or not isinstance(args[0], Tensor) or not known:
        kinds = ", ".join(type(leaf).__name__ for leaf in args)
        raise UnsupportedError(f"an example of ({kinds}) arrived; expected one tensor, or a tuple of frame and states")
    leaves = [leaf for leaf in leaves if leaf is not None]
    for leaf in leaves:
        if leaf.is_complex() or leaf.is_meta or leaf.is_quantized or leaf.layout != torch.strided:
            raise UnsupportedError(
                f"the example has a tensor of {leaf.dtype} on {leaf.device} ({leaf.layout}); expected real numbers, "
                "dense and with values: pass real and imaginary parts side by side as features"
            )
    if not all(torch.isfinite(leaf).all() for leaf in leaves):
        raise UnsupportedError("the example holds values that are not finite; pass a sequence of real data or noise")
    doubled: tuple[Any, ...] = pytree.tree_map_only(
        Tensor, lambda t: (t.detach().cpu().double() if t.is_floating_point() else t.detach().cpu()).clone(), args
    )
    return doubled


def traced(module: nn.Module, example: Any, states: Names | None = None) -> Traced:
    """Run a copy of the module on the example and record its operations.

    Args:
        module: in eval mode; of an nn.DataParallel, the module inside.
        example: the frames, or a tuple of them and the states; None for an argument that stays None.
        states: as in `fed_back`.

    Raises:
        UsageError: `states` names what does not exist.
        UnsupportedError: torch.export cannot follow the module, it does not accept the example, or a state is not fed
            back.
    """
    if isinstance(module, nn.DataParallel):
        inner: nn.Module = module.module
        module = inner
    if not isinstance(module, nn.Module):
        raise UnsupportedError(f"a {type(module).__name__} arrived; expected a torch.nn.Module")
    if module.training:
        raise UnsupportedError("the module is in training mode; call module.eval() first")
    args = tensors_of(example)
    with double():
        module = copied(module)
        module, pairs, kept, names = _without_state(module, args)
        args = (*args, *kept)
        substituted, leaves = _with_leaves(module, pairs)
        program = exported(substituted, args)
    return _traced(module, substituted, args, program, leaves, kept, names, states or {})


def _without_state(
    module: nn.Module, args: tuple[Any, ...]
) -> tuple[nn.Module, dict[str, bool], tuple[Tensor, ...], tuple[str, ...]]:
    """Return the module without state of its own, what `run_twice` returns, and its states with their names."""
    try:
        return module, run_twice(module, args), (), ()
    except KeepsStateError as error:
        stateful = copy.deepcopy(module)
        kept = handed_over(stateful, error.ran, error.names)
        if kept is None:
            raise
        pairs = run_twice(stateful, (*args, *kept))
        check_same(module, stateful, args, kept)
        names = [name for name in error.names for _ in pytree.tree_leaves(_attribute(error.ran, name))]
        return stateful, pairs, kept, tuple(names)


def _attribute(module: nn.Module, name: str) -> Any:
    path, _, attribute = name.rpartition(".")
    return getattr(module.get_submodule(path), attribute)


def retraced(traced: Traced, args: tuple[Any, ...]) -> Traced:
    """Record the operations on other arguments, whose values do not matter: nothing is computed.

    Raises:
        UnsupportedError: torch.export cannot follow the module on them.
    """
    with double():
        program = exported(traced.substituted, args)
    own = len(traced.states) - traced.kept
    states = dict(zip(traced.names[:own], traced.feedback, strict=False))
    kept, names = traced.states[own:], traced.names[own:]
    return _traced(traced.module, traced.substituted, args, program, traced.leaves, kept, names, states)


def _traced(
    module: nn.Module,
    substituted: nn.Module,
    args: tuple[Any, ...],
    program: ExportedProgram,
    leaves: Mapping[str, nn.Module],
    kept: tuple[Tensor, ...],
    names: tuple[str, ...],
    states: Names,
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
    inputs = tuple(node for node in nodes if node.op == "placeholder" and node.name in signature.user_inputs)
    outputs = tuple(node for node, spec in results if spec.kind is OutputKind.USER_OUTPUT and isinstance(node, Node))
    own = len(inputs) - len(kept)
    answers = outputs[: len(outputs) - len(kept)]
    feedback = fed_back(inputs[1:own], answers, _result_names(program, answers, bool(kept)), states)
    states_before = [leaf for leaf in pytree.tree_leaves(args[1:]) if leaf is not None][: own - 1]
    return Traced(
        module=module,
        example=args,
        states=(*map(torch.zeros_like, states_before), *kept),
        feedback=(*feedback, *range(len(answers), len(outputs))),
        names=(*(node.name for node in inputs[1:own]), *names),
        nodes=nodes,
        constants={name: _value(held[key]) for name, key in lifted.items()},
        inputs=inputs,
        outputs=outputs,
        leaves=leaves,
        substituted=substituted,
        kept=len(kept),
    )


def _result_names(program: ExportedProgram, answers: tuple[Node, ...], nested: bool) -> list[str]:
    """Return the name of each result: its key in a dictionary or its field, else its position.

    Args:
        program: the exported module.
        answers: its results, flat, without states that it keeps.
        nested: whether these follow in a list of their own.
    """
    spec = program.call_spec.out_spec
    nodes = program.graph_signature.user_outputs
    paths = pytree.tree_flatten_with_path(pytree.tree_unflatten(range(spec.num_leaves), spec))[0]
    tensors = [path[nested:] for name, (path, _) in zip(nodes, paths, strict=True) if isinstance(name, str)]
    parts = [
        [str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in each] for each in tensors
    ]
    return ["_".join(each) or str(i) for i, each in enumerate(parts[: len(answers)])]


def _value(constant: Any) -> Any:
    """Return a copy, since in-place operations write into constants too."""
    return constant.detach().clone() if isinstance(constant, Tensor) else constant


def evaluate(node: Node, values: Mapping[Node, Any], leaves: Mapping[str, nn.Module]) -> Any:
    """Evaluate one operation on real tensors."""
    args, kwargs = arguments(node, values)
    if is_leaf(node):
        y = leaves[args[1]](args[0])
        return y[0] if isinstance(y, tuple) else y
    target: Any = node.target
    return target(*args, **kwargs)


def arguments(node: Node, values: Mapping[Node, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the operation's positional and keyword arguments."""
    args: Any = torch.fx.node.map_arg(node.args, lambda n: values[n])
    kwargs: Any = torch.fx.node.map_arg(node.kwargs, lambda n: values[n])
    return args, kwargs


def named(node: Node, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by the names of the operation's schema, with its defaults; empty without a schema."""
    schema = getattr(node.target, "_schema", None)
    known = () if schema is None else schema.arguments
    defaults = {each.name: each.default_value for each in known if each.has_default_value()}
    return {**defaults, **dict(zip((each.name for each in known), args, strict=False)), **kwargs}


def cell_of(module: nn.Module) -> Any:
    """Return the cell of a leaf."""
    edgernn_cell: Any = module.edgernn_cell
    return edgernn_cell()


def is_leaf(node: Node) -> bool:
    """Whether the operation stands for a user's module."""
    return str(node.target).startswith("edgernn.leaf")


def path_of(node: Node) -> str:
    """Return the path of the module whose forward calls the operation, such as "encoder.gru"; "" for the model."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


def _with_leaves(module: nn.Module, pairs: Mapping[str, bool]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return a copy of the module with a stand-in for each leaf, and the leaves by path."""
    if not pairs:
        return module, {}
    leaves = {path: module.get_submodule(path) for path in pairs}
    substituted = copy.deepcopy(module)
    for path, inner in leaves.items():
        width = _width(path, inner)
        if path:
            substituted.set_submodule(path, _Leaf(path, width, pairs[path]))
        else:
            substituted = nn.Sequential(_Leaf(path, width, pairs[path]))
    return substituted, leaves


def _width(path: str, inner: nn.Module) -> int:
    cell = cell_of(inner)
    inputs = dimensions(cell).get("inputs")
    if inputs is None:
        raise UnsupportedError(f"the cell of module '{path}' declares no dimension 'inputs'; a leaf needs it")
    return Graph((Layer("leaf", cell),), inputs).outputs
