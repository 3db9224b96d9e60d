"""Instructions of a step in C: equal in every run, on this machine and on emulated ones."""
