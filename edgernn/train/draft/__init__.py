"""A first recipe for data that has none: what the data looks like decides the reader, the network and the training."""
