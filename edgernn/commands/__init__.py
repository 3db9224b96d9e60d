"""The verbs of the command: one file each. What a verb needs is imported when it runs, so that --help is quick."""

from edgernn.commands.anomalies import anomalies
from edgernn.commands.bench import bench
from edgernn.commands.certify import certify
from edgernn.commands.check import check
from edgernn.commands.compare import compare
from edgernn.commands.compress import compress
from edgernn.commands.demo import demo
from edgernn.commands.devices import devices
from edgernn.commands.estimate import estimate
from edgernn.commands.export import export
from edgernn.commands.generate import generate
from edgernn.commands.history import history
from edgernn.commands.info import info
from edgernn.commands.probe import probe
from edgernn.commands.regress import regress
from edgernn.commands.run import run
from edgernn.commands.search import search
from edgernn.commands.sensitivity import sensitivity
from edgernn.commands.train import train
from edgernn.commands.tune import tune

VERBS = (
    export,
    info,
    run,
    generate,
    anomalies,
    bench,
    check,
    certify,
    regress,
    history,
    devices,
    probe,
    estimate,
    train,
    compare,
    search,
    sensitivity,
    compress,
    tune,
    demo,
)
