"""Readers: a folder or a file becomes the sequences of a training and of a test part. One file, one line each."""

from collections.abc import Mapping
from types import MappingProxyType

READERS: Mapping[str, str] = MappingProxyType(
    {
        "csv": "edgernn.train.data.csv",
        "npz": "edgernn.train.data.npz",
        "series": "edgernn.train.data.series",
        "text": "edgernn.train.data.text",
        "ts": "edgernn.train.data.ts",
        "wav": "edgernn.train.data.wav",
    }
)
"""A reader's name -> the module with its `read(path, **options) -> Data`."""
