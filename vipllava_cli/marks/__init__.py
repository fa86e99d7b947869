"""Marks: types, text and JSON forms, coordinates, drawing."""
