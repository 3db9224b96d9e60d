"""The C target: one step as C99 that a person can read, and as a shared library."""
