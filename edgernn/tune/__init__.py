"""Tuning: evaluate and time combinations of precision, pruning and runtime, and select the best one."""
