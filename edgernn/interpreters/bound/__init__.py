"""The step bound once: what the definition does to a frame, recorded as a list of calls on arrays that stay."""
