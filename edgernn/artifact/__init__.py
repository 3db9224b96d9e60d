"""Files that edgernn writes: the checksum, the manifest of every artifact, and the `.rnn` format."""
