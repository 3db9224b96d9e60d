"""The backends: one file for each runtime, imported when a file with its suffix is opened."""
