"""The training loop: batches, states, loss, schedules, checkpoints."""
