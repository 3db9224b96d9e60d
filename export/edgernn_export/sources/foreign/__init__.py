"""Models of other tools, read as torch modules: what every importer shares."""
