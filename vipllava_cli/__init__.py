"""Ask a vision-language model about marked regions of images."""

__version__ = "0.1.0"
