"""Benchmarks. Run one with `python -m benchmarks.NAME`, or those of a small machine with `make bench`."""
