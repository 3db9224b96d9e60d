"""Passes from a graph to a smaller graph, with numpy alone: calibration, quantization, pruning, factorization."""
