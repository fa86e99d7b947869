"""Measure speed and memory against a baseline in the same run."""
