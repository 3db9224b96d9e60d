"""Training a smaller model: what is unimportant, fine-tuning, and a graph as a network again."""
