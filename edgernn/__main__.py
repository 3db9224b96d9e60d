"""`python -m edgernn`: the command, where its script is not on the path."""

from edgernn.cli import main

main()
