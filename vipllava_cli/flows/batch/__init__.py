"""Plan and run a batch of questions."""
