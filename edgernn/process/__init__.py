"""Processes: signal handling without lost signals, and child processes that end with this one."""
