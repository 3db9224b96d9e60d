"""TorchScript: a compiled module as a torch.export.ExportedProgram, by torch's own converter."""

from typing import Any

import torch
from torch.export import ExportedProgram

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.trace.copying import first_line
from edgernn_export.sources.torch.trace.silence import silence


def program_of(module: torch.jit.ScriptModule, example: Any) -> ExportedProgram:
    """Return the program of a module that was scripted or traced.

    Raises:
        UnsupportedError: it is in training mode, or torch does not convert it.
    """
    if module.training:
        raise UnsupportedError("the module is in training mode; call module.eval() first")
    arguments = example if isinstance(example, tuple) else (example,)
    try:
        from torch._export.converter import TS2EPConverter

        with silence(), torch.no_grad():
            program: ExportedProgram = TS2EPConverter(module, arguments).convert()
            return program
    except Exception as error:  # the converter is private to torch and raises anything
        raise UnsupportedError(
            f"the module is compiled to TorchScript, which torch does not convert ({first_line(error)}); convert the "
            "nn.Module that was scripted or traced"
        ) from error
