"""Comparing cells: one table of accuracy and time."""
