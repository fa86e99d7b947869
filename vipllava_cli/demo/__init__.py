"""The demo model: its scenes, its training and its weights."""
