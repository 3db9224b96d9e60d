"""Handlers: how each operation of torch becomes layers."""
