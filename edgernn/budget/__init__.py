"""Latency budgets: requirements, their statistical evaluation on a run, and a monitor for production."""
