"""Whether a package is what it says: its hashes, its contract, its goldens on every runtime here, and its states."""
