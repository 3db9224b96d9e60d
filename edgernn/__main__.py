"""`python -m edgernn`: the command, where its script is not on PATH."""

from edgernn.cli import main

main()
