"""Ask a vision-language model about marked regions of pictures."""

__version__ = "0.1.0"
