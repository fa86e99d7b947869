"""A conversation about an image: its state, its turns, and its session file."""
