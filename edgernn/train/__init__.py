"""Training on the host, with torch."""
