"""WebAssembly: the C step as a module for browsers and node."""
