"""PyTorch modules: traced by torch.export, converted operation by operation, proved in float64."""
