"""Sources of graphs: one folder or file for each kind of model."""
