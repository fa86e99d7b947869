"""Models that answer questions about marked images."""
