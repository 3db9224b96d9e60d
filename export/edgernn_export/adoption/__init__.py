"""Adopting a file of another tool: it stays as it is, behind a contract that says what its tensors are."""
