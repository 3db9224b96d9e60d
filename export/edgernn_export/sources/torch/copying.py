"""The copy of a module that is converted: in float64, on the CPU, with plain weights; the user's own stays as it is."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError

REGISTERED = {"_parameters", "_buffers", "_modules"}
"""What nn.Module keeps by itself, and converts and copies by itself."""

_LAZY = (nn.UninitializedParameter, nn.UninitializedBuffer)
_QUANTIZED = (
    "torch.ao.nn.quantized",
    "torch.ao.nn.intrinsic.quantized",
    "torch.ao.nn.qat",
    "torch.ao.nn.intrinsic.qat",
)
_PREPARED = ("torch.ao.quantization.observer", "torch.ao.quantization.fake_quantize")


def copied(module: nn.Module) -> nn.Module:
    """A copy in float64 on the CPU.

    Tensors that are plain attributes become float64 too. Parametrized weights, as torch.nn.utils.parametrizations
    makes them, become plain parameters with the values that they have now.

    Raises:
        UnsupportedError: the module has no weights yet, is compiled to TorchScript, holds quantized weights, or holds
            something that cannot be copied.
    """
    _check_readable(module)
    try:
        made = copy.deepcopy(module, _replaced(module))
        for inner in made.modules():
            _convert_plain(inner)
        made = made.cpu().double()
        for inner in list(made.modules()):
            _bake(inner)
        return made.double()  # recurrent layers list their weights anew
    except Exception as error:  # an attribute of the user's may refuse in any way
        raise UnsupportedError(
            f"{type(module).__name__} cannot be copied: {first_line(error)}; keep what is no weight out of the module"
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def plain(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The attributes of one module that are no parameters, buffers or modules."""
    return ((name, value) for name, value in vars(module).items() if name not in REGISTERED)


def _check_readable(module: nn.Module) -> None:
    for path, inner in module.named_modules():
        where, kind = f"module '{path}'" if path else "the module", type(inner)
        if isinstance(inner, torch.jit.ScriptModule):
            raise UnsupportedError(
                f"{where} is compiled to TorchScript, which torch.export does not read; convert the nn.Module that it "
                "was scripted or traced from"
            )
        quantized = kind.__module__.startswith(_QUANTIZED) or kind.__module__ in _PREPARED
        if quantized or any(_is_quantized(tensor) for tensor in _own_tensors(inner)):
            raise UnsupportedError(
                f"{where} ({kind.__name__}) is quantized by torch, or prepared for it, and its integers are not read; "
                "convert the float model that it was made from, then quantize the graph: "
                "edgernn.passes.quantize.quantize(graph, 'dynamic_wi8_afp32')"
            )
        if any(isinstance(tensor, _LAZY) for tensor in _own_tensors(inner)):
            raise UnsupportedError(f"{where} has lazy layers without weights; run it once on the example first")
        if any(tensor.is_meta for tensor in _own_tensors(inner)):
            raise UnsupportedError(f"{where} has weights on the device 'meta', which have no values; load them first")


def _own_tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _is_quantized(tensor: Tensor) -> bool:
    return type(tensor).__module__.startswith("torchao") or (not isinstance(tensor, _LAZY) and tensor.is_quantized)


def _replaced(module: nn.Module) -> dict[int, Any]:
    """What deepcopy refuses, by identity, with its copy: tensors that were computed, and generators."""
    made: dict[int, Any] = {}
    for inner in module.modules():
        for leaf in pytree.tree_leaves(vars(inner)):
            if isinstance(leaf, Tensor) and not isinstance(leaf, nn.Parameter):
                made[id(leaf)] = leaf.detach().clone()
            elif isinstance(leaf, torch.Generator):
                made[id(leaf)] = leaf.clone_state()
    return made


def _convert_plain(module: nn.Module) -> None:
    def convert(tensor: Tensor) -> Tensor:
        return tensor.cpu().double() if tensor.is_floating_point() else tensor.cpu()

    for name, value in list(plain(module)):
        found = [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]
        if any(not isinstance(tensor, nn.Parameter) for tensor in found):
            vars(module)[name] = pytree.tree_map_only(Tensor, convert, value)


def _bake(module: nn.Module) -> None:
    """Replace parametrizations by their values.

    Not by parametrize.remove_parametrizations, which deletes properties from a class that a copy shares with the
    original.
    """
    if not parametrize.is_parametrized(module):
        return
    parametrizations: Any = module.parametrizations
    values = {name: getattr(module, name).detach().clone() for name in parametrizations}
    module.__class__ = type(module).__bases__[0]
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value, requires_grad=False))
