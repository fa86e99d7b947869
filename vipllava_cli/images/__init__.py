"""Images: bytes in, upright RGB out, and the views of a model."""
