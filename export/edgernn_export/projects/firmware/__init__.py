"""A firmware: a project that runs a model on an emulated microcontroller."""
