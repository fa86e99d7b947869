"""Checks of a checkpoint's files before anything of them is loaded. Import no torch."""
