"""Structured answers: several fields about a marked image, each with a question of its own."""
