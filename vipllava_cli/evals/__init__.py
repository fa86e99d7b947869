"""Benchmarks: each gives examples and says how right an answer is; the run itself is a batch."""
