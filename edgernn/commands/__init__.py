"""The verbs of the command, one file each. A verb imports what it needs when it runs, so that --help is fast."""

from collections.abc import Mapping
from types import MappingProxyType

import click

from edgernn.commands.adopt import adopt
from edgernn.commands.anomalies import anomalies
from edgernn.commands.bench import bench
from edgernn.commands.certify import certify
from edgernn.commands.check import check
from edgernn.commands.compare import compare
from edgernn.commands.compress import compress
from edgernn.commands.demo import demo
from edgernn.commands.denoise import denoise
from edgernn.commands.devices import devices
from edgernn.commands.estimate import estimate
from edgernn.commands.export import export
from edgernn.commands.generate import generate
from edgernn.commands.history import history
from edgernn.commands.import_ import import_
from edgernn.commands.info import info
from edgernn.commands.keygen import keygen
from edgernn.commands.probe import probe
from edgernn.commands.recipes import recipes
from edgernn.commands.regress import regress
from edgernn.commands.run import run
from edgernn.commands.search import search
from edgernn.commands.sensitivity import sensitivity
from edgernn.commands.sign import sign
from edgernn.commands.soak import soak
from edgernn.commands.train import train
from edgernn.commands.translate import translate
from edgernn.commands.tune import tune
from edgernn.commands.update import update
from edgernn.commands.verify import verify

GROUPS: Mapping[str, tuple[click.Command, ...]] = MappingProxyType(
    {
        "Train": (recipes, train, compare, search, demo),
        "Compress": (compress, sensitivity, tune),
        "Export": (import_, adopt, export, info),
        "Packages": (keygen, sign, verify, soak, update),
        "Run": (run, generate, translate, anomalies, denoise),
        "Latency": (estimate, bench, check, certify, regress, history),
        "Devices": (devices, probe),
    }
)
"""A section of `edgernn --help` -> its verbs, in the order in which it lists them."""
