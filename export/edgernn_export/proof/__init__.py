"""The proof of an artifact: it computes what its graph does, within what the arithmetic may lose."""
