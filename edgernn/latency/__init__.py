"""Latency: how steps are timed, on what machine, and what the times say of a budget or of a change."""
