"""The clip-art benchmark: scenes and questions from a seed."""
