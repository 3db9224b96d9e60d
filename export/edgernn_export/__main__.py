"""`python -m edgernn_export MODEL OUT...`: the verb `edgernn export` alone."""

import sys

from edgernn.cli import call
from edgernn.commands.export import export

sys.exit(call(export, None, "python -m edgernn_export"))
