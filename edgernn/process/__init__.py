"""Processes: signals that are not lost, and programs that end with this one."""
