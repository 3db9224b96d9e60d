"""The copy of the module that is converted: in float64, on the CPU, with plain weights. The original is not changed."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError

REGISTERED = {"_parameters", "_buffers", "_modules"}
"""The attributes that nn.Module stores, converts and copies itself."""

_LAZY = (nn.UninitializedParameter, nn.UninitializedBuffer)
_QUANTIZED = (
    "torch.ao.nn.quantized",
    "torch.ao.nn.intrinsic.quantized",
    "torch.ao.nn.qat",
    "torch.ao.nn.intrinsic.qat",
)
_PREPARED = ("torch.ao.quantization.observer", "torch.ao.quantization.fake_quantize")


def copied(module: nn.Module) -> nn.Module:
    """Return a copy in float64 on the CPU.

    Tensors that are plain attributes become float64 too. Parametrized weights (torch.nn.utils.parametrizations) become
    plain parameters with their current values.

    Raises:
        UnsupportedError: the module has no weights yet, is compiled to TorchScript, holds quantized weights, or holds
            an object that cannot be copied.
    """
    _check_readable(module)
    try:
        result = copy.deepcopy(module, _replacements(module))
        for inner in result.modules():
            _convert_plain(inner)
        result = result.cpu().double()
        for inner in list(result.modules()):
            _bake(inner)
        return result.double()  # recurrent layers collect their weights again
    except Exception as error:  # an attribute of the user's may raise anything
        raise UnsupportedError(
            f"{type(module).__name__} cannot be copied: {first_line(error)}; keep objects other than weights out of it"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def plain(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Return the attributes of one module that are not parameters, buffers or modules."""
    return ((name, value) for name, value in vars(module).items() if name not in REGISTERED)


def _check_readable(module: nn.Module) -> None:
    for path, inner in module.named_modules():
        where, kind = f"module '{path}'" if path else "the module", type(inner)
        if isinstance(inner, torch.jit.ScriptModule):
            raise UnsupportedError(
                f"{where} is compiled to TorchScript, which torch.export does not accept; convert the nn.Module "
                "that was scripted or traced"
            )
        quantized = kind.__module__.startswith(_QUANTIZED) or kind.__module__ in _PREPARED
        if quantized or any(_is_quantized(tensor) for tensor in _own_tensors(inner)):
            raise UnsupportedError(
                f"{where} ({kind.__name__}) is quantized by torch, or prepared for it; torch's integers cannot be "
                "converted: convert the float model, then quantize the graph: "
                "edgernn.passes.quantize.quantize(graph, 'dynamic_wi8_afp32')"
            )
        if any(isinstance(tensor, _LAZY) for tensor in _own_tensors(inner)):
            raise UnsupportedError(f"{where} has lazy layers without weights; run it once on the example first")
        if any(tensor.is_meta for tensor in _own_tensors(inner)):
            raise UnsupportedError(
                f"{where} has weights on the device 'meta', which have no values; load the weights first"
            )


def _own_tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _is_quantized(tensor: Tensor) -> bool:
    return type(tensor).__module__.startswith("torchao") or (not isinstance(tensor, _LAZY) and tensor.is_quantized)


def _replacements(module: nn.Module) -> dict[int, Any]:
    """Return copies of the objects that deepcopy refuses, by identity: computed tensors, and generators."""
    copies: dict[int, Any] = {}
    for inner in module.modules():
        for leaf in pytree.tree_leaves(vars(inner)):
            if isinstance(leaf, Tensor) and not isinstance(leaf, nn.Parameter):
                copies[id(leaf)] = leaf.detach().clone()
            elif isinstance(leaf, torch.Generator):
                copies[id(leaf)] = leaf.clone_state()
    return copies


def _convert_plain(module: nn.Module) -> None:
    def convert(tensor: Tensor) -> Tensor:
        return tensor.cpu().double() if tensor.is_floating_point() else tensor.cpu()

    for name, value in list(plain(module)):
        tensors = [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]
        if any(not isinstance(tensor, nn.Parameter) for tensor in tensors):
            vars(module)[name] = pytree.tree_map_only(Tensor, convert, value)


def _bake(module: nn.Module) -> None:
    """Replace parametrizations by their values.

    parametrize.remove_parametrizations cannot be used: it deletes properties from the class, which the copy shares with
    the original.
    """
    if not parametrize.is_parametrized(module):
        return
    parametrizations: Any = module.parametrizations
    values = {name: getattr(module, name).detach().clone() for name in parametrizations}
    module.__class__ = type(module).__bases__[0]
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value, requires_grad=False))
