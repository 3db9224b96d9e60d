"""Weights as JSON, of RTNeural and of amplifier trainers, read as torch modules."""
