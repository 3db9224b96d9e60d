"""A module as operations: it is copied, called and traced by torch.export."""
