"""Compression with training: the importance of units, fine-tuning, and converting a graph back to a network."""
