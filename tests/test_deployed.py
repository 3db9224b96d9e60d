"""One step as public models have it: every style of state converts, and equals torch frame by frame."""

import warnings

import numpy as np
import pytest
import torch
from deployed import FORMS
from torch.utils import _pytree as pytree

import edgernn
from edgernn.errors import UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import export, from_torch

STEPS = 100
ON_EVERY_TARGET = {"caches by name", "actor and critic", "packed pairs", "ring in a buffer"}
"""Forms that are exported to every target; the others run on numpy."""


def module_of(form):
    torch.manual_seed(5)
    return form.module().eval()


def inputs_of(form):
    """Random frames for each argument that is data: (steps, *shape of one frame)."""
    random = torch.Generator().manual_seed(7)
    frames = []
    for place in form.data:
        like = form.example[place]
        like = like[:, :1] if place == 0 and like.dim() == 3 else like
        flag = like.numel() == 1
        drawn = torch.randn((STEPS, *like.shape), generator=random)
        frames.append((drawn > 1).to(like.dtype) if flag else drawn)
    return frames


def in_torch(form, module, inputs):
    """The answers of the module, called frame by frame with its own states."""
    states = [each for i, each in enumerate(form.example) if i not in form.data]
    states = pytree.tree_map(torch.clone, [each for each in states if each is not None])
    answers = []
    for xs in zip(*inputs, strict=True):
        data, rest = iter(xs), iter(states)
        count = len(form.data) + len(states)
        with torch.no_grad():
            result = module(*(next(data if i in form.data else rest) for i in range(count)))
        leaves, after = form.results(result)
        answers.append(np.concatenate([leaf.reshape(-1).numpy() for leaf in leaves]))
        states = after or states
    return np.stack(answers)


@pytest.mark.parametrize("name", FORMS)
def test_a_step_is_that_of_torch(name, tmp_path):
    form = FORMS[name]
    module, inputs = module_of(form), inputs_of(form)
    graph = from_torch(module, form.example if len(form.example) > 1 else form.example[0], **form.options)
    assert list(graph.states) == form.states
    expected = in_torch(form, module, inputs)
    frames = np.concatenate([each.reshape(STEPS, -1).float().numpy() for each in inputs], 1)
    np.testing.assert_allclose(Stepper(graph).run(frames)[0], expected, atol=1e-5)
    if name in ON_EVERY_TARGET:
        edgernn.save(graph, tmp_path / "m.rnn")
        for suffix in (".rnn", ".so", ".onnx", ".tflite", ".c"):
            if suffix != ".rnn":
                export(graph, tmp_path / f"m{suffix}")
            if suffix != ".c":
                np.testing.assert_allclose(
                    streamed(tmp_path / f"m{suffix}", frames), expected, atol=1e-5, err_msg=suffix
                )


def streamed(path, frames):
    """The answers of a file, step by step; several outputs side by side."""
    model = edgernn.open(path)
    stream, answers = model.stream(), []
    widths = model.manifest.named_inputs
    edges = np.cumsum(list(widths.values()))[:-1]
    for frame in frames:
        y = stream.step(dict(zip(widths, np.split(frame, edges), strict=True)) if widths else frame)
        answers.append(np.concatenate(list(y.values())) if isinstance(y, dict) else np.array(y))
    return np.stack(answers)


OF_ONE_LENGTH = {"a constant beside frames"}
"""Forms whose exported program takes no other length than its example's, and so no single frame."""


@pytest.mark.parametrize("name", sorted(OF_ONE_LENGTH))
def test_an_exported_program_of_one_length_has_no_step(name):
    form = FORMS[name]
    with warnings.catch_warnings(action="ignore"):
        program = torch.export.export(module_of(form), form.example)
    with pytest.raises(
        UnsupportedError, match=r"'speaker' is of shape \(1, 3\).*one frame alone does not convert: .*does not run"
    ):
        from_torch(program, form.example, **form.options)


def exportable(name):
    """A dictionary that a module keeps is no part of its program."""
    return None not in FORMS[name].example and name not in {"kept in a dictionary", *OF_ONE_LENGTH}


@pytest.mark.parametrize("name", [*filter(exportable, FORMS)])
def test_an_exported_program_is_its_module(name):
    form = FORMS[name]
    module, inputs = module_of(form), inputs_of(form)
    with warnings.catch_warnings(action="ignore"):  # torch's own, of weights that it collects
        program = torch.export.export(module, pytree.tree_map(torch.clone, form.example))
    graph = from_torch(program, form.example if len(form.example) > 1 else form.example[0], **form.options)
    assert list(graph.states) == form.states
    frames = np.concatenate([each.reshape(STEPS, -1).float().numpy() for each in inputs], 1)
    np.testing.assert_allclose(Stepper(graph).run(frames)[0], in_torch(form, module, inputs), atol=1e-5)
