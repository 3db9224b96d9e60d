"""Where graphs come from: one folder or file for each kind of model."""
