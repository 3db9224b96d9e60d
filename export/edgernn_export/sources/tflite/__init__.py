"""TFLite models, read as torch modules."""
