"""What attacks run on: tasks, batches, compiled loops, gradients."""
