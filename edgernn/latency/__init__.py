"""Latency: timing steps, checking budgets, comparing two artifacts, and predicting the cost of a step."""
