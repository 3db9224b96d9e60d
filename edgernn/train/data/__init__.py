"""Readers: from a folder or a file to the sequences of a training and a test part. One file and one line each."""

from collections.abc import Mapping
from types import MappingProxyType

READERS: Mapping[str, str] = MappingProxyType(
    {
        "csv": "edgernn.train.data.csv",
        "denoise": "edgernn.train.data.denoise",
        "npz": "edgernn.train.data.npz",
        "series": "edgernn.train.data.series",
        "text": "edgernn.train.data.text",
        "ts": "edgernn.train.data.ts",
        "wav": "edgernn.train.data.wav",
    }
)
"""The name of a reader -> its module, which has `read(path, **options) -> Data`."""

PAIR_READERS: Mapping[str, str] = MappingProxyType({"pairs": "edgernn.train.translation.pairs"})
"""The name of a reader of pairs of texts -> its module, which has `read(path, **options) -> Pairs`."""
