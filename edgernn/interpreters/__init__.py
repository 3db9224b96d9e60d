"""The readings of a trace that a device can run: what computes, and what counts."""
