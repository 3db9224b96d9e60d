"""The operators of TFLite as functions of torch."""
