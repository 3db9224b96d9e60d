"""The model: tensors, operations, cells, graphs, and the trace that every interpreter replays."""
