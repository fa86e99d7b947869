"""Find and download model checkpoints."""
