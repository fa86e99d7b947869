"""Readers of batch sources: image folders, manifests and annotation files."""
