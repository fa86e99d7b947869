"""Tests of regions in answers."""
