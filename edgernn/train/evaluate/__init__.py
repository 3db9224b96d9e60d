"""Evaluation of a model on a test part or a stream."""
