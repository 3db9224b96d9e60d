"""A verb on another machine, over OpenSSH's own client: one connection, and nothing left there when it ends."""
