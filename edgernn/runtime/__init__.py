"""Running artifacts: programs, streams, guards and backends."""
