"""The pytest plugin: latency budgets and baselines as tests."""
