"""The chat prompt: line input, slash commands, settings, autosave."""
