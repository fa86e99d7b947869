"""Terminal output: answers, tables, progress, images."""
