"""Builders: how each class of layer becomes a torch module."""
