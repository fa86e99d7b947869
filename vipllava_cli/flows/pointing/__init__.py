"""Regions that an answer writes in text -> marks of the upright image."""
