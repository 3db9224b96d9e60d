"""Writing a `.edge` package: the goldens, how far each runtime may be from them, and the manifest."""
