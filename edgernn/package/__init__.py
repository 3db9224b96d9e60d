"""The `.edge` package: its archive, its manifest and its goldens. What opens it is in edgernn.runtime."""
