"""Marks: their types, text forms, coordinates and drawing."""
