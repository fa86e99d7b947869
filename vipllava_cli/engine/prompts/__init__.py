"""Prompts: templates, placeholders, phrases for marks, and choices."""
