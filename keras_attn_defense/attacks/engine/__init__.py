"""The engine of all attacks: tasks, batches, compiled loops, gradients."""
