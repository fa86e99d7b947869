"""Judges grade free answers from 0 to 1."""
