"""Keras models, read as torch modules without TensorFlow or Keras."""
