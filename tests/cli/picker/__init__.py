"""Tests of the window of `--pick`."""
