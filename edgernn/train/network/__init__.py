"""Torch networks that compute the exported formulas."""
