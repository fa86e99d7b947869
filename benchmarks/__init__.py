"""Benchmarks: `python -m benchmarks list` shows the scenarios, `python -m benchmarks run` runs them."""
