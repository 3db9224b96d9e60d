"""The proof that a graph computes what its module computes."""
