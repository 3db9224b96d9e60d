"""One step as public models have it: every style of state converts, and equals torch frame by frame."""

import warnings

import numpy as np
import pytest
import torch
from deployed import FORMS, FRAME, ONE, H, I, Part, TwoStates, frame, zeros
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

import edgernn
from edgernn.errors import UnsupportedError, UsageError
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
    for x in frames:
        y = stream.step(dict(zip(widths, np.split(x, edges), strict=True)) if widths else x)
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


class Crossed(Part):
    """Two layers whose states are returned in the other order."""

    def parts(self):
        return {"a": nn.GRU(I, H, batch_first=True), "b": nn.GRU(H, H, batch_first=True), "out": nn.Linear(H, 2)}

    def forward(self, x, one, two):
        y, first = self.a(x, one)
        y, second = self.b(y, two)
        return self.out(y), second, first


class CellFirst(Part):
    """An LSTM that returns its cell state before the hidden one."""

    def parts(self):
        return {"rnn": nn.LSTM(I, H, batch_first=True), "out": nn.Linear(H, 2)}

    def forward(self, x, h, c):
        y, (h, c) = self.rnn(x, (h, c))
        return self.out(y), c, h


class OutputLikeAState(Part):
    """An embedding beside the state, of its shape."""

    def parts(self):
        return {"cell": nn.GRUCell(I, H), "out": nn.Linear(H, 2), "more": nn.Linear(H, H)}

    def forward(self, x, h):
        h = self.cell(x, h)
        return self.out(h), h, torch.tanh(self.more(h))


class TwoFrames(Part):
    """Two frames, of which the second has the shape of the answer."""

    def parts(self):
        return {"cell": nn.GRUCell(2 * I, H), "out": nn.Linear(H, I)}

    def forward(self, mic, far, h):
        h = self.cell(torch.cat([mic, far], -1), h)
        return self.out(h), h


class Lost(TwoStates):
    """A state that is used and not returned."""

    def forward(self, x, h1, h2):
        y, h1 = self.a(F.relu(self.before(x)), h1)
        return self.out(self.b(y, h2)[0]).sum(-1), h1


class Merged(TwoStates):
    """Two states, and one result that depends on both."""

    def forward(self, x, h1, h2):
        y, h1 = self.a(F.relu(self.before(x)), h1 + h2)
        return self.out(y), h1


class Late(Part):
    """A call of several frames that counts them backwards: no frame after another answers so."""

    def parts(self):
        return {"g": nn.GRU(I, H, batch_first=True)}

    def forward(self, x, scale, h):
        y, h = self.g(x, h)
        return y * scale ** x.shape[1], h


