"""Comparisons: cells by accuracy and time, and a model before and after compression."""
