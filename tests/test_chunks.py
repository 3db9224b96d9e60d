"""Truncated backpropagation in time: chunks against whole sequences, which torch runs by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from edgernn.passes.patterns import Magnitude
from edgernn.train.compress.zeros import Zeros
from edgernn.train.convert import to_graph
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.loop.batches import Batching, epoch
from edgernn.train.loop.dataset import SequenceDataset
from edgernn.train.loop.task import Task, Training
from edgernn.train.loop.trainer import Accelerator, fit, make_trainer, quiet
from edgernn.train.network.models import Network, Shape

INPUTS, OUTPUTS = 2, 3


def network():
    torch.manual_seed(0)
    return Network(Shape("gru", hidden=6, layers=2), INPUTS, OUTPUTS)


def drawn(lengths, seed=0):
    """Sequences, and values that are asked for at every step of them."""
    random = np.random.default_rng(seed)
    return tuple(
        [random.standard_normal((length, width)).astype(np.float32) for length in lengths]
        for width in (INPUTS, OUTPUTS)
    )


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=9),
    batch=st.integers(1, 4),
    tbptt=st.integers(1, 9),
    late=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_the_loss_in_chunks_is_that_of_whole_sequences(lengths, batch, tbptt, late):
    """The mean over all answers that count, each from a sequence that torch runs alone, at once and from the initial state."""
    frames, targets = drawn(lengths)
    whole, plan = network().eval(), Batching(batch, tbptt, late)
    part = SequenceDataset.fixed(frames, targets)
    task = Task(whole, "series", part, ("test", part), Training(batching=plan)).eval()
    with torch.no_grad():
        rows = [
            (whole(torch.from_numpy(x)[None])[0], torch.from_numpy(y)) for x, y in zip(frames, targets, strict=True)
        ]
        answers, expected = (
            torch.cat([each[int(late * len(each)) :] for each in side]) for side in zip(*rows, strict=True)
        )
        chunks = list(epoch(frames, targets, plan, np.random.default_rng(0)))
        losses = [task.loss(each)[0] * each.mask.sum() for each in chunks]
    assert float(sum(losses) / len(answers)) == pytest.approx(float(F.mse_loss(answers, expected)), rel=1e-4)


@pytest.mark.parametrize("zeros", [False, True])
def test_a_first_half_without_a_loss_is_trained_through_as_whole_sequences_are(zeros, tmp_path):
    """With as many steps in a chunk as answers that count; AdamW, whose momentum would move weights without a loss."""
    frames, targets = drawn([16] * 12)
    part, test = SequenceDataset.fixed(frames, targets), SequenceDataset.fixed(*drawn([16] * 4, seed=1))
    tasks = {}
    for tbptt in (0, 8):
        training = Training(3, 1e-2, schedule="constant", batching=Batching(4, tbptt, 0.5))
        task = Task(network(), "series", part, ("test", test), training)
        with quiet():
            more = [Zeros(graph(network()), Magnitude(0.5), gradual=False)] if zeros else []
            trainer, *_ = make_trainer(training, tmp_path, Accelerator("cpu"), more)
            fit(trainer, task)
        tasks[tbptt] = task
    for name, expected in tasks[0].network.state_dict().items():
        torch.testing.assert_close(tasks[8].network.state_dict()[name], expected, atol=1e-5, rtol=1e-4)
    for history, expected in zip(tasks[8].history, tasks[0].history, strict=True):
        assert history == pytest.approx(expected, abs=2e-5)
    assert tasks[0].history[-1]["loss"] < tasks[0].history[0]["loss"]


def graph(trained):
    frames, targets = drawn([4, 4])
    part = Sequences(tuple(frames), tuple(targets), ("one", "two"))
    return to_graph(trained.eval(), Data(part, part, "series", INPUTS, OUTPUTS))


def test_a_gradient_reaches_through_one_chunk_without_a_loss_and_no_further():
    """Of five chunks of four steps the last two have answers that count; the oracle is autograd over the same steps."""
    frames, targets = drawn([20])
    whole, plan = network(), Batching(1, 4, 0.6)
    part = SequenceDataset.fixed(frames, targets)
    task = Task(whole, "series", part, ("test", part), Training(batching=plan)).eval()
    chunks = list(epoch(frames, targets, plan, np.random.default_rng(0)))
    assert [each.counts for each in chunks] == [False, False, False, True, True]
    for each in chunks:
        each.x.requires_grad_()
        loss, _ = task.loss(each)
        if each.counts:
            loss.backward()
    assert [each.x.grad is None for each in chunks] == [True, True, False, False, False]
    x, y = (torch.from_numpy(each[0])[None] for each in (frames, targets))
    last = x[:, 8:16].clone().requires_grad_()
    answers, _ = whole.run(last, [each.detach() for each in whole.run(x[:, :8])[1]])
    F.mse_loss(answers[:, 4:], y[:, 12:16]).backward()
    torch.testing.assert_close(torch.cat([chunks[2].x.grad, chunks[3].x.grad], 1), last.grad)
    assert last.grad[:, :4].abs().min() > 0
