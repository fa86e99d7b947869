"""A conversation: its state and its file."""
