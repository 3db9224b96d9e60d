"""Hyperparameter search: methods, objectives, storage, trials and workers."""
