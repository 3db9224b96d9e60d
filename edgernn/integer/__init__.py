"""Integers: quantization parameters, integer operations, and what may overflow."""
