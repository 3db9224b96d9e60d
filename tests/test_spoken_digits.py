"""The main job on real audio: spoken digits, trained here, exported, and streamed frame by frame on every runtime."""

import numpy as np
import pytest
import torch

import edgernn
import spoken
from edgernn.runtime import BACKENDS
from edgernn.train.classify import Classifier, fit
from edgernn_export import export, from_torch

ACCURACY, LOGIT_ERROR, PARAMETERS = 0.97, 1e-4, 20_000
TRAINING = {"gru": {"hidden": 48, "rate": 6e-3}, "lstm": {"hidden": 48, "rate": 8e-3}}
EPOCHS, NOISE = 14, 0.2

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clips(data):
    train, test = spoken.load(data / "fsdd/recordings")
    assert (len(train.frames), len(test.frames)) == (2700, 300)
    return train, test


def padded(frames):
    """(clips, time, bands) padded with zeros on the right, and the length of each."""
    lengths = torch.tensor([len(each) for each in frames])
    x = torch.zeros(len(frames), int(lengths.max()), spoken.BANDS)
    for row, each in zip(x, frames, strict=True):
        row[: len(each)] = torch.from_numpy(each)
    return x, lengths


@pytest.fixture(scope="module", params=TRAINING)
def trained(request, clips):
    train, _ = clips
    every = np.concatenate(train.frames)
    torch.manual_seed(0)
    model = Classifier(
        request.param,
        torch.from_numpy(every.mean(0)),
        torch.from_numpy(every.std(0)),
        TRAINING[request.param]["hidden"],
        classes=10,
    )
    assert sum(parameter.numel() for parameter in model.parameters()) <= PARAMETERS
    x, lengths = padded(train.frames)
    digits = torch.from_numpy(train.digits)
    list(fit(model, x, lengths, digits, epochs=EPOCHS, rate=TRAINING[request.param]["rate"], noise=NOISE))
    return model


def test_every_runtime_hears_what_torch_hears(trained, clips, tmp_path):
    _, test = clips
    graph = from_torch(trained, torch.from_numpy(test.frames[0][None]), period_ms=10.0, labels=tuple("0123456789"))
    with torch.no_grad():
        wanted = [trained(torch.from_numpy(frames[None]))[0].numpy() for frames in test.frames]
    answers = np.array([scores[-1].argmax() for scores in wanted])
    accuracy = float((answers == test.digits).mean())
    worst = {}
    for suffix in BACKENDS:
        path = tmp_path / f"digits{suffix}"
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
        stream = edgernn.open(path).stream()
        worst[suffix] = 0.0
        for frames, scores, answer in zip(test.frames, wanted, answers, strict=True):
            stream.reset()
            found = np.stack([stream.step(frame) for frame in frames])
            worst[suffix] = max(worst[suffix], float(np.abs(found - scores).max()))
            assert found[-1].argmax() == answer
    print(f"\naccuracy {accuracy:.4f}, largest difference of a logit {worst}")
    assert accuracy >= ACCURACY
    assert max(worst.values()) <= LOGIT_ERROR
