"""Integer arithmetic of the static schemes: quantization parameters, the forms of operations, and overflow."""
