"""Tuning: every way to make a model smaller and to run it, judged and timed; and the best of them."""
