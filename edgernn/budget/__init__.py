"""Latency budgets: what is asked, what a run of steps says of it, and a monitor in production."""
