"""Post-processing of a stream's outputs: keyword detection, anomaly scores, text generation."""
