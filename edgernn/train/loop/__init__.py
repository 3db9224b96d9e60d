"""The training loop: batches, schedules, checkpoints."""