TWO = (ONE, zeros(1, 1, H), zeros(1, 1, H))
BAD = {
    "results in another order": (
        Crossed, TWO, {}, UnsupportedError,
        r"^argument 'one' is state 'h' of layer 'a', and .* '1', is state 'h' of layer 'b'; say which .*'one': '2'\} or states=\{'one': '1'\}$",
    ),
    "states of an LSTM in another order": (
        CellFirst, TWO, {}, UnsupportedError, r"^argument 'h' is state 'h' of layer 'rnn', and .* '1', is state 'c' of layer 'rnn'; say which"
    ),
    "an output with a state's shape": (
        OutputLikeAState, (FRAME, zeros(1, H)), {}, UnsupportedError, r"^argument 'h' \(1, 4\) could be result '1' or '2'; say which: .*states=\{'h': '1'\}"
    ),
    "a frame like the first": (
        TwoFrames, (FRAME, FRAME, zeros(1, H)), {}, UnsupportedError,
        r"^argument 'far' \(1, 5\) could be a frame like 'mic', or a state .* say which: inputs=\('mic', 'far'\) or states=\{'far': 0\}$",
    ),
    "a state that nothing feeds back": (
        Lost, TWO, {}, UnsupportedError, r"^argument 'h2' \(1, 1, 4\) is no state: no result of its shape can be fed back; the results are"
    ),
    "two states with one result": (
        Merged, TWO, {}, UnsupportedError, r"^arguments 'h1', 'h2' \(1, 1, 4\) have one result between them, '1'; return each state"
    ),
    "a state that is fed back twice": (
        TwoStates, TWO, {"states": {"h1": 1, "h2": 1}}, UsageError, r"^states= feeds result 1 back twice; name another result for 'h2'$"
    ),
    "an unknown state": (TwoStates, TWO, {"states": {"h3": 1}}, UsageError, r"^states= names 'h3'; the arguments besides the frame are 'h1', 'h2'$"),
    "an unknown result": (TwoStates, TWO, {"states": {"h1": "h"}}, UsageError, r"^states= feeds 'h1' by 'h'; the results are '0' \(1, 1, 5\)"),
    "an unknown input": (TwoFrames, (FRAME, FRAME, zeros(1, H)), {"inputs": ("mic", "fra")}, UsageError, r"^forward has no argument 'fra'; .*'far'"),
    "an unknown output": (TwoStates, TWO, {"outputs": ("9",)}, UsageError, r"^the module returns no '9'"),
    "a call that is no sequence of steps": (
        Late, (frame(1, 4, I), torch.full((1, 1), 0.5), zeros(1, 1, H)), {"inputs": ("x", "scale")}, UnsupportedError,
        r"^Late answers 4 frames at once otherwise than one after another",
    ),
    "another length": (
        TwoFrames, (frame(7, 1, I), frame(6, 1, I), zeros(1, H)), {"inputs": ("mic", "far"), "time_axis": 0}, UnsupportedError,
        r"does not run on the example|input 'far' is of shape \(6, 1, 5\); expected a tensor with as many steps",
    ),
}  # fmt: skip
"""Name -> a module, an example, options; the error and its one line."""


@pytest.mark.parametrize("name", BAD)
def test_a_state_in_doubt_is_one_line(name):
    kind, example, options, error, words = BAD[name]
    with pytest.raises(error, match=words) as raised:
        from_torch(kind().eval(), example, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("states", [{"one": "2", "two": "1"}, {"one": "1", "two": "2"}])
def test_states_may_be_exchanged_by_name(states):
    torch.manual_seed(5)
    module = Crossed().eval()
    graph = from_torch(module, TWO, states=states)
    frames = torch.randn(STEPS, 1, 1, I)
    order, before, answers = [int(states["one"]), int(states["two"])], list(TWO[1:]), []
    for x in frames:
        with torch.no_grad():
            results = module(x, *before)
        before = [results[i] for i in order]
        answers.append(results[0].reshape(-1).numpy())
    np.testing.assert_allclose(Stepper(graph).run(frames.reshape(STEPS, I).numpy())[0], np.stack(answers), atol=1e-5)


def test_a_module_of_lightning_converts_after_it_was_trained():
    lightning = pytest.importorskip("lightning", reason="edgernn[train] brings it")

    class Trained(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.g, self.out, self.loss = nn.GRU(I, H, batch_first=True), nn.Linear(H, 2), nn.MSELoss()

        def forward(self, x):
            return self.out(self.g(x)[0])

        def training_step(self, batch):
            return self.loss(self(batch[0]), torch.zeros(2, 7, 2))

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    module, data = Trained(), torch.utils.data.TensorDataset(torch.randn(4, 7, I))
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = lightning.Trainer(max_steps=2, accelerator="cpu", **quiet)
    with warnings.catch_warnings(action="ignore"):
        trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=2))
    graph, frames = from_torch(module.eval(), frame(1, 7, I)), torch.randn(1, STEPS, I)
    with torch.no_grad():
        expected = module(frames)[0].numpy()
    assert module.trainer is trainer
    np.testing.assert_allclose(Stepper(graph).run(frames[0].numpy())[0], expected, atol=1e-5)
