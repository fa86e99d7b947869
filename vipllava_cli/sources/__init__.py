"""Readers of everything that `batch` takes as its source."""
