"""Names, checkpoints and downloads of models."""
