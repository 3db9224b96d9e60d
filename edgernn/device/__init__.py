"""Devices: board profiles, instruction sets, and what this machine is."""
