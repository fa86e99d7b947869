"""Output: answers and errors on the terminal, pictures in it."""
