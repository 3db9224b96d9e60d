"""The files that edgernn writes: their checksum, the manifest of an artifact, and the `.rnn` format."""
