"""The prompt of `chat`: input, slash commands, settings."""
