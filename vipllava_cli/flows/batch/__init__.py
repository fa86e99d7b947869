"""Plan and run a batch."""
