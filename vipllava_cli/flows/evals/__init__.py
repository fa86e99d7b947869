"""Benchmarks: datasets, scorers, metrics."""
