"""The ways to run an artifact: one file each, imported when a file with its suffix is opened."""
