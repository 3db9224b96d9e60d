"""Sequence to sequence: an encoder whose outputs a decoder attends to, trained on pairs of texts."""
