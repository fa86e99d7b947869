"""A module for each scenario. Its `run` yields the figures."""
