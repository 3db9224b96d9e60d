"""Replacing the model of a device: staged, tried in a process of its own, on trial, and back by itself if it fails."""
