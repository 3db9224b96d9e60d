"""Running an artifact: programs, streams, guards and backends."""
