"""Train the shipped model `tiny`; see docs/training.md."""
