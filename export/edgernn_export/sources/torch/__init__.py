"""PyTorch modules: traced by torch.export, read operation by operation, proved in float64."""
