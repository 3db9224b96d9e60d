"""The proof of an artifact: it computes what the graph does, within what the arithmetic may lose."""
