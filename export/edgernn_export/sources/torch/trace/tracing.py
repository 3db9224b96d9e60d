"""Tracing: the operations of a module on its example, as a list of ATen operations (by torch.export)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Node
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.trace.calling import arguments_of, without_state
from edgernn_export.sources.torch.trace.copying import copied
from edgernn_export.sources.torch.trace.exported import exported
from edgernn_export.sources.torch.trace.functional import functional
from edgernn_export.sources.torch.trace.leaves import is_leaf, output_of, with_leaves
from edgernn_export.sources.torch.trace.mutated import returning_mutated
from edgernn_export.sources.torch.trace.results import flat, without_added


@dataclass(frozen=True)
class Traced:
    """A module in float64 with its operations on one example.

    Attributes:
        module: takes the example; state that it keeps in attributes is an argument and a result too.
        example: its arguments.
        arguments: the name of each in forward; of state that the module keeps, the attribute's.
        own_states: how many of them, the last, the module keeps in attributes.
        written: the names of those that the module writes into, which are results behind its own.
        leaves: path -> module with `edgernn_cell`.
        substituted: the module with a stand-in for each leaf, which was traced.
        nodes: the operations in order.
        constants: parameters, buffers, literals and generators, by placeholder.
        inputs: the placeholders of the example's tensors.
        outputs: the nodes of the results, flat.
        names: of the results; "" of a single tensor.
    """

    module: nn.Module
    example: tuple[Any, ...]
    arguments: tuple[str, ...]
    own_states: int
    written: tuple[str, ...]
    leaves: Mapping[str, nn.Module]
    substituted: nn.Module
    nodes: tuple[Node, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Node, ...] = ()
    outputs: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()


class _AllDouble(TorchFunctionMode):
    """Turns a module's casts to smaller floats into casts to float64, for the proof."""

    SMALLER = (torch.float32, torch.float16, torch.bfloat16)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in {Tensor.float, Tensor.half, Tensor.bfloat16}:
            return Tensor.double(args[0])
        args = tuple(map(self._double, args))
        return func(*args, **{name: self._double(each) for name, each in (kwargs or {}).items()})

    def _double(self, argument: Any) -> Any:
        small = isinstance(argument, torch.dtype) and argument in self.SMALLER
        return torch.float64 if small else argument


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
        if leaf.is_complex():
            raise UnsupportedError(
                f"the example has a tensor of {leaf.dtype}, and a stream has real numbers; let forward take real and "
                "imaginary parts side by side as features, and pass torch.view_as_real(x).flatten(-2)"
            )
        if leaf.is_meta or leaf.is_quantized or leaf.layout != torch.strided:
            raise UnsupportedError(
                f"the example has a tensor of {leaf.dtype} on {leaf.device} ({leaf.layout}); expected real numbers, "
                "dense and with values"
            )
    if not all(torch.isfinite(leaf).all() for leaf in leaves):
        raise UnsupportedError("the example holds values that are not finite; pass a sequence of real data or noise")
    doubled: tuple[Any, ...] = pytree.tree_map_only(
        Tensor, lambda t: (t.detach().cpu().double() if t.is_floating_point() else t.detach().cpu()).clone(), args
    )
    return doubled


def traced(module: nn.Module, example: Any) -> Traced:
    """Run a copy of the module on the example and record its operations.

    Args:
        module: in eval mode; of an nn.DataParallel, the module inside.
        example: the frames, or a tuple of its arguments; None for an argument that stays None.

    Raises:
        UnsupportedError: torch.export cannot follow the module, or it does not accept the example.
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
        arguments = arguments_of(module, len(args))
        written = returning_mutated(module, args, arguments)
        module, pairs, kept, attributes = without_state(module, args)
        args = (*args, *kept)
        substituted, leaves = with_leaves(module, pairs)
        with flat(substituted) as names:
            program = exported(substituted, args)
    whole = Traced(module, args, (*arguments, *attributes), len(kept), written, leaves=leaves, substituted=substituted)
    return _recorded(whole, program, _names(whole, names))


def retraced(traced: Traced, args: tuple[Any, ...]) -> Traced:
    """Record the operations on other arguments, whose values do not matter: nothing is computed.

    Raises:
        UnsupportedError: torch.export cannot follow the module on them.
    """
    with double(), flat(traced.substituted) as names:
        program = exported(traced.substituted, args)
    return _recorded(replace(traced, example=args), program, _names(traced, names))


def _names(traced: Traced, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the results: the module's own, then arguments it writes into, then states it keeps."""
    kept = traced.arguments[len(traced.arguments) - traced.own_states :]
    own = without_added(names, kept)[: len(names) - len(kept)]
    return (*without_added(own, traced.written), *kept)


def _recorded(traced: Traced, program: ExportedProgram, names: tuple[str, ...]) -> Traced:
    """Return the module with the operations of its exported program."""
    program = functional(program)
    signature, held = program.graph_signature, {**program.state_dict, **program.constants}
    lifted = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
        **signature.inputs_to_lifted_custom_objs,
    }
    nodes = tuple(program.graph.nodes)
    results = zip(nodes[-1].args[0], signature.output_specs, strict=True)
    return replace(
        traced,
        nodes=nodes,
        constants={name: _value(held[key]) for name, key in lifted.items()},
        inputs=tuple(node for node in nodes if node.op == "placeholder" and node.name in signature.user_inputs),
        outputs=tuple(node for node, spec in results if spec.kind is OutputKind.USER_OUTPUT and isinstance(node, Node)),
        names=names,
    )


def _value(constant: Any) -> Any:
    """Return a copy, since in-place operations write into constants too."""
    return constant.detach().clone() if isinstance(constant, Tensor) else constant


def evaluate(node: Node, values: Mapping[Node, Any], leaves: Mapping[str, nn.Module]) -> Any:
    """Evaluate one operation on real tensors."""
    args, kwargs = arguments(node, values)
    if is_leaf(node):
        return output_of(leaves[args[1]], *args[:1], *args[3:])
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


def path_of(node: Node) -> str:
    """Return the path of the module whose forward calls the operation, such as "encoder.gru"; "" for the model."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""
