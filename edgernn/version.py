"""The version of edgernn, in the one place that has it."""

VERSION = "0.2.0"
